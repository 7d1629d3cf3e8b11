import { type ConditionTable, formatMicros, PRINT_USES, type PrintUse, type SessionCalendars } from '#core'
import type { BarSource, BarsRequest } from '#query'
import { counts } from './condition-tables.js'
import { decimal, halfEven } from './exact-decimal.js'
import type { Row } from './row-batch.js'

/** What bars depend on beside their rows. */
export interface Market {
  readonly watermarks: ReadonlyMap<string, bigint>
  readonly calendars: SessionCalendars
  readonly conditions: readonly ConditionTable[]
}

interface Print {
  readonly row: Row
  readonly uses: readonly PrintUse[]
  /** Scaled by 10^8; by 10^9 for mid. */
  readonly price: bigint
}

/** The slow, obvious way: one bucket after the other, in whole numbers. */
export function barsByHand(rows: readonly Row[], request: BarsRequest, market: Market): unknown[] {
  const buckets = new Map<string, Bucket>()
  for (const row of rows) {
    const price = priceOf(row, request.of)
    if (price === null || (request.exchange ?? row.exchange) !== row.exchange) continue
    const stretch = stretchAt(BigInt(String(row.exchange_timestamp)), String(row.exchange), request, market)
    const uses = usesOf(row, request, market)
    if (stretch === null || uses.length === 0) continue
    const { start, end } = bucketOf(BigInt(String(row.exchange_timestamp)), stretch, request)
    const key = `${start}|${row.exchange}|${row.symbol}`
    const bucket = buckets.get(key) ?? { start, end, prints: [] }
    bucket.prints.push({ row, uses, price })
    buckets.set(key, bucket)
  }
  const bars = [...buckets.values()].map((bucket) => barOf(bucket, request, market))
  const all = request.fill === 'none' ? bars : withEmpty(bars, request, market)
  all.sort((a, b) => compareLists(a.order, b.order) * (request.order === 'asc' ? 1 : -1))
  return all.map(({ order: _, ...bar }) => bar)
}

interface Bucket extends Span {
  readonly prints: Print[]
}

function barOf({ start, end, prints }: Bucket, request: BarsRequest, market: Market) {
  const scale = request.of === 'mid' ? 9 : 8
  const sorted = prints.toSorted(comparePrints)
  const pricesFor = (use: PrintUse) =>
    sorted.filter(({ uses }) => uses.includes(use)).map((print) => print.price)
  const range = pricesFor('highLow').toSorted((a, b) => (a < b ? -1 : 1))
  const inOrder = pricesFor('openClose')
  const forVolume = sorted.filter(({ uses }) => uses.includes('volume'))
  const price = (value: bigint | undefined) => (value === undefined ? null : decimal(value, scale))
  const { symbol, exchange } = sorted[0]!.row
  return {
    symbol,
    exchange,
    ts: formatMicros(start),
    ts_ns: String(start * 1000n),
    open: price(inOrder[0]),
    high: price(range.at(-1)),
    low: price(range[0]),
    close: price(inOrder.at(-1)),
    ...sumsOf(forVolume, request.of),
    count: forVolume.length,
    final: isFinal(exchange, end, market),
    order: [start, end, String(exchange), String(symbol)] as const,
  }
}

/** What a row counts for. */
function usesOf(
  { exchange, conditions }: Row,
  { of, prints }: BarsRequest,
  { conditions: tables }: Market,
): readonly PrintUse[] {
  if (of !== 'trades' || prints === 'all') return PRINT_USES
  const text = conditions === null ? null : String(conditions)
  return PRINT_USES.filter((use) => counts(String(exchange), text, use, tables))
}

type Bar = ReturnType<typeof barOf>

/** Walks from each bar of an instrument to the next, bucket by bucket. */
function withEmpty(bars: readonly Bar[], request: BarsRequest, market: Market): Bar[] {
  const instruments = new Set(bars.map(({ exchange, symbol }) => `${exchange}|${symbol}`))
  return [...instruments].flatMap((name) => {
    const own = bars.filter(({ exchange, symbol }) => `${exchange}|${symbol}` === name)
    const sorted = own.toSorted((a, b) => compareLists(a.order, b.order))
    let lastClose: string | null = null
    return sorted.flatMap((bar, index) => {
      lastClose = bar.close ?? lastClose
      const next = sorted[index + 1]
      if (!next) return [bar]
      const price = request.fill === 'prev' ? lastClose : null
      const spans = emptySpans(bar.order[1], next.order[0], String(bar.exchange), request, market)
      return [bar, ...spans.map((span) => emptyBar(bar, span, price, market))]
    })
  })
}

