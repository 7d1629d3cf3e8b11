import fc from 'fast-check'
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  type ConditionTable,
  formatMicros,
  MAX_EVENT_MICROS,
  PRINT_USES,
  type PrintUse,
  type SessionCalendars,
} from '#core'
import type { BarSource, BarsRequest, Order, Prints, SessionPart } from '#query'
import { loadCalendars } from '../../src/cli/calendars.js'
import { counts } from '../support/condition-tables.js'
import { eventRows } from '../support/event-rows.js'
import { type LakeFixture, openLakeFixture } from '../support/lake-fixture.js'
import { BARS } from '../support/request-defaults.js'
import type { Row } from '../support/row-batch.js'
import { SeededRandom } from '../support/seeded-random.js'

/** Of two exchanges, and few codes. */
const CONDITIONS: readonly ConditionTable[] = [
  {
    exchanges: ['ASX'],
    written: 'words',
    codes: [
      { code: 'V', counts: ['volume'], unless: ['R'] },
      { code: 'H', counts: ['highLow', 'volume'], unless: [] },
      { code: 'C', counts: ['openClose', 'highLow'], unless: [] },
    ],
    others: [],
  },
]

let calendars: SessionCalendars
beforeAll(async () => {
  calendars = await loadCalendars(new URL('../../config/calendars', import.meta.url).pathname)
})

let lake: LakeFixture
beforeEach(async () => {
  lake = await openLakeFixture(calendars, CONDITIONS)
})
afterEach(() => lake.close())

const CODES = [null, '', 'V', 'V R', 'H', 'C', 'H C', '?', 'H,V']

const JSON_ROWS = { encoding: 'json' } as const

