import type { AddedColumn, AddedType, TableLayout } from '#core'
import { reservedNames } from './iceberg/column-names.js'
import { currentSchema, type TableMetadata } from './iceberg/metadata.js'
import type { SchemaChange } from './iceberg/schema-change.js'
import { type Column, columnsOf, isWidening, sameType, typeName } from './iceberg/types.js'

/** An optional field of records that the definition of their table does not know. */
export interface RecordColumn {
  readonly name: string
  /** Of the column that holds every value of it. */
  readonly type: AddedType
}

/** What becomes of such fields, by name. */
export interface RecordColumns {
  readonly columns: ReadonlyMap<string, AddedColumn>
  /** Those that get no column, and why. */
  readonly left: ReadonlyMap<string, string>
}

/** The same before the schema is changed: by field, what has to be done to it first. */
export interface RecordColumnsPlan extends RecordColumns {
  readonly changes: ReadonlyMap<string, SchemaChange>
}

/**
 * The columns of a table that fields of one writer's records fill. A name stands for the column that had it last, if the
 * table has or ever had one: one that was renamed is filled under its new name, and one that was dropped stays dropped,
 * for as long as the table keeps the schema that it was in. A column that is too narrow for a field is widened if it
 * can be. A name that no column ever had becomes a new column, while there are fewer than `limit` besides the layout's.
 * Pure.
 */
export function planRecordColumns(
  layout: TableLayout,
  metadata: TableMetadata,
  fields: readonly RecordColumn[],
  limit: number,
): RecordColumnsPlan {
  const own = new Set(layout.columns.map(({ id }) => id))
  const current = columnsOf(currentSchema(metadata), 'schema')
  const columns = new Map<string, AddedColumn>()
  const left = new Map<string, string>()
  const changes = new Map<string, SchemaChange>()
  const filled = new Map<number, string>()
  const names = new Set([...reservedNames(layout), ...current.map(({ name }) => name.toLowerCase())])
  let count = current.filter(({ id }) => !own.has(id)).length

  const fill = ({ name, type }: RecordColumn, column: Column): void => {
    const other = filled.get(column.id)
    if (own.has(column.id)) left.set(name, `${layout.name} has a column ${column.name} of its own`)
    else if (other !== undefined) left.set(name, `the column ${column.name} is filled by the field ${other}`)
    else {
      const wide = held(column.type, type)
      if (wide !== null) columns.set(name, { id: column.id, type: wide })
      else if (isWidening(column.type, type)) changes.set(name, { change: 'widen', name: column.name, type })
      else left.set(name, `the column ${column.name} is ${typeName(column.type)}, which holds no ${type}`)
      filled.set(column.id, name)
    }
  }

  // Columns that bear the name of a field come before those that bore it once.
  const others = fields.filter((field) => {
    const column = current.find(({ name }) => name === field.name)
    if (column) fill(field, column)
    return !column
  })
  for (const field of others) {
    const { name, type } = field
    const id = lastBearer(metadata, name)
    const renamed = current.find((column) => column.id === id)
    if (renamed) fill(field, renamed)
    else if (id !== null) left.set(name, 'the column was dropped: add it again if it is wanted')
    else if (names.has(name.toLowerCase())) left.set(name, `the name is taken in ${layout.name}`)
    else if (name.length > MAX_NAME_LENGTH) left.set(name, `a name has at most ${MAX_NAME_LENGTH} letters`)
    else if (count >= limit) left.set(name, `${layout.name} has ${count} added columns, of at most ${limit}`)
    else {
      changes.set(name, { change: 'add', name, type, doc: 'a field of records' })
      names.add(name.toLowerCase())
      count++
    }
  }
  return { columns, left, changes }
}

const MAX_NAME_LENGTH = 255

/** The type as which values are appended to a column, or null when it is too narrow for them, or another. */
function held(column: Column['type'], type: AddedType): AddedType | null {
  if (sameType(column, type)) return type
  if (!isWidening(type, column)) return null
  // Decimals of more digits are written as they come.
  return column === 'long' || column === 'double' ? column : type
}

/** The id of the column that had the name in the newest schema in which one did; null: in none. */
function lastBearer({ schemas }: TableMetadata, name: string): number | null {
  const newestFirst = [...schemas].sort((a, b) => b.schemaId - a.schemaId)
  for (const { fields } of newestFirst) {
    const column = fields.find((field) => field.name === name)
    if (column) return column.id
  }
  return null
}
