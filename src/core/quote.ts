import { columns, type TableDefinition } from './table-definition.js'

export const QUOTES: TableDefinition = {
  name: 'quotes',
  topic: 'market-data.quotes',
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
    ['bid_price', 'decimal', 'required', 'best bid, exact; 0 when that side is empty'],
    ['bid_size', 'decimal', 'optional', 'size at the best bid, exact'],
    ['ask_price', 'decimal', 'required', 'best ask, exact; 0 when that side is empty'],
    ['ask_size', 'decimal', 'optional', 'size at the best ask, exact'],
    ['venue', 'string', 'optional', 'where the quote stands'],
    ['conditions', 'string', 'optional', "the venue's quote conditions"],
    ['currency', 'string', 'optional', 'currency of the prices'],
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
