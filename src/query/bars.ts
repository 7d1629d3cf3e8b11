import { MICROS_PER_DAY } from '#core'
import type { Statement } from './answer.js'
import { BAR_FIELDS, VWAP } from './bar-fields.js'
import { Bindings } from './bindings.js'
import { type LocalDay, localDaysSql, UTC_DAY, UTC_DAY_START } from './calendar.js'
import { SELECTION_COLUMNS, selectionConditions, whereAll } from './conditions.js'
import { chooseFields, type Encoding, encodeRow } from './field.js'
import { INSTRUMENT } from './instrument.js'
import { keyText, ORDER_COLUMNS, orderKey } from './order-key.js'
import { oneMoreThan } from './page.js'
import type { KeyForm, PagePosition } from './page-token.js'
import {
  type BarSource,
  type BarsRequest,
  type MarketTable,
  SECONDS_PER_DAY,
  type Selection,
} from './request.js'
import { relation, type Scan } from './scan.js'

/** An exchange's later rows may be this much older than its newest: only bars that ended before are final. */
const ALLOWED_LATENESS_MICROS = 300_000_000n

/** Bucket start and end in µs, exchange, symbol. */
export const BAR_KEY_FORM: KeyForm = ['number', 'number', 'text', 'text']

export interface BarInput {
  readonly table: MarketTable
  readonly columns: readonly string[]
  /** The price of a row; NULL or 0 (a quote's empty side) where it has none. */
  readonly price: string
  /** Of one row; NULL of quotes, which have neither. */
  readonly volume: string
  readonly notional: string
}

const SUM = 'DECIMAL(38,8)'
// DuckDB multiplies two DECIMAL(18,8) into 18 digits; two of 19 give the 38 that every product needs.
const WIDE = 'DECIMAL(19,8)'
const NO_SUMS = { volume: `CAST(NULL AS ${SUM})`, notional: 'CAST(NULL AS DECIMAL(38,16))' }

/** What bars are made of. */
export const BAR_INPUTS: Readonly<Record<BarSource, BarInput>> = {
  trades: {
    table: 'trades',
    columns: ['price', 'size'],
    price: 'price',
    volume: 'size',
    notional: `CAST(price AS ${WIDE}) * CAST(size AS ${WIDE})`,
  },
  bid: { table: 'quotes', columns: ['bid_price'], price: 'nullif(bid_price, 0)', ...NO_SUMS },
  ask: { table: 'quotes', columns: ['ask_price'], price: 'nullif(ask_price, 0)', ...NO_SUMS },
  mid: {
    table: 'quotes',
    columns: ['bid_price', 'ask_price'],
    // Half of a sum of two numbers of 8 decimals has 9, exactly.
    price: `CAST((CAST(nullif(bid_price, 0) AS ${WIDE}) + CAST(nullif(ask_price, 0) AS ${WIDE})) * 0.5 AS DECIMAL(20,9))`,
    ...NO_SUMS,
  },
}

/** What the events of bars are, and how those of a bucket become one. */
export interface BarEvents {
  /** A statement of exchange, symbol, micros (event time, or a time of the same bar) and what the aggregates read. */
  select(bindings: Bindings): string
  /** A select list of open, high, low, close, volume, notional and count. */
  readonly aggregates: string
}

/** The table whose rows make these bars. */
export function barTable(of: BarSource): MarketTable {
  return BAR_INPUTS[of].table
}

/** The part of a request's selection that can hold bars after a page: fewer files to read. */
export function barSelectionAfter(request: BarsRequest, after: PagePosition | null): Selection {
  if (!after) return request
  const { startNanos, endNanos, order } = request
  const [bucket, end] = [BigInt(after.key[0] ?? 0) * 1000n, BigInt(after.key[1] ?? 0) * 1000n]
  if (order === 'asc')
    return { ...request, startNanos: startNanos !== null && startNanos > bucket ? startNanos : bucket }
  return { ...request, endNanos: endNanos !== null && endNanos < end ? endNanos : end }
}

export interface BarsContext {
  /** Days of the time zone that hold every event of the selection; null: UTC. */
  readonly days: readonly LocalDay[] | null
  /** Newest event time by exchange, µs. */
  readonly watermarks: ReadonlyMap<string, bigint>
}

/** Events that are rows of a scan. Foreign rows that tie: the lowest price is the first and the highest the last. */
export function barRows(request: BarsRequest, scan: Scan, after: PagePosition | null): BarEvents {
  const { price, volume, notional, columns } = BAR_INPUTS[request.of]
  const source = relation(scan, [...new Set([...SELECTION_COLUMNS, ...ORDER_COLUMNS, ...columns])])
  const size = request.of === 'trades' ? ', size' : ''
  const sums = request.of === 'trades' ? [`sum(${volume})`, `sum(${notional})`] : [volume, notional]
  return {
    select: (bindings) => {
      const conditions = [
        'exchange_timestamp IS NOT NULL',
        `${price} IS NOT NULL`,
        ...selectionConditions(barSelectionAfter(request, after), bindings),
      ]
      return [
        `SELECT ${INSTRUMENT}, epoch_us(exchange_timestamp) AS micros, ${price} AS price${size},`,
        `${orderKey(price)} AS position FROM ${source} ${whereAll(conditions)}`,
      ].join(' ')
    },
    aggregates: [
      'arg_min(price, position) AS open, max(price) AS high, min(price) AS low, arg_max(price, position) AS close',
      `${sums[0]} AS volume, ${sums[1]} AS notional, count(*) AS count`,
    ].join(', '),
  }
}

