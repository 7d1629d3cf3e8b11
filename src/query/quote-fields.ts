import { decimalField, type Field, nanosField, timeField } from './field.js'

// Wide enough for a sum or a difference: DuckDB keeps the 18 digits of a DECIMAL(18,8) for both.
const BID = 'CAST(nullif(bid_price, 0) AS DECIMAL(19,8))'
const ASK = 'CAST(nullif(ask_price, 0) AS DECIMAL(19,8))'

export const MID_TYPE = 'DECIMAL(20,9)'

/** The middle of a quote; NULL where a side is empty. Half of a sum of two numbers of 8 decimals has 9, exactly. */
export const MID = `CAST((${BID} + ${ASK}) * 0.5 AS ${MID_TYPE})`

/** Ask less bid; NULL where a side is empty. */
const SPREAD = `CAST(${ASK} - ${BID} AS DECIMAL(20,8))`

/** What `quoteCells` and the fields read of a quote. */
export const QUOTE_COLUMNS = [
  'exchange_timestamp',
  'exchange_nanos',
  'bid_price',
  'bid_size',
  'ask_price',
  'ask_size',
] as const

/** The cells of a quote beside those of a trade, as a select list over its row. */
export const QUOTE_CELLS = [
  'epoch_us(exchange_timestamp) AS quote_micros',
  'coalesce(exchange_nanos, 0) AS quote_nanos',
  'bid_price, bid_size, ask_price, ask_size',
  `${MID} AS mid`,
  `${SPREAD} AS spread`,
].join(', ')

export const QUOTE_CELL_NAMES = [
  'quote_micros',
  'quote_nanos',
  'bid_price',
  'bid_size',
  'ask_price',
  'ask_size',
  'mid',
  'spread',
] as const

/** A quote beside a trade; all null where there is none. */
export const QUOTE_FIELDS_BESIDE: readonly Field[] = [
  timeField('quote_ts', 'quote_micros', ['quote_micros'], 'event time of the quote, RFC 3339 in UTC'),
  nanosField('quote_ts_ns', 'quote_micros', 'quote_nanos', ['quote_micros', 'quote_nanos']),
  decimalField('bid_price', 'bid_price', 'its bid, exact; 0 when that side is empty'),
  decimalField('bid_size', 'bid_size', 'size at the bid, exact'),
  decimalField('ask_price', 'ask_price', 'its ask, exact; 0 when that side is empty'),
  decimalField('ask_size', 'ask_size', 'size at the ask, exact'),
  decimalField('mid', 'mid', 'middle of bid and ask, exact; null when a side is empty'),
  decimalField('spread', 'spread', 'ask less bid, exact, below 0 when they cross; null when a side is empty'),
]
