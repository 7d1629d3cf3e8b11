/** Where a schema is known: under a subject, as one of its versions. */
export interface SubjectVersion {
  readonly subject: string
  /** From 1, in the order in which they were registered. */
  readonly version: number
}

/** A schema as one version of a subject. */
export interface RegisteredSchema extends SubjectVersion {
  /** What records carry on the wire. A schema has one id, under however many subjects it is registered. */
  readonly id: number
  /** JSON text, with all that was registered: docs, defaults and aliases too. */
  readonly schema: string
}

/**
 * A schema registry: Confluent's contract. Schemas are JSON texts, and the same when their JSON is, the order of
 * attributes aside. Subject is `<topic>-value`; compatibility is BACKWARD.
 * `unavailable` means that the registry does not answer, and never that it does not know something.
 * A contract suite (test/contract/registry.ts) runs on each implementation.
 */
export interface SchemaRegistry {
  /**
   * Registers a writer schema before its first record, or finds the identical one. A schema with which the
   * subject's newest could not be read (BACKWARD) is refused with `conflict`, saying which field and why; what is no
   * Avro schema, with `invalid_input`.
   */
  register(subject: string, schema: string): Promise<RegisteredSchema>

  /** The subject's version that is this schema; `not_found` when none is, or there is no such subject. */
  find(subject: string, schema: string): Promise<RegisteredSchema>

  /** The schema of a wire id; `not_found` when nobody registered it. */
  byId(id: number): Promise<string>

  /** Where the schema of a wire id is known; `not_found` when nobody registered it. */
  usesOf(id: number): Promise<readonly SubjectVersion[]>

  /** In the order of their names. */
  subjects(): Promise<readonly string[]>

  /** Versions of a subject, from the first; `not_found` when nothing is registered under it. */
  versions(subject: string): Promise<readonly number[]>

  /** One version of a subject; `not_found` when there is no such version. */
  version(subject: string, version: number | 'latest'): Promise<RegisteredSchema>
}