/**
 * One page of bars by bucket, exchange and symbol. Buckets start anew at each
 * local midnight and are measured in elapsed time from it; a bucket of a day is the whole local day. Open and close
 * are those of the first and last row in the total order.
 */
export function barsStatement(
  request: BarsRequest,
  events: BarEvents,
  context: BarsContext,
  after: PagePosition | null,
  encoding: Encoding,
): Statement {
  const bindings = new Bindings()
  const direction = request.order === 'asc' ? 'ASC' : 'DESC'
  const page = [
    `SELECT bucket, bucket_end, exchange, symbol, ${events.aggregates}`,
    `FROM (${inBuckets(events.select(bindings), request.intervalSeconds, context.days, bindings)})`,
    after ? `WHERE ${afterBar(after, request, bindings)}` : '',
    'GROUP BY bucket, bucket_end, exchange, symbol',
    `ORDER BY bucket ${direction}, bucket_end ${direction}, exchange ${direction}, symbol ${direction}`,
    oneMoreThan(request.limit),
  ].join(' ')
  const whole = `SELECT *, ${VWAP} AS vwap, ${isFinal(context.watermarks, bindings)} AS final FROM (${page})`
  const row = encodeRow(chooseFields(BAR_FIELDS, request.fields), encoding)
  const key = keyText(['bucket', 'bucket_end', 'exchange', 'symbol'])
  return { sql: `SELECT ${row} AS row, ${key} AS key FROM (${whole})`, parameters: bindings.values }
}

/** The UTC days, counted from 1970, that have events of a selection: one a row, ascending. */
export function utcDaysStatement(request: BarsRequest, scan: Scan, after: PagePosition | null): Statement {
  const source = relation(scan, SELECTION_COLUMNS)
  const bindings = new Bindings()
  const conditions = selectionConditions(barSelectionAfter(request, after), bindings)
  const where = whereAll(['exchange_timestamp IS NOT NULL', ...conditions])
  const events = `SELECT epoch_us(exchange_timestamp) AS micros FROM ${source} ${where}`
  return {
    sql: `SELECT DISTINCT ${UTC_DAY} AS day FROM (${events}) ORDER BY day`,
    parameters: bindings.values,
  }
}

/** Gives each event the start and end of its bucket. */
function inBuckets(
  events: string,
  intervalSeconds: number,
  days: readonly LocalDay[] | null,
  bindings: Bindings,
): string {
  const inDays = days === null ? inUtcDays(events) : inLocalDays(events, days, bindings)
  if (intervalSeconds === SECONDS_PER_DAY)
    return `SELECT *, day_start AS bucket, day_end AS bucket_end FROM (${inDays})`
  const interval = intervalSeconds * 1_000_000
  const bucket = `(day_start + (micros - day_start) // ${interval} * ${interval})`
  return `SELECT *, ${bucket} AS bucket, least(${bucket} + ${interval}, day_end) AS bucket_end FROM (${inDays})`
}

function inUtcDays(events: string): string {
  return `SELECT *, ${UTC_DAY_START} AS day_start, ${UTC_DAY_START} + ${MICROS_PER_DAY} AS day_end FROM (${events})`
}

function inLocalDays(events: string, days: readonly LocalDay[], bindings: Bindings): string {
  const sameDay = `utc_day = ${UTC_DAY} AND micros >= day_start AND micros < day_end`
  return `SELECT events.*, day_start, day_end FROM (${events}) AS events JOIN ${localDaysSql(days, bindings)} ON ${sameDay}`
}

function afterBar(after: PagePosition, request: BarsRequest, bindings: Bindings): string {
  const [bucket, end, exchange, symbol] = after.key
  const bound = [
    BigInt(bucket ?? 0),
    BigInt(end ?? 0),
    bindings.bind(exchange ?? ''),
    bindings.bind(symbol ?? ''),
  ]
  return `(bucket, bucket_end, exchange, symbol) ${request.order === 'asc' ? '>' : '<'} (${bound.join(', ')})`
}

function isFinal(watermarks: ReadonlyMap<string, bigint>, bindings: Bindings): string {
  if (watermarks.size === 0) return 'false'
  const cases = [...watermarks].map(
    ([exchange, micros]) =>
      `WHEN ${bindings.bind(exchange)} THEN bucket_end <= ${micros - ALLOWED_LATENESS_MICROS}`,
  )
  return `CASE exchange ${cases.join(' ')} ELSE false END`
}