function emptySpans(
  from: bigint,
  to: bigint,
  exchange: string,
  request: BarsRequest,
  market: Market,
): readonly Span[] {
  const spans: Span[] = []
  for (let at = from; at < to; ) {
    const stretch = stretchAt(at, exchange, request, market)
    if (stretch === null) {
      at += 60_000_000n
      continue
    }
    const span = bucketOf(at, stretch, request)
    spans.push(span)
    at = span.end
  }
  return spans
}

function emptyBar(bar: Bar, { start, end }: Span, price: string | null, market: Market): Bar {
  const sums = { volume: bar.volume === null ? null : '0', notional: bar.notional === null ? null : '0' }
  return {
    ...bar,
    ...{ ts: formatMicros(start), ts_ns: String(start * 1000n) },
    ...{ open: price, high: price, low: price, close: price, ...sums, vwap: null, count: 0 },
    final: isFinal(bar.exchange, end, market),
    order: [start, end, String(bar.exchange), String(bar.symbol)],
  }
}

function isFinal(exchange: unknown, end: bigint, { watermarks }: Market): boolean {
  const watermark = watermarks.get(String(exchange))
  return watermark !== undefined && end <= watermark - 300_000_000n
}

function priceOf(row: Row, of: BarSource): bigint | null {
  const side = (name: string) => (typeof row[name] === 'bigint' && row[name] !== 0n ? row[name] : null)
  if (of === 'trades') return BigInt(String(row.price))
  const [bid, ask] = [side('bid_price'), side('ask_price')]
  if (of === 'bid') return bid
  if (of === 'ask') return ask
  return bid === null || ask === null ? null : (bid + ask) * 5n
}

function sumsOf(
  prints: readonly Print[],
  of: BarSource,
): Record<'volume' | 'notional' | 'vwap', string | null> {
  if (of !== 'trades') return { volume: null, notional: null, vwap: null }
  let [volume, notional] = [0n, 0n]
  for (const { row, price } of prints) {
    volume += BigInt(String(row.size))
    notional += price * BigInt(String(row.size))
  }
  const vwap = volume === 0n ? null : decimal(halfEven(notional, volume), 8)
  return { volume: decimal(volume, 8), notional: decimal(notional, 16), vwap }
}

interface Span {
  readonly start: bigint
  readonly end: bigint
}

/** The local day, or the part of the trading day, that a time lies in; null when it is in another part. */
function stretchAt(micros: bigint, exchange: string, request: BarsRequest, market: Market): Span | null {
  if (request.session === null) return localDay(micros, request.timeZone)
  const { startMicros, openMicros, closeMicros, endMicros } = market.calendars.session(
    exchange,
    Number(micros),
  )
  const [from, to] = {
    regular: [openMicros, closeMicros],
    pre: [startMicros, openMicros],
    post: [closeMicros, endMicros],
    all: [startMicros, endMicros],
  }[request.session]
  const [start, end] = [BigInt(from!), BigInt(to!)]
  return micros >= start && micros < end ? { start, end } : null
}

const WALKED = new Map<string, Span>()

/** By walking back, a quarter of an hour at a time, to where the local date changed. */
function localDay(micros: bigint, timeZone: string): Span {
  const step = 900_000_000n
  // Quarters of an hour are walked from once: the walk is slow.
  const from = `${micros / step} ${timeZone}`
  const walked = WALKED.get(from) ?? walkedDay(micros, timeZone, step)
  WALKED.set(from, walked)
  return walked
}

function walkedDay(micros: bigint, timeZone: string, step: bigint): Span {
  const format = new Intl.DateTimeFormat('en-CA', { timeZone })
  const date = (at: bigint) => format.format(Number(at / 1000n))
  let start = micros - (micros % step)
  while (date(start - step) === date(micros)) start -= step
  let end = start + step
  while (date(end) === date(micros)) end += step
  return { start, end }
}

function bucketOf(micros: bigint, stretch: Span, { intervalSeconds }: BarsRequest): Span {
  if (intervalSeconds === 86_400) return stretch
  const interval = BigInt(intervalSeconds) * 1_000_000n
  const start = stretch.start + ((micros - stretch.start) / interval) * interval
  return { start, end: start + interval < stretch.end ? start + interval : stretch.end }
}

function comparePrints(a: Print, b: Print): number {
  const key = ({ row, price }: Print) => [
    BigInt(String(row.exchange_timestamp)),
    BigInt(String(row.exchange_nanos ?? 0)),
    BigInt(String(row.log_partition ?? 2 ** 31)),
    row.log_offset == null ? 2n ** 63n : BigInt(String(row.log_offset)),
    price,
  ]
  return compareLists(key(a), key(b))
}

function compareLists(a: readonly (bigint | string)[], b: readonly (bigint | string)[]): number {
  const at = a.findIndex((part, index) => part !== b[index])
  return at < 0 ? 0 : a[at]! < b[at]! ? -1 : 1
}
