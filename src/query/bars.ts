import { MICROS_PER_DAY } from '#core'
import type { Statement } from './answer.js'
import { BAR_FIELDS, VWAP } from './bar-fields.js'
import { Bindings } from './bindings.js'
import { type LocalDay, localDays, localDaysSql, UTC_DAY, UTC_DAY_START, utcDaysOf } from './calendar.js'
import { SELECTION_COLUMNS, selectionConditions, whereAll } from './conditions.js'
import { chooseFields, type Encoding, encodeRow } from './field.js'
import { INSTRUMENT } from './instrument.js'
import { keyText, ORDER_COLUMNS, orderKey } from './order-key.js'
import { oneMoreThan } from './page.js'
import type { KeyForm, PagePosition } from './page-token.js'
import type { PagedList, Reading } from './paged-list.js'
import {
  type BarSource,
  type BarsRequest,
  type MarketTable,
  SECONDS_PER_DAY,
  type Selection,
} from './request.js'
import { relation, type Scan } from './scan.js'
import { type Slice, sliceConditions } from './slices.js'

/** Which time zones there are, and when their clocks change: another version of the data, other bars. */
const TIME_ZONES = process.versions.tz ?? process.versions.icu

/** An exchange's later rows may be this much older than its newest: only bars that ended before are final. */
const ALLOWED_LATENESS_MICROS = 300_000_000n

/** Bucket start and end in µs, exchange, symbol. */
const BAR_KEY_FORM: KeyForm = ['number', 'number', 'text', 'text']

interface BarInput {
  readonly table: MarketTable
  readonly columns: readonly string[]
  /** The price of a row; NULL or 0 (a quote's empty side) where it has none. */
  readonly price: string
  /** Sums of a bar: volume and notional, which quotes do not have. */
  readonly sums: string
}

const SUM = 'DECIMAL(38,8)'
// DuckDB multiplies two DECIMAL(18,8) into 18 digits; two of 19 give the 38 that every product needs.
const WIDE = 'DECIMAL(19,8)'
const QUOTE_SUMS = `CAST(NULL AS ${SUM}) AS volume, CAST(NULL AS DECIMAL(38,16)) AS notional`

const INPUTS: Readonly<Record<BarSource, BarInput>> = {
  trades: {
    table: 'trades',
    columns: ['price', 'size'],
    price: 'price',
    sums: `sum(size) AS volume, sum(CAST(price AS ${WIDE}) * CAST(size AS ${WIDE})) AS notional`,
  },
  bid: { table: 'quotes', columns: ['bid_price'], price: 'nullif(bid_price, 0)', sums: QUOTE_SUMS },
  ask: { table: 'quotes', columns: ['ask_price'], price: 'nullif(ask_price, 0)', sums: QUOTE_SUMS },
  mid: {
    table: 'quotes',
    columns: ['bid_price', 'ask_price'],
    // Half of a sum of two numbers of 8 decimals has 9, exactly.
    price: `CAST((CAST(nullif(bid_price, 0) AS ${WIDE}) + CAST(nullif(ask_price, 0) AS ${WIDE})) * 0.5 AS DECIMAL(20,9))`,
    sums: QUOTE_SUMS,
  },
}

/** Bars, by bucket, exchange and symbol. */
export function barsList(request: BarsRequest): PagedList {
  return {
    name: 'bars',
    table: INPUTS[request.of].table,
    request,
    keyForm: BAR_KEY_FORM,
    usesWatermarks: true,
    at: ({ watermarks }, after) => ({
      fields: chooseFields(BAR_FIELDS, request.fields).map(({ name }) => name),
      selection: barSelectionAfter(request, after),
      ...(request.timeZone === 'UTC' && { byDay: request.order }),
      keptBy: (days) => [finalBy(watermarks, days), request.timeZone === 'UTC' ? null : TIME_ZONES],
      statement: async (scan, slice, reading) => {
        const days = await daysOf(request, scan, after, reading)
        const wanted = { ...request, limit: reading.limit }
        return barsStatement(wanted, scan, { days, watermarks, slice }, after, reading.encoding)
      },
    }),
  }
}

