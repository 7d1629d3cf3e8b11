import type { LayoutColumn, TableLayout } from './table-definition.js'

const COLUMNS: readonly (readonly [name: string, type: LayoutColumn['type'], doc: string])[] = [
  ['exchange', 'string', 'the feed whose sequence numbers are meant'],
  ['symbol', 'string', 'instrument, as the exchange names it'],
  ['table_name', 'string', 'table whose rows are missing: trades or quotes'],
  ['session_date', 'date', 'trading day of the row that revealed the gap'],
  ['from_sequence', 'long', 'the first missing number'],
  ['to_sequence', 'long', 'the last missing number'],
  ['detected_at', 'timestamptz', 'when the log took the row that revealed the gap, µs since 1970 UTC'],
  ['filled_at', 'timestamptz', 'when the log took the last of its rows that have come; null: the gap begins'],
]

/**
 * The gaps of sequence numbers, derived from the ledgers of trades and quotes. Rows are only ever added: one when a
 * snapshot has a new gap, and one with filled_at, all else equal, when it has the gap no longer because numbers of it
 * have come. What is then still missing are gaps of their own, with rows of their own. Numbers that were missed and came
 * between two snapshots have the second row only.
 */
export const SEQUENCE_GAPS: TableLayout = {
  name: 'sequence_gaps',
  columns: COLUMNS.map(([name, type, doc], index) => ({ id: index + 1, name, type, doc })),
  partitionColumn: 'detected_at',
  sortColumns: ['exchange', 'symbol', 'table_name', 'from_sequence', 'detected_at'],
}
