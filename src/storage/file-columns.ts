import { type TableLayout, TicklakeError } from '#core'
import { type Schema, TYPE_NAMES } from './iceberg/schema.js'
import { baseType } from './iceberg/values.js'

/** A column that data files are asked for. Each file has it under its id, or, written before it was added, not at all. */
export interface FileColumn {
  /** Iceberg's field id. */
  readonly id: number
  /** What the reader calls it, whatever it is named in the files. */
  readonly name: string
  /** Iceberg's name of a primitive type. What the files have is as wide, or less. */
  readonly type: string
}

const DUCKDB_TYPES: Readonly<Record<string, string>> = {
  boolean: 'BOOLEAN',
  int: 'INTEGER',
  long: 'BIGINT',
  float: 'FLOAT',
  double: 'DOUBLE',
  date: 'DATE',
  time: 'TIME',
  timestamp: 'TIMESTAMP',
  timestamptz: 'TIMESTAMPTZ',
  string: 'VARCHAR',
  uuid: 'UUID',
  binary: 'BLOB',
  fixed: 'BLOB',
}

/**
 * The columns of a table's rows: those of the layout, under the names of the layout, which the schema may have changed
 * since, and as wide as the schema has made them; then those that the schema has besides, but for nested ones.
 */
export function fileColumns(layout: TableLayout, schema: Schema): readonly FileColumn[] {
  const primitives = schema.fields.flatMap(({ id, name, type }) =>
    typeof type === 'string' ? [{ id, name, type }] : [],
  )
  const types = new Map(primitives.map(({ id, type }) => [id, type]))
  const known = layout.columns.map(({ id, name, type }) => ({
    id,
    name,
    type: types.get(id) ?? TYPE_NAMES[type],
  }))
  const taken = new Set<number | string>(layout.columns.flatMap(({ id, name }) => [id, name]))
  return [...known, ...primitives.filter(({ id, name }) => !taken.has(id) && !taken.has(name))]
}

/** DuckDB's name of the type. */
export function duckdbType({ name, type }: FileColumn): string {
  // Parameters are written alike.
  const duckdb = baseType(type) === 'decimal' ? type.toUpperCase() : DUCKDB_TYPES[baseType(type)]
  if (duckdb !== undefined) return duckdb
  throw new TicklakeError('conflict', `column ${name} has type ${type}, which ticklake does not read`)
}