describe('bars', () => {
  test('equal those that are counted by hand', async () => {
    const property = fc.asyncProperty(
      fc.record({
        seed: fc.integer(),
        of: fc.constantFrom<BarSource>('trades', 'bid', 'ask', 'mid'),
        intervalSeconds: fc.constantFrom(1, 60, 3600, 7 * 3600, 12 * 3600, 86_400),
        timeZone: fc.constantFrom('UTC', 'Australia/Sydney', 'America/New_York', 'Asia/Kolkata'),
        session: fc.constantFrom<SessionPart | null>(null, null, 'regular', 'pre', 'post', 'all'),
        exchange: fc.constantFrom(null, null, 'ASX'),
        prints: fc.constantFrom<Prints>('all', 'eligible'),
        order: fc.constantFrom<Order>('asc', 'desc'),
        limit: fc.constantFrom(7, 50_000),
      }),
      async ({ seed, limit, ...shape }) => {
        const random = new SeededRandom(seed)
        const kind = shape.of === 'trades' ? 'trades' : 'quotes'
        const table = lake[kind]
        const rows = (firstOffset: number) =>
          eventRows(random, 60, firstOffset, kind).map((row) => ({ ...row, conditions: random.pick(CODES) }))
        await table.clear()
        await table.addCommitted(rows(0))
        await table.add(rows(60))
        table.watermarks.set('ASX', BigInt(String(random.pick(table.rows).exchange_timestamp)))
        const request: BarsRequest = { ...BARS, ...shape, limit }
        const bars = await allPages(request)
        expect(bars).toEqual(barsByHand(table.rows, request, table.watermarks))
      },
    )
    await fc.assert(property, { numRuns: 60, verbose: true })
  })

  test('with a day as interval hold the whole local day, of 23 and 25 hours too', async () => {
    // Sydney: clocks go forward on 5 October 2014 and back on 5 April 2015.
    const instants = [
      '2014-10-04T14:00:00Z',
      '2014-10-05T12:59:59Z',
      '2014-10-05T13:00:00Z',
      '2015-04-04T13:00:00Z',
      '2015-04-05T13:59:59Z',
      '2015-04-05T14:00:00Z',
    ]
    await lake.trades.add(
      instants.map((instant, index) => trade(BigInt(Date.parse(instant)) * 1000n, 100n, 1n, index)),
    )
    const request = {
      ...BARS,
      intervalSeconds: 86_400,
      timeZone: 'Australia/Sydney',
      fields: ['ts', 'count'],
    }
    expect(await allPages(request)).toEqual([
      { ts: '2014-10-04T14:00:00.000000Z', count: 2 },
      { ts: '2014-10-05T13:00:00.000000Z', count: 1 },
      { ts: '2015-04-04T13:00:00.000000Z', count: 2 },
      { ts: '2015-04-05T14:00:00.000000Z', count: 1 },
    ])
  })

  test('of a session are those of a trading day, which a UTC day would split', async () => {
    // ASX: 10:00 to 16:12 in Sydney is 23:00 to 5:12 UTC; a Friday lasts until Monday begins.
    const instants = [
      '2014-03-13T22:59:59Z',
      '2014-03-13T23:00:00Z',
      '2014-03-14T05:11:59Z',
      '2014-03-14T05:12:00Z',
      '2014-03-15T02:00:00Z',
      '2014-03-16T23:30:00Z',
    ]
    await lake.trades.addCommitted(
      instants.map((instant, index) => trade(BigInt(Date.parse(instant)) * 1000n, 100n, 1n, index)),
    )
    const bars = (session: SessionPart, intervalSeconds = 86_400) =>
      allPages({ ...BARS, intervalSeconds, session, fields: ['ts', 'count'] })
    expect(await bars('all')).toEqual([
      { ts: '2014-03-13T13:00:00.000000Z', count: 5 },
      { ts: '2014-03-16T13:00:00.000000Z', count: 1 },
    ])
    expect(await bars('regular')).toEqual([
      { ts: '2014-03-13T23:00:00.000000Z', count: 2 },
      { ts: '2014-03-16T23:00:00.000000Z', count: 1 },
    ])
    expect(await bars('pre')).toEqual([{ ts: '2014-03-13T13:00:00.000000Z', count: 1 }])
    expect(await bars('post')).toEqual([{ ts: '2014-03-14T05:12:00.000000Z', count: 2 }])
    // The last hour is cut short by the close.
    expect(await bars('regular', 3_600)).toEqual([
      { ts: '2014-03-13T23:00:00.000000Z', count: 1 },
      { ts: '2014-03-14T05:00:00.000000Z', count: 1 },
      { ts: '2014-03-16T23:00:00.000000Z', count: 1 },
    ])
  })

  test('of the oldest and the newest time there is need no calendar of the centuries between them', async () => {
    const ends = [-BigInt(MAX_EVENT_MICROS), 0n, BigInt(MAX_EVENT_MICROS)]
    await lake.trades.addCommitted(ends.map((micros, index) => trade(micros, 100n, 1n, index)))
    const turns = vi.spyOn(Intl.DateTimeFormat.prototype, 'formatToParts')
    const bars = await allPages({
      ...BARS,
      intervalSeconds: 86_400,
      timeZone: 'Etc/GMT-10',
      fields: ['ts', 'count'],
    })
    // Some for each day with rows; the centuries have 208,500 days.
    expect(turns.mock.calls.length).toBeLessThan(200)
    turns.mockRestore()
    const [day, offset] = [86_400_000_000n, 36_000_000_000n]
    const start = (micros: bigint) => micros - ((((micros + offset) % day) + day) % day)
    expect(bars).toEqual(ends.map((micros) => ({ ts: formatMicros(start(micros)), count: 1 })))
  })

  test('are exact for the largest decimals there are', async () => {
    const largest = 10n ** 18n - 1n
    await lake.trades.add([
      trade(0n, largest, largest, 0),
      trade(1n, largest, largest, 1),
      trade(2n, -largest, 1n, 2),
    ])
    const [bar] = await allPages(BARS)
    const volume = largest * 2n + 1n
    const notional = largest * largest * 2n - largest
    expect(bar).toMatchObject({
      high: '9999999999.99999999',
      low: '-9999999999.99999999',
      volume: decimal(volume, 8),
      notional: decimal(notional, 16),
      vwap: decimal(halfEven(notional, volume), 8),
    })
  })

  test('whose notional leaves 38 digits are refused, with what to do', async () => {
    const largest = 10n ** 18n - 1n
    await lake.trades.add(Array.from({ length: 400 }, (_, index) => trade(0n, largest, largest, index)))
    await expect(lake.router.bars(BARS, JSON_ROWS)).rejects.toMatchObject({
      code: 'invalid_input',
      message: expect.stringContaining('shorter interval'),
    })
  })

  test('are none where there is nothing', async () => {
    expect(await allPages({ ...BARS, timeZone: 'Asia/Tokyo' })).toEqual([])
    await lake.quotes.add([{ ...trade(0n, 1n, 1n, 0), bid_price: 0n, ask_price: 5n }])
    expect(await allPages({ ...BARS, of: 'bid', timeZone: 'Asia/Tokyo' })).toEqual([])
    expect(await allPages({ ...BARS, of: 'mid' })).toEqual([])
    expect(await allPages({ ...BARS, of: 'ask' })).toHaveLength(1)
  })
})

function trade(micros: bigint, price: bigint, size: bigint, offset: number): Row {
  const position = { log_partition: 0, log_offset: BigInt(offset), exchange_nanos: 0 }
  return { symbol: 'BHP', exchange: 'ASX', exchange_timestamp: micros, price, size, ...position }
}

async function allPages(request: BarsRequest): Promise<unknown[]> {
  const bars: unknown[] = []
  let pageToken: string | null = null
  do {
    const answer = await lake.router.bars({ ...request, pageToken }, JSON_ROWS)
    bars.push(...answer.rows.map((row) => JSON.parse(row)))
    pageToken = answer.nextPageToken
  } while (pageToken !== null)
  return bars
}

interface Print {
  readonly row: Row
  readonly uses: readonly PrintUse[]
  /** Scaled by 10^8; by 10^9 for mid. */
  readonly price: bigint
}

