import { invalid, unreachable } from '#core'
import { LAST_ADDED } from './draft.js'
import { asRequest, type Json, NO_FIELDS } from './json.js'
import { currentSchema, defaultOrder, type TableMetadata } from './metadata.js'
import { refused } from './refusal.js'
import { identifiersOf } from './schema-rules.js'
import { addSchema, setCurrentSchema } from './schema-updates.js'
import {
  type Column,
  columnsOf,
  isWidening,
  parseType,
  renumbered,
  sameType,
  typeName,
  withColumns,
} from './types.js'
import { applyUpdates } from './updates.js'

/** Where a column stands among the others. */
export type Position = { readonly at: 'first' } | { readonly at: 'before' | 'after'; readonly column: string }

/** One change of a schema; no file needs to be rewritten for any. Columns are those of the top level, by name. */
export type SchemaChange =
  | {
      readonly change: 'add'
      readonly name: string
      readonly type: Json
      readonly doc?: string
      readonly position?: Position
    }
  | { readonly change: 'drop'; readonly name: string }
  | { readonly change: 'rename'; readonly name: string; readonly to: string }
  | { readonly change: 'move'; readonly name: string; readonly position: Position }
  /** int to long, float to double, a decimal to one of more digits. */
  | { readonly change: 'widen'; readonly name: string; readonly type: string }
  /** Null takes the text away. */
  | { readonly change: 'doc'; readonly name: string; readonly doc: string | null }
  | { readonly change: 'make-optional'; readonly name: string }

/** So that the column is one word in every engine's SQL, in file schemas and in the parameters of a query. */
const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/
const MAX_NAME_LENGTH = 255

/**
 * The table with a schema of the changes, made one after the other, as the current one; the same table if they come to
 * nothing. New columns are optional and have ids that no column had before. `invalid_input` names the column and the
 * reason. Pure.
 */
export function changeSchema(
  table: TableMetadata,
  changes: readonly SchemaChange[],
  nowMs: number,
): TableMetadata {
  const before = currentSchema(table)
  let lastId = table.lastColumnId
  const nextId = () => ++lastId
  const columns = changes.reduce(
    (columns, change) => changeColumns(table, columns, change, nextId),
    columnsOf(before, 'schema'),
  )
  const schema = withColumns(before, columns)
  return applyUpdates(table, [(draft) => setCurrentSchema(addSchema(draft, schema), LAST_ADDED)], nowMs)
}

function changeColumns(
  table: TableMetadata,
  columns: readonly Column[],
  change: SchemaChange,
  nextId: () => number,
): readonly Column[] {
  if (change.change === 'add') return withColumn(columns, newColumn(columns, change, nextId), change.position)
  const column = columnNamed(columns, change.name)
  const replaced = (changes: Partial<Column>) =>
    columns.map((other) => (other === column ? { ...column, ...changes } : other))
  switch (change.change) {
    case 'drop':
      checkUnused(table, column)
      return columns.filter((other) => other !== column)
    case 'rename':
      checkNewName(
        columns.filter((other) => other !== column),
        change.to,
      )
      return replaced({ name: change.to })
    case 'move':
      return withColumn(
        columns.filter((other) => other !== column),
        column,
        change.position,
      )
    case 'widen':
      return replaced({ type: widened(column, change.type) })
    case 'doc':
      return replaced({ doc: change.doc })
    case 'make-optional':
      if (identifiersOf(currentSchema(table).extra).includes(column.id)) {
        throw refused(`${column.name} tells rows apart (identifier-field-ids): it stays required`)
      }
      return replaced({ required: false })
    default:
      return unreachable(change)
  }
}

function newColumn(
  columns: readonly Column[],
  { name, type, doc }: Extract<SchemaChange, { change: 'add' }>,
  nextId: () => number,
): Column {
  checkNewName(columns, name)
  const column = {
    id: 0,
    name,
    required: false,
    type: asRequest(() => parseType(type, name)),
    doc: doc ?? null,
    extra: NO_FIELDS,
  }
  return renumbered([column], nextId)[0]!
}

function withColumn(columns: readonly Column[], column: Column, position?: Position): readonly Column[] {
  if (!position) return [...columns, column]
  if (position.at === 'first') return [column, ...columns]
  if (position.column === column.name) throw invalid('position', position.column, 'another column')
  const index = columns.indexOf(columnNamed(columns, position.column)) + (position.at === 'after' ? 1 : 0)
  return columns.toSpliced(index, 0, column)
}

function widened({ name, type }: Column, to: string): Column['type'] {
  const wide = asRequest(() => parseType(to, name))
  if (sameType(type, wide) || isWidening(type, wide)) return wide
  const rule = 'int becomes long, float becomes double, a decimal gets more digits at the same scale'
  throw refused(`${name} is ${typeName(type)} and cannot become ${typeName(wide)} without a rewrite: ${rule}`)
}

function columnNamed(columns: readonly Column[], name: string): Column {
  const column = columns.find((candidate) => candidate.name === name)
  if (!column) throw invalid('column', name, `one of ${columns.map((one) => one.name).join(', ')}`)
  return column
}

/** Engines fold case, some of them: `Price` beside `price` would be one column to these. */
function checkNewName(columns: readonly Column[], name: string): void {
  if (!NAME.test(name) || name.length > MAX_NAME_LENGTH) {
    throw invalid('column', name, 'a name of letters, digits and underscores that begins with no digit')
  }
  const namesake = columns.find((other) => other.name.toLowerCase() === name.toLowerCase())
  if (namesake) throw refused(`there is a column ${namesake.name} already: ${name} needs another name`)
}

/** Other engines read the manifests of every listed spec by the current schema, so none of these may lose its column. */
function checkUnused(table: TableMetadata, { id, name }: Column): void {
  const spec = table.partitionSpecs.find(({ fields }) =>
    fields.some(({ sourceId, transform }) => sourceId === id && transform !== 'void'),
  )
  if (spec) {
    const way =
      spec.specId === table.defaultSpecId
        ? 'change the partition spec first'
        : 'rewrite the files of that spec, then remove it'
    throw refused(`${name} partitions the table (partition spec ${spec.specId}): ${way}`)
  }
  if (defaultOrder(table).fields.some(({ sourceId }) => sourceId === id)) {
    throw refused(
      `${name} sorts the table (sort order ${table.defaultSortOrderId}): change the sort order first`,
    )
  }
  if (identifiersOf(currentSchema(table).extra).includes(id)) {
    throw refused(`${name} tells rows apart (identifier-field-ids): it stays`)
  }
}
