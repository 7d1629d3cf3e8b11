import { columns, type TableDefinition } from './table-definition.js'

export const TRADES: TableDefinition = {
  name: 'trades',
  topic: 'market-data.trades',
  columns: columns([
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
    ['trade_id', 'string', 'optional', "the exchange's name of the trade"],
    ['price', 'decimal', 'required', 'price, exact'],
    ['size', 'decimal', 'required', 'quantity, exact'],
    ['side', 'string', 'required', "the aggressor's side: buy, sell or unknown"],
    ['venue', 'string', 'optional', 'where the trade was executed'],
    ['conditions', 'string', 'optional', "the venue's sale conditions"],
    ['currency', 'string', 'optional', 'currency of the price'],
    ['message_id', 'string', 'optional', '<source>:<row> for loaded rows, else what the producer gave'],
    ['quality_flags', 'int', 'required', 'bits of QualityFlag'],
    ['ingest_timestamp', 'timestamptz', 'log', 'when the log took the record, µs since 1970 UTC'],
    ['source', 'string', 'required', 'source id of the load, or the name of the producer'],
    ['log_partition', 'int', 'log', 'partition of the topic'],
    ['log_offset', 'long', 'log', 'offset in the partition'],
  ]),
  partitionColumn: 'exchange_timestamp',
  sortColumns: ['symbol', 'exchange_timestamp', 'exchange_nanos', 'log_partition', 'log_offset'],
}
