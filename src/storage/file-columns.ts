import { type AddedColumn, type TableLayout, TicklakeError } from '#core'
import type { JsonObject } from './iceberg/json.js'
import { type Schema, type SchemaField, typeName } from './iceberg/schema.js'
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

/** The columns of a layout as its writer writes them. */
export function layoutColumns(layout: TableLayout): readonly FileColumn[] {
  return layout.columns.map((column) => ({ id: column.id, name: column.name, type: typeName(column) }))
}

/**
 * The columns of a table's rows: those of the layout, under the names of the layout, which the schema may have changed
 * since, and as wide as the schema has made them; then those that the schema has besides, but for nested ones, and for
 * namesakes of others: DuckDB folds case.
 */
export function fileColumns(layout: TableLayout, schema: Schema): readonly FileColumn[] {
  const columns = ofLayout(layout, schema)
  const taken = new Set(columns.map(({ name }) => name.toLowerCase()))
  for (const column of besides(layout, schema)) {
    const folded = column.name.toLowerCase()
    if (typeof column.type !== 'string' || taken.has(folded)) continue
    taken.add(folded)
    columns.push({ id: column.id, name: column.name, type: column.type })
  }
  return columns
}

/**
 * The same for whoever writes rows anew, who must lose none of their columns: namesakes get names of their own. `conflict`
 * names a column that ticklake cannot write as Iceberg wants it.
 */
export function wholeColumns(layout: TableLayout, schema: Schema): readonly FileColumn[] {
  const columns = ofLayout(layout, schema)
  const taken = new Set(columns.map(({ name }) => name.toLowerCase()))
  for (const { id, name, type } of besides(layout, schema)) {
    if (typeof type !== 'string' || !isWritable(type)) {
      const what = typeof type === 'string' ? type : 'a nested type'
      const message = `column ${name} of ${layout.name} is ${what}, which ticklake cannot write`
      throw new TicklakeError('conflict', `${message}: rewrite its files with the engine that added it`)
    }
    columns.push({ id, name: ownName(taken, name, id), type })
  }
  return columns
}

/**
 * The columns that a flush writes: the layout's, and of those that its rows have besides the ones that the schema still
 * has, by its names and types where ticklake can write them so.
 */
export function flushedColumns(
  layout: TableLayout,
  schema: Schema,
  added: readonly AddedColumn[],
): readonly FileColumn[] {
  const columns = [...layoutColumns(layout)]
  const taken = new Set(columns.map(({ name }) => name.toLowerCase()))
  for (const { id, name, type } of besides(layout, schema)) {
    const column = added.find((candidate) => candidate.id === id)
    if (!column) continue
    const written = typeof type === 'string' && isWritable(type) ? type : column.type
    columns.push({ id, name: ownName(taken, name, id), type: written })
  }
  return columns
}

function ownName(taken: Set<string>, name: string, id: number): string {
  let own = name
  while (taken.has(own.toLowerCase())) own = `${own}_${id}`
  taken.add(own.toLowerCase())
  return own
}

/**
 * Whether ticklake writes the primitive as Iceberg wants it in Parquet. DuckDB has no fixed, and makes decimals of 19 to
 * 35 digits wider than they should be.
 */
export function isWritable(type: string): boolean {
  const base = baseType(type)
  if (base === 'decimal') {
    const precision = Number(/\d+/.exec(type)?.[0])
    return precision <= 18 || precision >= 36
  }
  return base !== 'fixed' && base in DUCKDB_TYPES
}

function ofLayout(layout: TableLayout, schema: Schema): FileColumn[] {
  const types = new Map(schema.fields.map(({ id, type }) => [id, type]))
  return layoutColumns(layout).map((column) => {
    const type = types.get(column.id)
    return typeof type === 'string' ? { ...column, type } : column
  })
}

function besides(layout: TableLayout, schema: Schema): readonly SchemaField[] {
  const known = new Set(layout.columns.map(({ id }) => id))
  return schema.fields.filter(({ id }) => !known.has(id))
}

/** The schema of a file with these columns, by the names that they have in it. */
export function fileSchemaJson(columns: readonly FileColumn[]): JsonObject {
  return {
    type: 'struct',
    fields: columns.map(({ id, name, type }) => ({ id, name, required: false, type })),
  }
}

/** DuckDB's name of the type. */
export function duckdbType({ name, type }: Pick<FileColumn, 'type'> & { readonly name?: string }): string {
  // Parameters are written alike.
  const duckdb = baseType(type) === 'decimal' ? type.toUpperCase() : DUCKDB_TYPES[baseType(type)]
  if (duckdb !== undefined) return duckdb
  throw new TicklakeError('conflict', `column ${name} has type ${type}, which ticklake does not read`)
}
