import { type ColumnRow, columns, type TableDefinition } from './table-definition.js'

/** What a correction does to its row; or that the correction which it names could not be made. */
export const CORRECTION_ACTIONS = ['cancel', 'replace', 'refused'] as const

/** What may be corrected, under the name that the column has in its own table. */
const CORRECTED: readonly ColumnRow[] = [
  ['exchange_timestamp', 'timestamptz', 'optional', 'event time, µs since 1970 UTC'],
  ['exchange_nanos', 'int', 'optional', 'the part of that time below a microsecond, 0–999'],
  ['trade_id', 'string', 'optional', "the exchange's name of the trade"],
  ['price', 'decimal', 'optional', 'price of a trade, exact'],
  ['size', 'decimal', 'optional', 'quantity of a trade, exact'],
  ['side', 'string', 'optional', "the aggressor's side: buy, sell or unknown"],
  ['bid_price', 'decimal', 'optional', 'best bid, exact'],
  ['bid_size', 'decimal', 'optional', 'size at the best bid, exact'],
  ['ask_price', 'decimal', 'optional', 'best ask, exact'],
  ['ask_size', 'decimal', 'optional', 'size at the best ask, exact'],
  ['venue', 'string', 'optional', 'where it was executed, or where the quote stands'],
  ['conditions', 'string', 'optional', "the venue's conditions"],
  ['currency', 'string', 'optional', 'currency of the prices'],
]

/** Names of the columns that a correction may give anew. Those that say which row it is are not among them. */
export const CORRECTED_COLUMNS: readonly string[] = CORRECTED.map(([name]) => name)

/**
 * What was to be corrected: one record for each row that is cancelled or replaced, and one for each of those that could
 * not be made. They are kept for ever, in the order of the log, which is the order in which they are made.
 */
export const CORRECTIONS: TableDefinition = {
  name: 'corrections',
  topic: 'market-data.corrections',
  columns: columns([
    ['received_at', 'timestamptz', 'log', 'when the log took the correction, µs since 1970 UTC'],
    ['correction_id', 'string', 'optional', "the sender's name of it: made once, however often it comes"],
    ['target_table', 'string', 'required', 'trades or quotes; corrections, of a refusal'],
    ['action', 'string', 'required', 'cancel, replace or refused'],
    ['target_message_id', 'string', 'optional', 'message id of the row that is meant'],
    ['target_partition', 'long', 'optional', 'or its place in the log: partition'],
    ['target_offset', 'long', 'optional', 'and offset'],
    ['target_symbol', 'string', 'optional', 'symbol that the row must have'],
    ['target_exchange', 'string', 'optional', 'exchange that the row must have'],
    [
      'known_offsets',
      'string',
      'optional',
      'end of the topic of its table when the correction was taken: rows after it are not meant',
    ],
    ['reason', 'string', 'required', 'why'],
    ['source', 'string', 'required', 'who asked for it'],
    ...CORRECTED,
    ['quality_flags', 'int', 'optional', 'bits of QualityFlag that come with the new values'],
    ['log_partition', 'int', 'log', 'partition of market-data.corrections'],
    ['log_offset', 'long', 'log', 'offset in that partition'],
  ]),
  partitionColumn: 'received_at',
  sortColumns: ['received_at', 'log_partition', 'log_offset'],
}
