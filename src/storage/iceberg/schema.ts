import {
  DECIMAL_PRECISION,
  DECIMAL_SCALE,
  type LayoutColumn,
  type TableLayout,
  type WideDecimal,
} from '#core'
import { Fields, type Json, type JsonObject, NO_FIELDS } from './json.js'

/** A column. `type` is a primitive's name ("long", "decimal(18, 8)") or the JSON of a nested type, as written. */
export interface SchemaField {
  readonly id: number
  readonly name: string
  readonly required: boolean
  readonly type: Json
  readonly doc: string | null
  readonly extra: JsonObject
}

/** An Iceberg table schema (spec: Schemas and Data Types). Field ids are never reused. */
export interface Schema {
  readonly schemaId: number
  readonly fields: readonly SchemaField[]
  readonly extra: JsonObject
}

type PlainType = Exclude<LayoutColumn['type'], WideDecimal>

/** Iceberg's names of the types that columns of ours have. A wide decimal bears its own. */
const TYPE_NAMES: Readonly<Record<PlainType, string>> = {
  string: 'string',
  int: 'int',
  long: 'long',
  timestamptz: 'timestamptz',
  decimal: `decimal(${DECIMAL_PRECISION}, ${DECIMAL_SCALE})`,
  binary: 'binary',
  date: 'date',
}

/** Iceberg's name of a column's type. */
export function typeName({ type }: Pick<LayoutColumn, 'type'>): string {
  return isWide(type) ? type : TYPE_NAMES[type]
}

function isWide(type: LayoutColumn['type']): type is WideDecimal {
  return type.startsWith('decimal(')
}

/** All columns are optional: DuckDB writes OPTIONAL Parquet columns; presence is enforced at ingest. */
export function icebergSchema(layout: TableLayout): Schema {
  const fields = layout.columns.map((column) => ({
    id: column.id,
    name: column.name,
    required: false,
    type: typeName(column),
    doc: column.doc,
    extra: NO_FIELDS,
  }))
  return { schemaId: 0, fields, extra: NO_FIELDS }
}

export function parseSchema(json: Json, path: string): Schema {
  const from = new Fields(json, path)
  from.string('type')
  return {
    schemaId: from.optional('schema-id', from.integer, 0),
    fields: from.list('fields', parseField),
    extra: from.rest(),
  }
}

export function schemaJson(schema: Schema): JsonObject {
  return {
    type: 'struct',
    'schema-id': schema.schemaId,
    fields: schema.fields.map(fieldJson),
    ...schema.extra,
  }
}

export function fieldJson(field: SchemaField): JsonObject {
  return {
    id: field.id,
    name: field.name,
    required: field.required,
    type: field.type,
    ...(field.doc === null ? {} : { doc: field.doc }),
    ...field.extra,
  }
}

export function parseField(json: Json, path: string): SchemaField {
  const from = new Fields(json, path)
  return {
    id: from.integer('id'),
    name: from.string('name'),
    required: from.boolean('required'),
    type: from.json('type'),
    doc: from.optional('doc', from.string, null),
    extra: from.rest(),
  }
}
