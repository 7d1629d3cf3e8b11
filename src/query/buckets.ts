import { dayOfMicros, invalid, MICROS_PER_DAY, type Session, type SessionCalendars } from '#core'
import type { Statement } from './answer.js'
import { Bindings } from './bindings.js'
import { localDays, UTC_DAY, UTC_DAY_START, utcDaysOf } from './calendar.js'
import { SELECTION_COLUMNS, selectionConditions, whereAll } from './conditions.js'
import {
  type ExchangeDay,
  type ExchangeSession,
  exchangeDaysOf,
  exchangeDaysStatement,
  exchangeSessions,
} from './exchange-days.js'
import type { KeyForm, PagePosition } from './page-token.js'
import type { Reading } from './reading.js'
import { type Fill, type Order, SECONDS_PER_DAY, type Selection, type SessionPart } from './request.js'
import { relation, type Scan } from './scan.js'

/** How time is cut into buckets. */
export interface BucketRequest extends Selection {
  readonly intervalSeconds: number
  readonly timeZone: string
  readonly session: SessionPart | null
  readonly order: Order
  readonly fill: Fill
}

/** Some ten years: each day is a row of the statement. */
const MAX_FILLED_DAYS = 4_000

/** Bucket start and end in µs, exchange, symbol. */
export const BUCKET_KEY = ['bucket', 'bucket_end', 'exchange', 'symbol'] as const
export const BUCKET_KEY_FORM: KeyForm = ['number', 'number', 'text', 'text']

/** A stretch of time at whose start buckets begin anew: a local day, or a part of an exchange's trading day. */
export interface Stretch {
  /** Whose events; null: everybody's. */
  readonly exchange: string | null
  /** Inclusive, µs since 1970 UTC. */
  readonly startMicros: bigint
  /** Exclusive. */
  readonly endMicros: bigint
}

/**
 * The stretches that hold a selection's events, and perhaps others: all between them where buckets are filled. Null for
 * UTC days, which else need no list. What lies in none of them, outside a session, is in no bucket.
 */
export async function stretchesOf(
  request: BucketRequest,
  scan: Scan,
  calendars: SessionCalendars,
  { query, signal }: Reading,
): Promise<readonly Stretch[] | null> {
  const { session, exchange, timeZone, fill } = request
  const listed = utcDaysOf(request)
  const isFilled = fill !== 'none'
  if (session !== null) {
    const days: readonly ExchangeDay[] =
      listed && exchange !== null
        ? listed.map((utcDay) => ({ exchange, utcDay }))
        : exchangeDaysOf(await query(exchangeDaysStatement(request, scan)))
    const every = isFilled ? withDaysBetween(days) : days
    return partsOf(await exchangeSessions(every, calendars, signal), session)
  }
  if (timeZone === 'UTC' && !isFilled) return null
  const utcDays = listed ?? ((await query(utcDaysStatement(request, scan))).columns[0] ?? []).map(Number)
  const every = isFilled ? daysBetween(utcDays) : utcDays
  const days = await localDays(timeZone, every, signal)
  return days.map((day) => ({ exchange: null, ...day }))
}

/** The days, and all between the first and the last of them. */
function daysBetween(days: readonly number[]): readonly number[] {
  const [first, last] = [days[0], days.at(-1)]
  if (first === undefined || last === undefined) return []
  const length = last - first + 1
  if (length > MAX_FILLED_DAYS)
    throw invalid(
      'fill',
      `${length} days`,
      `asked for a range whose events lie within ${MAX_FILLED_DAYS} days`,
    )
  return Array.from({ length }, (_, index) => first + index)
}

function withDaysBetween(days: readonly ExchangeDay[]): readonly ExchangeDay[] {
  const exchanges = [...new Set(days.map(({ exchange }) => exchange))]
  return exchanges.flatMap((exchange) => {
    const own = days.filter((day) => day.exchange === exchange).map(({ utcDay }) => utcDay)
    return daysBetween(own).map((utcDay) => ({ exchange, utcDay }))
  })
}

/** This part of each of the sessions, once. */
function partsOf(sessions: readonly ExchangeSession[], part: SessionPart): readonly Stretch[] {
  const once = new Map(sessions.map((one) => [`${one.session.day} ${one.exchange}`, one]))
  return [...once.values()]
    .map(({ exchange, session }) => {
      const [start, end] = partOf(session, part)
      return { exchange, startMicros: BigInt(start), endMicros: BigInt(end) }
    })
    .filter(({ startMicros, endMicros }) => startMicros < endMicros)
}

function partOf(
  { startMicros, openMicros, closeMicros, endMicros }: Session,
  part: SessionPart,
): readonly [startMicros: number, endMicros: number] {
  switch (part) {
    case 'regular':
      return [openMicros, closeMicros]
    case 'pre':
      return [startMicros, openMicros]
    case 'post':
      return [closeMicros, endMicros]
    case 'all':
      return [startMicros, endMicros]
  }
}

