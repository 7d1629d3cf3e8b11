import fc from 'fast-check'
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { type ConditionTable, formatMicros, MAX_EVENT_MICROS, SessionCalendars, systemClock } from '#core'
import {
  AnswerCache,
  type BarSource,
  type BarsRequest,
  type Fill,
  type Order,
  type Prints,
  QueryRouter,
  type SessionPart,
} from '#query'
import { loadCalendars } from '../../src/cli/calendars.js'
import { barsByHand } from '../support/bars-by-hand.js'
import { eventRows } from '../support/event-rows.js'
import { decimal, halfEven } from '../support/exact-decimal.js'
import { FEW_CONDITIONS } from '../support/few-conditions.js'
import { type LakeFixture, openLakeFixture } from '../support/lake-fixture.js'
import { queryLimits } from '../support/query-limits.js'
import { BARS } from '../support/request-defaults.js'
import type { Row } from '../support/row-batch.js'
import { SeededRandom } from '../support/seeded-random.js'

let calendars: SessionCalendars
beforeAll(async () => {
  calendars = await loadCalendars(new URL('../../config/calendars', import.meta.url).pathname)
})

let lake: LakeFixture
beforeEach(async () => {
  lake = await openLakeFixture(calendars, FEW_CONDITIONS)
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
        fill: fc.constantFrom<Fill>('none', 'none', 'null', 'prev'),
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
        // Walking through every second of days would take too long by hand.
        const intervalSeconds = Math.max(shape.intervalSeconds, shape.fill === 'none' ? 1 : 3_600)
        const pageRows = shape.fill === 'none' ? limit : Math.max(limit, 50)
        const request: BarsRequest = { ...BARS, ...shape, intervalSeconds, limit: pageRows }
        const bars = await allPages(request)
        const market = { watermarks: table.watermarks, calendars, conditions: FEW_CONDITIONS }
        expect(bars).toEqual(barsByHand(table.rows, request, market))
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

  test('go on page by page under the rules that they began with, and no others', async () => {
    await lake.trades.add([trade(0n, 1n, 1n, 0), trade(7_200_000_000n, 1n, 1n, 1)])
    const { tables, engine, directory } = lake
    const limits = queryLimits()
    const cache = new AnswerCache([])
    const options = { tables, engine, limits, cache, tempDirectory: directory, clock: systemClock }
    const elsewhere = (conditions: readonly ConditionTable[], sessions: SessionCalendars) =>
      new QueryRouter({ ...options, sessions, conditions })
    const goOn = async (request: BarsRequest, router: QueryRouter) => {
      const { nextPageToken } = await lake.router.bars({ ...request, limit: 1 }, JSON_ROWS)
      const { data } = await router.bars({ ...request, pageToken: nextPageToken }, JSON_ROWS)
      return (await data.bytes()).length
    }
    const refused = { code: 'invalid_input', detail: { field: 'page_token' } }
    const [eligible, session] = [
      { ...BARS, prints: 'eligible' } as const,
      { ...BARS, session: 'all' } as const,
    ]
    const none = new SessionCalendars([])
    expect(await goOn(eligible, elsewhere(FEW_CONDITIONS, none))).toBeGreaterThan(0)
    await expect(goOn(eligible, elsewhere([], none))).rejects.toMatchObject(refused)
    expect(await goOn(session, elsewhere([], calendars))).toBeGreaterThan(0)
    await expect(goOn(session, elsewhere([], none))).rejects.toMatchObject(refused)
    expect(await goOn(BARS, elsewhere([], none))).toBeGreaterThan(0)
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
