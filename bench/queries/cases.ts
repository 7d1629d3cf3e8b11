import type { MadeOptions } from '../made-events.js'

type Table = MadeOptions['of']

/** A question, as users ask it over HTTP and as somebody would write it for DuckDB who knows which files have its rows. */
export interface QueryCase {
  readonly name: string
  readonly path: string
  /** Which rows count, by table: the files that hold one of them are read, and no others. */
  readonly rows: Readonly<Partial<Record<Table, string>>>
  /** Over these rows of each table. */
  readonly sql: (rows: Readonly<Record<Table, string>>) => string
  /** A rollup has it. */
  readonly isRolled?: true
}

/** The third of the five days that the events are of. */
const DAY = '2024-08-10'
const [FIRST, NEXT, END] = ['2024-08-08', '2024-08-11', '2024-08-13']
/** An active symbol: about 1 row of 180. */
const ONE = 'SYM20'

const within = (start: string, end: string) =>
  `exchange_timestamp >= make_timestamptz(${micros(start)}) AND exchange_timestamp < make_timestamptz(${micros(end)})`
const micros = (time: string) => Date.parse(time.includes('T') ? time : `${time}T00:00:00Z`) * 1000
const oneOf = (symbols: readonly string[]) => `symbol IN (${symbols.map((one) => `'${one}'`).join(', ')})`
const symbols = (from: number, count: number) =>
  Array.from({ length: count }, (_, index) => `SYM${from + index}`)

const EVENT = [
  'symbol, exchange, exchange_timestamp, exchange_nanos::BIGINT AS exchange_nanos',
  'price, size, side, venue, sequence_number, trade_id',
  'conditions, currency, message_id, quality_flags::BIGINT AS quality_flags, ingest_timestamp',
].join(', ')
const ORDER = 'exchange_timestamp, exchange_nanos, log_partition, log_offset'
const REVERSE = ORDER.split(', ')
  .map((column) => `${column} DESC`)
  .join(', ')
const PLACE = `(${ORDER})`
const NOTIONAL = 'sum(price::DECIMAL(19,8) * size::DECIMAL(19,8)) AS notional'

function bars(interval: string, rows: string): string {
  return `SELECT time_bucket(INTERVAL '${interval}', exchange_timestamp) AS bucket, exchange, symbol,
    arg_min(price, ${PLACE}) AS open, max(price) AS high, min(price) AS low, arg_max(price, ${PLACE}) AS close,
    sum(size) AS volume, ${NOTIONAL}, count(*) AS count
    FROM ${rows} GROUP BY ALL ORDER BY bucket, exchange, symbol`
}

function last(rows: string, cells: string): string {
  return `SELECT exchange, symbol, unnest(arg_max({${cells}}, ${PLACE})) FROM ${rows} GROUP BY exchange, symbol`
}

const TRADE_CELLS = ['exchange_timestamp', 'price', 'size', 'side', 'venue', 'conditions']
const QUOTE_CELLS = ['bid_price', 'bid_size', 'ask_price', 'ask_size']
const cells = (names: readonly string[]) => names.map((name) => `${name}: ${name}`).join(', ')

