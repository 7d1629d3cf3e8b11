import type { AddedColumn, AddedType } from './added-column.js'
import { assert } from './assert.js'
import type { ColumnType, TableDefinition } from './table-definition.js'

/**
 * One bit a row, least significant first, 1 = present; the layout that DuckDB and Arrow use.
 * `null` means that every row is present.
 */
export type Validity = Uint8Array | null

/** long, timestamptz (µs) and decimal (the whole number that its scale makes of it: 8 but for added columns). */
export interface LongColumn {
  readonly kind: 'long'
  readonly values: BigInt64Array
  readonly valid: Validity
}

export interface IntColumn {
  readonly kind: 'int'
  readonly values: Int32Array
  readonly valid: Validity
}

/** A byte a row, 0 or 1. */
export interface BooleanColumn {
  readonly kind: 'boolean'
  readonly values: Uint8Array
  readonly valid: Validity
}

export interface FloatColumn {
  readonly kind: 'float'
  readonly values: Float32Array
  readonly valid: Validity
}

export interface DoubleColumn {
  readonly kind: 'double'
  readonly values: Float64Array
  readonly valid: Validity
}

/**
 * Strings as 16-byte cells: byte length as uint32, then up to 12 bytes of UTF-8, zero padded (the layout of a
 * short string in DuckDB, so that most strings travel by block copy). A longer string or a binary value has its
 * length in the cell and its bytes in `long`, keyed by row.
 */
export interface StringColumn {
  readonly kind: 'string'
  /** Four uint32 a row. */
  readonly cells: Uint32Array
  readonly long: ReadonlyMap<number, Uint8Array>
  readonly valid: Validity
}

export type Column = LongColumn | IntColumn | StringColumn | BooleanColumn | FloatColumn | DoubleColumn

/** The longest string, in UTF-8 bytes, that a cell holds itself. */
export const CELL_STRING_BYTES = 12

/**
 * Rows of one table, by column, in the order of `definition.columns`, then `source_row` (long): the row of the
 * source, from which the table's `message_id` is made when the record has none of its own. Quarantine has no
 * `source_row`. The columns of `added` come last.
 */
export interface ColumnBatch {
  readonly definition: TableDefinition
  readonly added: readonly AddedColumn[]
  readonly rowCount: number
  readonly columns: readonly Column[]
}

/** Names of a batch's first columns: those of the definition, and `source_row` where it has a `message_id`. */
export function batchColumnNames(definition: TableDefinition): readonly string[] {
  const names = definition.columns.map((column) => column.name)
  return names.includes('message_id') ? [...names, 'source_row'] : names
}

/** Kinds of all of a batch's columns. */
export function batchColumnKinds(
  definition: TableDefinition,
  added: readonly AddedColumn[],
): readonly Column['kind'][] {
  return [
    ...batchColumnNames(definition).map((_, index) => KIND_OF[definition.columns[index]?.type ?? 'long']),
    ...added.map(({ type }) => kindOfAdded(type)),
  ]
}

function kindOfAdded(type: AddedType): Column['kind'] {
  // The template stands for decimals alone.
  return type.startsWith('decimal') ? 'long' : KIND_OF[type as Exclude<AddedType, `decimal${string}`>]
}

const KIND_OF: Readonly<Record<ColumnType | Exclude<AddedType, `decimal${string}`>, Column['kind']>> = {
  string: 'string',
  binary: 'string',
  int: 'int',
  long: 'long',
  timestamptz: 'long',
  decimal: 'long',
  boolean: 'boolean',
  float: 'float',
  double: 'double',
}

/** The column of that name, which is one of the first. */
export function batchColumn<K extends Column['kind']>(
  batch: ColumnBatch,
  name: string,
  kind: K,
): Extract<Column, { kind: K }> {
  const column = batch.columns[batchColumnNames(batch.definition).indexOf(name)]
  assert(column?.kind === kind, `${batch.definition.name}.${name} is a ${kind} column`)
  // The assertion above proves the kind; TypeScript does not narrow a union by a generic.
  return column as Extract<Column, { kind: K }>
}
