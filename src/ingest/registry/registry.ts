import type { Schema } from 'avsc'

/** A schema and the id that records carry on the wire. */
export interface RegisteredSchema {
  readonly id: number
  readonly subject: string
  readonly version: number
  readonly schema: Schema
}

/** A schema registry: Confluent's contract. Subject is `<topic>-value`; compatibility is BACKWARD. */
export interface SchemaRegistry {
  /**
   * Registers a writer schema before its first record, or finds the identical one. A schema with which the
   * subject's newest could not be read (BACKWARD) is refused with `conflict`, saying which field and why; what is no
   * Avro schema, with `invalid_input`.
   */
  register(subject: string, schema: Schema): Promise<RegisteredSchema>

  /** The schema of a wire id; `not_found` when nobody registered it. */
  byId(id: number): Promise<RegisteredSchema>
}
