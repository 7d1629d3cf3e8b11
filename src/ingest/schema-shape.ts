import avro, { type Schema, type Type } from 'avsc'
import { invalid } from '#core'

/**
 * A logical type that keeps what it says about its values. It is for looking at a schema: nothing is read or
 * written through it.
 */
export class AnnotatedType extends avro.types.LogicalType {
  readonly logicalType: string
  readonly precision: number
  readonly scale: number
  /** Logical type with its attributes: values with different annotations mean different things. */
  readonly annotation: string

  constructor(schema: Schema, options: unknown) {
    super(schema, options)
    // avsc makes a logical type only of an object schema that has one.
    const { logicalType, precision, scale } = schema as Record<string, unknown>
    this.logicalType = String(logicalType)
    this.precision = Number(precision)
    this.scale = Number(scale ?? 0)
    this.annotation = JSON.stringify({ logicalType, precision, scale })
  }
}

/** Those that change the unit or scale of a value; any other one is looked at as its underlying type. */
const ANNOTATED = [
  'decimal',
  'timestamp-millis',
  'timestamp-micros',
  'timestamp-nanos',
  'local-timestamp-millis',
  'local-timestamp-micros',
  'local-timestamp-nanos',
  'time-millis',
  'time-micros',
  'date',
]
const LOGICAL_TYPES = Object.fromEntries(ANNOTATED.map((name) => [name, AnnotatedType]))

/** The types of a schema, names resolved, unions always `WrappedUnionType`; `invalid_input` if it is no Avro schema. */
export function schemaShape(schema: Schema): Type {
  try {
    return avro.Type.forSchema(schema, { logicalTypes: LOGICAL_TYPES, wrapUnions: 'always' })
  } catch (cause) {
    throw invalid('schema', JSON.stringify(schema), 'an Avro schema', cause)
  }
}