/** The local days that hold a selection's events; null for UTC, whose days need no list. */
async function daysOf(
  request: BarsRequest,
  scan: Scan,
  after: PagePosition | null,
  { query, signal }: Reading,
): Promise<readonly LocalDay[] | null> {
  if (request.timeZone === 'UTC') return null
  const listed = utcDaysOf(barSelectionAfter(request, after))
  if (listed) return localDays(request.timeZone, listed, signal)
  const { columns } = await query(utcDaysStatement(request, scan, after))
  return localDays(request.timeZone, (columns[0] ?? []).map(Number), signal)
}

/**
 * What decides whether the bars of these days are final: the watermarks, but for what is so old or so new that it makes
 * no difference. A local day begins and ends within a day of the UTC day.
 */
function finalBy(
  watermarks: ReadonlyMap<string, bigint>,
  days: readonly number[] | null,
): ReadonlyMap<string, bigint> {
  if (days === null) return watermarks
  const [first = 0, last = 0] = [days[0], days.at(-1)]
  const [earliest, latest] = [first - 1, last + 2].map(
    (day) => BigInt(day) * BigInt(MICROS_PER_DAY) + ALLOWED_LATENESS_MICROS,
  )
  const clamp = (micros: bigint) => (micros < earliest! ? earliest! : micros > latest! ? latest! : micros)
  return new Map([...watermarks].map(([exchange, micros]) => [exchange, clamp(micros)]))
}

/** The part of a request's selection that can hold bars after a page: fewer files to read. */
function barSelectionAfter(request: BarsRequest, after: PagePosition | null): Selection {
  if (!after) return request
  const { startNanos, endNanos, order } = request
  const [bucket, end] = [BigInt(after.key[0] ?? 0) * 1000n, BigInt(after.key[1] ?? 0) * 1000n]
  if (order === 'asc')
    return { ...request, startNanos: startNanos !== null && startNanos > bucket ? startNanos : bucket }
  return { ...request, endNanos: endNanos !== null && endNanos < end ? endNanos : end }
}

interface BarsContext {
  /** Days of the time zone that hold every event of the selection; null: UTC. */
  readonly days: readonly LocalDay[] | null
  /** Newest event time by exchange, µs. */
  readonly watermarks: ReadonlyMap<string, bigint>
  /** Only events of it count. */
  readonly slice: Slice | null
}

/**
 * One page of bars by bucket, exchange and symbol. Buckets start anew at each
 * local midnight and are measured in elapsed time from it; a bucket of a day is the whole local day. Open and close
 * are those of the first and last row in the total order (foreign rows that tie: the lowest and the highest price).
 */
function barsStatement(
  request: BarsRequest,
  scan: Scan,
  context: BarsContext,
  after: PagePosition | null,
  encoding: Encoding,
): Statement {
  const input = INPUTS[request.of]
  const source = relation(scan, [...new Set([...SELECTION_COLUMNS, ...ORDER_COLUMNS, ...input.columns])])
  const bindings = new Bindings()
  const conditions = [
    'exchange_timestamp IS NOT NULL',
    `${input.price} IS NOT NULL`,
    ...selectionConditions(barSelectionAfter(request, after), bindings),
    ...(context.slice ? sliceConditions(context.slice) : []),
  ]
  const size = request.of === 'trades' ? ', size' : ''
  const events = [
    `SELECT ${INSTRUMENT}, epoch_us(exchange_timestamp) AS micros, ${input.price} AS price${size},`,
    `${orderKey(input.price)} AS position FROM ${source} ${whereAll(conditions)}`,
  ].join(' ')
  const direction = request.order === 'asc' ? 'ASC' : 'DESC'
  const page = [
    'SELECT bucket, bucket_end, exchange, symbol, arg_min(price, position) AS open, max(price) AS high,',
    `min(price) AS low, arg_max(price, position) AS close, ${input.sums}, count(*) AS count`,
    `FROM (${inBuckets(events, request.intervalSeconds, context.days, bindings)})`,
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
function utcDaysStatement(request: BarsRequest, scan: Scan, after: PagePosition | null): Statement {
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