/** What users ask. `rowCount`: of the trades. */
export const CASES: readonly QueryCase[] = [
  {
    name: 'trades of a symbol, a minute',
    path: `/v1/trades?symbols=${ONE}&start=${DAY}T14:00:00Z&end=${DAY}T14:01:00Z`,
    rows: { trades: `symbol = '${ONE}' AND ${within(`${DAY}T14:00:00Z`, `${DAY}T14:01:00Z`)}` },
    sql: ({ trades }) => `SELECT ${EVENT} FROM ${trades} ORDER BY ${ORDER} LIMIT 1000`,
  },
  {
    name: 'trades of a symbol, a day, the first 5,000',
    path: `/v1/trades?symbols=${ONE}&start=${DAY}&end=${NEXT}&limit=5000`,
    rows: { trades: `symbol = '${ONE}' AND ${within(DAY, NEXT)}` },
    sql: ({ trades }) => `SELECT ${EVENT} FROM ${trades} ORDER BY ${ORDER} LIMIT 5000`,
  },
  {
    name: 'trades of a symbol, the newest 100',
    path: `/v1/trades?symbols=${ONE}&order=desc&limit=100`,
    rows: { trades: `symbol = '${ONE}' AND ${within('2024-08-12', END)}` },
    sql: ({ trades }) => `SELECT ${EVENT} FROM ${trades} ORDER BY ${REVERSE} LIMIT 100`,
  },
  {
    name: 'trades of all symbols, the newest 100',
    path: '/v1/trades?order=desc&limit=100',
    rows: { trades: within('2024-08-12', END) },
    sql: ({ trades }) => `SELECT ${EVENT} FROM ${trades} ORDER BY ${REVERSE} LIMIT 100`,
  },
  {
    name: 'bars of a minute, a symbol, a day',
    path: `/v1/bars?symbols=${ONE}&interval=1m&start=${DAY}&end=${NEXT}&limit=5000`,
    rows: { trades: `symbol = '${ONE}' AND ${within(DAY, NEXT)}` },
    sql: ({ trades }) => bars('1 minute', trades),
    isRolled: true,
  },
  {
    name: 'bars of an hour, a symbol, five days',
    path: `/v1/bars?symbols=${ONE}&interval=1h&start=${FIRST}&end=${END}`,
    rows: { trades: `symbol = '${ONE}' AND ${within(FIRST, END)}` },
    sql: ({ trades }) => bars('1 hour', trades),
    isRolled: true,
  },
  {
    name: 'bars of a minute, 50 symbols, a day, the first 50,000',
    path: `/v1/bars?symbols=${symbols(20, 50)}&interval=1m&start=${DAY}&end=${NEXT}&limit=50000`,
    rows: { trades: `${oneOf(symbols(20, 50))} AND ${within(DAY, NEXT)}` },
    sql: ({ trades }) => `${bars('1 minute', trades)} LIMIT 50000`,
    isRolled: true,
  },
  {
    name: 'bars of an hour, all symbols, five days, the first 50,000',
    path: `/v1/bars?interval=1h&start=${FIRST}&end=${END}&limit=50000`,
    rows: { trades: within(FIRST, END) },
    sql: ({ trades }) => `${bars('1 hour', trades)} LIMIT 50000`,
    isRolled: true,
  },
  {
    name: 'vwap of a day, all symbols',
    path: `/v1/vwap?start=${DAY}&end=${NEXT}`,
    rows: { trades: within(DAY, NEXT) },
    sql: ({ trades }) => `SELECT *, notional / volume AS vwap FROM (
      SELECT exchange, symbol, sum(size) AS volume, ${NOTIONAL}, count(*) AS count,
        min(exchange_timestamp) AS first, max(exchange_timestamp) AS last
      FROM ${trades} GROUP BY exchange, symbol ORDER BY exchange, symbol)`,
  },
  {
    name: 'latest of 20 symbols',
    path: `/v1/latest?symbols=${symbols(20, 20)}&exchange=MADE`,
    rows: { trades: `${oneOf(symbols(20, 20))} AND exchange = 'MADE' AND ${within('2024-08-12', END)}` },
    sql: ({ trades }) =>
      `${last(`(SELECT ${EVENT}, log_partition, log_offset FROM ${trades})`, cells([...TRADE_CELLS, 'sequence_number', 'trade_id', 'currency', 'message_id']))} ORDER BY exchange, symbol`,
  },
  {
    name: 'snapshot of all symbols at a moment, of the day before it',
    path: `/v1/snapshot?at=${DAY}T23:59:59.999999Z&max_age=86399s`,
    rows: { trades: within(DAY, NEXT), quotes: within(DAY, NEXT) },
    sql: ({ trades, quotes }) => `SELECT * FROM (${last(trades, cells(TRADE_CELLS))})
      FULL JOIN (${last(quotes, cells(QUOTE_CELLS))}) USING (exchange, symbol) ORDER BY exchange, symbol LIMIT 1000`,
  },
  {
    name: 'count of a day',
    path: `/v1/trades/count?start=${DAY}&end=${NEXT}`,
    rows: { trades: within(DAY, NEXT) },
    sql: ({ trades }) => `SELECT count(*) FROM ${trades}`,
  },
  {
    name: 'trades of a symbol, an hour, each with its quote',
    path: `/v1/asof?symbols=${ONE}&start=${DAY}T14:00:00Z&end=${DAY}T15:00:00Z&limit=5000`,
    rows: {
      trades: `symbol = '${ONE}' AND ${within(`${DAY}T14:00:00Z`, `${DAY}T15:00:00Z`)}`,
      quotes: `symbol = '${ONE}' AND ${within(`2024-08-09T14:00:00Z`, `${DAY}T15:00:00Z`)}`,
    },
    sql: ({
      trades,
      quotes,
    }) => `SELECT t.symbol, t.exchange, t.exchange_timestamp, t.exchange_nanos::BIGINT, price, size, side, t.venue,
        t.sequence_number, trade_id, t.conditions, t.message_id, q.exchange_timestamp, bid_price, bid_size, ask_price, ask_size,
        bid_price + ask_price, ask_price - bid_price
      FROM ${trades} t ASOF LEFT JOIN ${quotes} q
        ON t.symbol = q.symbol AND t.exchange = q.exchange AND t.exchange_timestamp >= q.exchange_timestamp
      ORDER BY t.exchange_timestamp, t.exchange_nanos, t.log_partition, t.log_offset LIMIT 5000`,
  },
  {
    name: 'trades of six hours, all of them, as Arrow',
    path: `/v1/trades?start=${DAY}T06:00:00Z&end=${DAY}T12:00:00Z&limit=all&format=arrow`,
    rows: { trades: within(`${DAY}T06:00:00Z`, `${DAY}T12:00:00Z`) },
    sql: ({ trades }) => `SELECT ${EVENT} FROM ${trades} ORDER BY ${ORDER}`,
  },
]
