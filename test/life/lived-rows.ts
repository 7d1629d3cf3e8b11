import type { TableLayout } from '#core'
import type { FileColumn } from '#storage'
import { baseType, type Value } from '../../src/storage/iceberg/values.js'
import type { SeededRandom } from '../support/seeded-random.js'
import { drawnRow, shownRow, TYPED, type TypedRow } from '../support/typed-table.js'

/** A column of each type, and those that corrections go by. */
export const LIVED: TableLayout = {
  ...TYPED,
  columns: [
    ...TYPED.columns,
    ...(
      [
        ['log_partition', 'int'],
        ['log_offset', 'long'],
        ['message_id', 'string'],
        ['quality_flags', 'int'],
      ] as const
    ).map(([name, type], index) => ({ id: TYPED.columns.length + index + 1, name, type, doc: name })),
  ],
}

/** Times of rows are spread over so many. */
const HOURS = 30

export function idOf(name: string): number {
  return LIVED.columns.find((column) => column.name === name)!.id
}

export function cellOf(row: TypedRow, name: string): Value | null {
  return row[idOf(name) - 1] ?? null
}

/** The row with other values, by column. */
export function withCells(row: TypedRow, cells: ReadonlyMap<string, Value | null>): TypedRow {
  const changed = [...row]
  for (const [name, value] of cells) changed[idOf(name) - 1] = value
  return changed
}

/** Which row it is: its place in the log, or, of a row of another engine, its message id. */
export function keyOf(row: TypedRow): string {
  const offset = cellOf(row, 'log_offset')
  return offset === null ? `message ${cellOf(row, 'message_id')}` : `offset ${offset}`
}

/** A row of the log. Ids are now and then missing, or those of the row before. */
export function logRow(random: SeededRandom, offset: number): TypedRow {
  const messageId = random.oneIn(8) ? null : `m${random.oneIn(20) ? Math.max(0, offset - 1) : offset}`
  const flags = random.oneIn(3) ? null : random.below(2 ** 11)
  return [...drawnRow(random, HOURS), 0, BigInt(offset), messageId, flags]
}

/** A row of another engine: of no place in the log, now and then without a time, and with values in columns that ticklake does not write. */
export function foreignRow(
  random: SeededRandom,
  messageId: string,
  columns: readonly FileColumn[],
): TypedRow {
  const [moment, ...others] = drawnRow(random, HOURS)
  const row: (Value | null)[] = [random.oneIn(20) ? null : moment!, ...others, null, null, messageId, null]
  for (const { id, type } of columns) {
    if (id > LIVED.columns.length && !random.oneIn(4)) row[id - 1] = drawnValue(random, type)
  }
  return Array.from(row, (cell) => cell ?? null)
}

function drawnValue(random: SeededRandom, type: string): Value {
  const whole = random.below(2000) - 1000
  switch (baseType(type)) {
    case 'string':
      return random.pick(['', 'null', 'ü', `text ${whole}`])
    case 'int':
      return whole
    case 'float':
    case 'double':
      return whole / 8
    default:
      return BigInt(whole)
  }
}

/** What is to be seen of a row in these columns. */
export function shownIn(columns: readonly FileColumn[]): (row: TypedRow) => string {
  return (row) => shownRow(columns.map(({ id }) => row[id - 1] ?? null))
}
