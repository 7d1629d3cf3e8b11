import { decimalField, type Field, nanosField, numberField, textField, timeField } from './field.js'
import type { MarketTable } from './request.js'

const HEAD: readonly Field[] = [
  textField('symbol', 'symbol', 'instrument, as the exchange names it'),
  textField('exchange', 'exchange', 'the feed whose symbols and sequence numbers are meant'),
  timeField('ts', 'epoch_us(exchange_timestamp)', ['exchange_timestamp'], 'event time, RFC 3339 in UTC'),
  nanosField('ts_ns', 'epoch_us(exchange_timestamp)', 'coalesce(exchange_nanos, 0)', [
    'exchange_timestamp',
    'exchange_nanos',
  ]),
]

const SEQUENCE = numberField(
  'sequence',
  'sequence_number',
  "the exchange's number of the event, up to 63 bits",
)
const VENUE = textField('venue', 'venue', 'where it was executed or stands')

const FOOT: readonly Field[] = [
  textField('conditions', 'conditions', "the venue's conditions"),
  textField('currency', 'currency', 'currency of the prices'),
  textField('message_id', 'message_id', '<source>:<row> for loaded rows, else what the producer gave'),
  numberField(
    'flags',
    'quality_flags',
    'sum of quality flags: 1 rounded, 2 receive time, 4 sequence gap before it, 8 out of order, 16 number came before, ' +
      '32 numbers begin anew, 64 crossed, 128 locked, 256 price outlier, 512 price moved by a tenth, 1024 after a ' +
      'silence, 2048 corrected; 65536 numbers are contiguous, 131072 they never fall',
  ),
  timeField('ingest_ts', 'epoch_us(ingest_timestamp)', ['ingest_timestamp'], 'when the log took the record'),
]

const TRADE_FIELDS: readonly Field[] = [
  ...HEAD,
  decimalField('price', 'price', 'price, exact'),
  decimalField('size', 'size', 'quantity, exact'),
  textField('side', 'side', "the aggressor's side: buy, sell or unknown"),
  VENUE,
  SEQUENCE,
  textField('trade_id', 'trade_id', "the exchange's name of the trade"),
  ...FOOT,
]

const QUOTE_FIELDS: readonly Field[] = [
  ...HEAD,
  decimalField('bid_price', 'bid_price', 'best bid, exact; 0 when that side is empty'),
  decimalField('bid_size', 'bid_size', 'size at the best bid, exact'),
  decimalField('ask_price', 'ask_price', 'best ask, exact; 0 when that side is empty'),
  decimalField('ask_size', 'ask_size', 'size at the best ask, exact'),
  VENUE,
  SEQUENCE,
  ...FOOT,
]

/** Where the log has a row, by which a correction may name it. They come only when they are asked for. */
export const PLACE_FIELDS: readonly Field[] = [
  numberField(
    'log_partition',
    'log_partition',
    'its place in the log: partition; null: another engine wrote it',
  ),
  numberField('log_offset', 'log_offset', 'its place in the log: offset in that partition'),
]

/** The fields of a trade or a quote, in the order of an answer that names none. */
export function rowFields(table: MarketTable): readonly Field[] {
  return table === 'trades' ? TRADE_FIELDS : QUOTE_FIELDS
}
