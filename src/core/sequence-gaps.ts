import type { LayoutColumn, TableLayout } from './table-definition.js'

const COLUMNS: readonly (readonly [name: string, type: LayoutColumn['type'], doc: string])[] = [
  ['exchange', 'string', 'the feed whose sequence numbers are meant'],
  ['symbol', 'string', 'instrument, as the exchange names it'],
  ['table_name', 'string', 'table whose rows are missing: trades or quotes'],
  ['session_date', 'date', 'trading day of the row that revealed the gap'],
  ['from_sequence', 'long', 'the first missing number'],
  ['to_sequence', 'long', 'the last missing number'],
  ['detected_at', 'timestamptz', 'when the log took the row that revealed the gap, µs since 1970 UTC'],
  ['filled_at', 'timestamptz', 'when the log took a row that ended the gap; null: the gap begins'],
]

/**
 * The gaps of sequence numbers, derived from the ledgers of trades and quotes. Rows are only ever added: one when a gap
 * is found, one with filled_at and all else equal when a number of it has come. What is then still missing of it begins
 * anew, as gaps of their own. A gap that came and went between two snapshots has the second row only.
 */
export const SEQUENCE_GAPS: TableLayout = {
  name: 'sequence_gaps',
  columns: COLUMNS.map(([name, type, doc], index) => ({ id: index + 1, name, type, doc })),
  partitionColumn: 'detected_at',
  sortColumns: ['exchange', 'symbol', 'table_name', 'from_sequence', 'detected_at'],
}
