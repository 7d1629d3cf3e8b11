import { type ColumnRow, columns, type TableDefinition, type TableName } from './table-definition.js'

/** What every market event begins with … */
const HEAD: readonly ColumnRow[] = [
  ['symbol', 'string', 'required', 'instrument, as the exchange names it'],
  [
    'exchange',
    'string',
    'required',
    'the feed whose symbols and sequence numbers are meant: ASX, BINANCE, US-SIP',
  ],
  ['exchange_timestamp', 'timestamptz', 'required', 'event time, µs since 1970 UTC'],
  ['exchange_nanos', 'int', 'required', 'the part of the event time below a microsecond, 0–999'],
  ['sequence_number', 'long', 'optional', "the exchange's number of the event"],
]

/** … and ends with. */
const TAIL: readonly ColumnRow[] = [
  ['currency', 'string', 'optional', 'currency of the prices'],
  ['message_id', 'string', 'optional', '<source>:<row> for loaded rows, else what the producer gave'],
  ['quality_flags', 'int', 'required', 'bits of QualityFlag'],
  ['ingest_timestamp', 'timestamptz', 'log', 'when the log took the record, µs since 1970 UTC'],
  ['source', 'string', 'required', 'source id of the load, or the name of the producer'],
  ['log_partition', 'int', 'log', 'partition of the topic'],
  ['log_offset', 'long', 'log', 'offset in the partition'],
]

/** A table of market events: columns of its own between those that all events have. */
export function eventTable(name: TableName, own: readonly ColumnRow[]): TableDefinition {
  return {
    name,
    topic: `market-data.${name}`,
    columns: columns([...HEAD, ...own, ...TAIL]),
    partitionColumn: 'exchange_timestamp',
    sortColumns: ['symbol', 'exchange_timestamp', 'exchange_nanos', 'log_partition', 'log_offset'],
  }
}