/** The UTC days, counted from 1970, that have events of a selection: one a row, ascending. */
function utcDaysStatement(selection: Selection, scan: Scan): Statement {
  const source = relation(scan, SELECTION_COLUMNS)
  const bindings = new Bindings()
  const conditions = selectionConditions(selection, bindings)
  const where = whereAll(['exchange_timestamp IS NOT NULL', ...conditions])
  const events = `SELECT epoch_us(exchange_timestamp) AS micros FROM ${source} ${where}`
  return {
    sql: `SELECT DISTINCT ${UTC_DAY} AS day FROM (${events}) ORDER BY day`,
    parameters: bindings.values,
  }
}

/** The part of a request's selection that can hold buckets after a page: fewer files to read. */
export function bucketSelectionAfter<Request extends BucketRequest>(
  request: Request,
  after: PagePosition | null,
): Request {
  // What fills a gap depends on the bars around it.
  if (!after || request.fill !== 'none') return request
  const { startNanos, endNanos, order, session, exchange } = request
  const [bucket, end] = [BigInt(after.key[0] ?? 0) * 1000n, BigInt(after.key[1] ?? 0) * 1000n]
  if (order === 'asc')
    return { ...request, startNanos: startNanos !== null && startNanos > bucket ? startNanos : bucket }
  // A bucket that began earlier may end later, where each exchange has its own sessions.
  if (session !== null && exchange === null) return request
  return { ...request, endNanos: endNanos !== null && endNanos < end ? endNanos : end }
}

/** The condition on buckets that come after a page. */
export function afterBucket({ key }: PagePosition, order: Order, bindings: Bindings): string {
  const [bucket, end, exchange, symbol] = key
  const bound = [
    BigInt(bucket ?? 0),
    BigInt(end ?? 0),
    bindings.bind(exchange ?? ''),
    bindings.bind(symbol ?? ''),
  ]
  return `(${BUCKET_KEY.join(', ')}) ${order === 'asc' ? '>' : '<'} (${bound.join(', ')})`
}

/** ORDER BY list of buckets. */
export function orderByBucket(order: Order): string {
  return BUCKET_KEY.map((part) => `${part} ${order === 'asc' ? 'ASC' : 'DESC'}`).join(', ')
}

/**
 * Gives each event, which has `micros` and `exchange`, the start and end of its bucket. Buckets are measured in elapsed
 * time from the start of their stretch; those of a day are the whole stretch.
 */
export function inBuckets(
  events: string,
  intervalSeconds: number,
  stretches: readonly Stretch[] | null,
  bindings: Bindings,
): string {
  const inDays = stretches === null ? inUtcDays(events) : inStretches(events, stretches, bindings)
  if (intervalSeconds === SECONDS_PER_DAY)
    return `SELECT *, day_start AS bucket, day_end AS bucket_end FROM (${inDays})`
  const interval = intervalSeconds * 1_000_000
  const bucket = `(day_start + (micros - day_start) // ${interval} * ${interval})`
  return `SELECT *, ${bucket} AS bucket, least(${bucket} + ${interval}, day_end) AS bucket_end FROM (${inDays})`
}

function inUtcDays(events: string): string {
  return `SELECT *, ${UTC_DAY_START} AS day_start, ${UTC_DAY_START} + ${MICROS_PER_DAY} AS day_end FROM (${events})`
}

function inStretches(events: string, stretches: readonly Stretch[], bindings: Bindings): string {
  const conditions = [
    `utc_day = ${UTC_DAY}`,
    'micros >= day_start',
    'micros < day_end',
    ...(areOfExchanges(stretches) ? ['events.exchange = stretches.exchange'] : []),
  ]
  return `SELECT events.*, day_start, day_end FROM (${events}) AS events
    JOIN ${stretchesSql(stretches, bindings, 'by UTC day')} ON ${conditions.join(' AND ')}`
}

export function areOfExchanges(stretches: readonly Stretch[]): boolean {
  return stretches.some(({ exchange }) => exchange !== null)
}

/** Stretches as SQL for use after FROM: each once, or one row for each UTC day (from 1970) that it touches. */
export function stretchesSql(
  stretches: readonly Stretch[],
  bindings: Bindings,
  each: 'once' | 'by UTC day',
): string {
  const rows = stretches.flatMap(({ exchange, startMicros, endMicros }) => {
    const first = dayOfMicros(startMicros)
    const last = each === 'once' ? first : dayOfMicros(endMicros - 1n)
    return Array.from({ length: last - first + 1 }, (_, index) => ({
      exchange,
      numbers: [first + index, startMicros, endMicros],
    }))
  })
  // As bound lists: DuckDB takes ten times as long for so many VALUES.
  const columns = ['utc_day', 'day_start', 'day_end'].map((name, column) => {
    const list = bindings.bind(`[${rows.map(({ numbers }) => numbers[column]).join(',')}]`)
    return `unnest(CAST(${list} AS BIGINT[])) AS ${name}`
  })
  const names = bindings.bind(JSON.stringify(rows.map(({ exchange }) => exchange)))
  return `(SELECT unnest(from_json(${names}, '["VARCHAR"]')) AS exchange, ${columns.join(', ')}) AS stretches`
}