/** The slow, obvious way: one bucket after the other, in whole numbers. */
function barsByHand(
  rows: readonly Row[],
  request: BarsRequest,
  watermarks: ReadonlyMap<string, bigint>,
): unknown[] {
  const buckets = new Map<string, { start: bigint; end: bigint; prints: Print[] }>()
  for (const row of rows) {
    const price = priceOf(row, request.of)
    if (price === null || (request.exchange ?? row.exchange) !== row.exchange) continue
    const stretch = stretchOf(row, request)
    const uses = usesOf(row, request)
    if (stretch === null || uses.length === 0) continue
    const { start, end } = bucketOf(BigInt(String(row.exchange_timestamp)), stretch, request)
    const key = `${start}|${row.exchange}|${row.symbol}`
    const bucket = buckets.get(key) ?? { start, end, prints: [] }
    bucket.prints.push({ row, uses, price })
    buckets.set(key, bucket)
  }
  const scale = request.of === 'mid' ? 9 : 8
  const bars = [...buckets.values()].map(({ start, end, prints }) => {
    const sorted = prints.toSorted(comparePrints)
    const pricesFor = (use: PrintUse) =>
      sorted.filter(({ uses }) => uses.includes(use)).map((print) => print.price)
    const range = pricesFor('highLow').toSorted((a, b) => (a < b ? -1 : 1))
    const inOrder = pricesFor('openClose')
    const forVolume = sorted.filter(({ uses }) => uses.includes('volume'))
    const price = (value: bigint | undefined) => (value === undefined ? null : decimal(value, scale))
    const { symbol, exchange } = sorted[0]!.row
    const watermark = watermarks.get(String(exchange))
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
      final: watermark !== undefined && end <= watermark - 300_000_000n,
      order: [start, end, String(exchange), String(symbol)] as const,
    }
  })
  bars.sort((a, b) => compareLists(a.order, b.order) * (request.order === 'asc' ? 1 : -1))
  return bars.map(({ order: _, ...bar }) => bar)
}

/** What a row counts for. */
function usesOf({ exchange, conditions }: Row, { of, prints }: BarsRequest): readonly PrintUse[] {
  if (of !== 'trades' || prints === 'all') return PRINT_USES
  const text = conditions === null ? null : String(conditions)
  return PRINT_USES.filter((use) => counts(String(exchange), text, use, CONDITIONS))
}

function priceOf(row: Row, of: BarSource): bigint | null {
  const side = (name: string) => (typeof row[name] === 'bigint' && row[name] !== 0n ? row[name] : null)
  if (of === 'trades') return BigInt(String(row.price))
  const [bid, ask] = [side('bid_price'), side('ask_price')]
  if (of === 'bid') return bid
  if (of === 'ask') return ask
  return bid === null || ask === null ? null : (bid + ask) * 5n
}

function sumsOf(prints: readonly Print[], of: BarSource) {
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

/** The local day, or the part of the trading day, that a row lies in; null when it is in another part. */
function stretchOf({ exchange, exchange_timestamp }: Row, { timeZone, session }: BarsRequest): Span | null {
  const micros = BigInt(String(exchange_timestamp))
  if (session === null) return localDay(micros, timeZone)
  const { startMicros, openMicros, closeMicros, endMicros } = calendars.session(
    String(exchange),
    Number(micros),
  )
  const [start, end] = {
    regular: [openMicros, closeMicros],
    pre: [startMicros, openMicros],
    post: [closeMicros, endMicros],
    all: [startMicros, endMicros],
  }[session].map(BigInt) as [bigint, bigint]
  return micros >= start && micros < end ? { start, end } : null
}

/** By walking back, a quarter of an hour at a time, to where the local date changed. */
function localDay(micros: bigint, timeZone: string): Span {
  const step = 900_000_000n
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
    row.log_offset == null ? 2n ** 63n : BigInt(String(row.log_offset)),
    price,
  ]
  return compareLists(key(a), key(b))
}

function compareLists(a: readonly (bigint | string)[], b: readonly (bigint | string)[]): number {
  const at = a.findIndex((part, index) => part !== b[index])
  return at < 0 ? 0 : a[at]! < b[at]! ? -1 : 1
}

function halfEven(dividend: bigint, divisor: bigint): bigint {
  const sign = dividend < 0n !== divisor < 0n ? -1n : 1n
  const [n, d] = [dividend < 0n ? -dividend : dividend, divisor < 0n ? -divisor : divisor]
  const [quotient, twice] = [n / d, (n % d) * 2n]
  const up = twice > d || (twice === d && quotient % 2n === 1n)
  return sign * (up ? quotient + 1n : quotient)
}

function decimal(scaled: bigint, scale: number): string {
  const digits = String(scaled < 0n ? -scaled : scaled).padStart(scale + 1, '0')
  const text = `${digits.slice(0, -scale)}.${digits.slice(-scale)}`.replace(/\.?0+$/, '')
  return scaled < 0n ? `-${text}` : text
}
