import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { formatMicros } from '#core'
import type { AsofRequest, MarketSnapshotRequest, Order, Prevailing } from '#query'
import { EVENTS_SPAN_MICROS, EVENTS_START_MICROS, eventRows } from '../support/event-rows.js'
import { decimal } from '../support/exact-decimal.js'
import { type LakeFixture, openLakeFixture } from '../support/lake-fixture.js'
import { ROWS } from '../support/request-defaults.js'
import type { Row } from '../support/row-batch.js'
import { SeededRandom } from '../support/seeded-random.js'

let lake: LakeFixture
beforeEach(async () => {
  lake = await openLakeFixture()
})
afterEach(() => lake.close())

const JSON_ROWS = { encoding: 'json' } as const
const ASOF: AsofRequest = { ...ROWS, prevailing: 'at', maxAgeSeconds: 86_400 }
const MOMENT: MarketSnapshotRequest = ROWS
const HALF = EVENTS_START_MICROS + EVENTS_SPAN_MICROS / 2n

async function fill(seed: number): Promise<void> {
  const random = new SeededRandom(seed)
  for (const kind of ['trades', 'quotes'] as const) {
    await lake[kind].clear()
    const rows = untied([...eventRows(random, 40, 0, kind), ...eventRows(random, 40, 40, kind)])
    const half = Math.floor(rows.length / 2)
    await lake[kind].addCommitted(rows.slice(0, half))
    await lake[kind].add(rows.slice(half))
  }
}

describe('as of each trade', () => {
  test('is the quote that a walk through all quotes finds (a failure prints its seed)', async () => {
    const property = fc.asyncProperty(
      fc.record({
        seed: fc.integer(),
        prevailing: fc.constantFrom<Prevailing>('at', 'before'),
        maxAgeSeconds: fc.constantFrom(1, 10_000, 86_400, 30 * 86_400),
        order: fc.constantFrom<Order>('asc', 'desc'),
        limit: fc.constantFrom(7, 50_000, null),
        symbols: fc.constantFrom(null, ['BHP', "O'X"]),
        startNanos: fc.constantFrom(null, HALF * 1000n),
      }),
      async ({ seed, ...shape }) => {
        await fill(seed)
        const request: AsofRequest = { ...ASOF, ...shape }
        // The trades themselves are those of /v1/trades, whose order has its own test.
        const trades = await allRows(lake.router.rows, {
          ...{ ...ROWS, ...shape, limit: 50_000 },
          fields: ['exchange', 'symbol', 'ts', 'ts_ns', 'price', 'size'],
        })
        const expected = trades.map((trade) => ({ ...trade, ...quoteAt(trade, request) }))
        expect(await allRows(lake.router.asof, { ...request, fields: FIELDS })).toEqual(expected)
        expect([lake.trades.pinCount, lake.quotes.pinCount]).toEqual([0, 0])
      },
    )
    await fc.assert(property, { numRuns: 60, verbose: true })
  })

  test('of equal times it is the last quote in the order of quotes, or with `before` none of them', async () => {
    await lake.trades.add([event(5n, { price: 100n, size: 1n })])
    await lake.quotes.addCommitted([
      event(4n, { bid_price: 1n, ask_price: 2n }, 7n),
      event(5n, { bid_price: 3n, ask_price: 4n }, 9n),
    ])
    await lake.quotes.add([event(5n, { bid_price: 5n, ask_price: 6n }, 8n)])
    const fields = ['bid_price', 'spread', 'mid']
    expect(await allRows(lake.router.asof, { ...ASOF, fields })).toEqual([
      { bid_price: '0.00000003', spread: '0.00000001', mid: '0.000000035' },
    ])
    expect(await allRows(lake.router.asof, { ...ASOF, fields, prevailing: 'before' })).toEqual([
      { bid_price: '0.00000001', spread: '0.00000001', mid: '0.000000015' },
    ])
  })

  test('the largest prices are exact, and an empty side has no middle', async () => {
    const largest = 10n ** 18n - 1n
    await lake.trades.add([event(5n, { price: 1n, size: 1n }), event(7n, { price: 1n, size: 1n }, 1n)])
    await lake.quotes.add([
      event(4n, { bid_price: -largest, ask_price: largest }),
      event(6n, { bid_price: 0n, ask_price: largest }, 1n),
    ])
    const fields = ['ask_price', 'spread', 'mid']
    expect(await allRows(lake.router.asof, { ...ASOF, fields })).toEqual([
      { ask_price: '9999999999.99999999', spread: '19999999999.99999998', mid: '0' },
      { ask_price: '9999999999.99999999', spread: null, mid: null },
    ])
  })

  test('reads of quotes the files that the page can mean, and says which versions it read', async () => {
    const day = 86_400_000_000n
    await lake.trades.addCommitted([event(10n * day, { price: 1n, size: 1n })])
    await lake.quotes.addCommitted([event(0n, { bid_price: 1n, ask_price: 2n })])
    await lake.quotes.addCommitted([event(10n * day - 1n, { bid_price: 3n, ask_price: 4n }, 1n)])
    const { meta, rows } = await lake.router.asof({ ...ASOF, fields: ['bid_price'] }, JSON_ROWS)
    expect(rows).toEqual(['{"bid_price":"0.00000003"}'])
    expect(meta).toMatchObject({ snapshotId: null, filesTotal: 3, filesRead: 2, rowsScanned: 2 })
    expect(meta.tables).toMatchObject([
      { table: 'trades', snapshotId: '1', filesTotal: 1, filesRead: 1, route: 'historical' },
      { table: 'quotes', snapshotId: '2', filesTotal: 2, filesRead: 1, route: 'historical' },
    ])
  })

  test('pages are of one version of each table, and both are let go', async () => {
    await fill(1)
    const whole = await allRows(lake.router.asof, ASOF)
    const joined: unknown[] = []
    let pageToken: string | null = null
    do {
      const answer = await lake.router.asof({ ...ASOF, limit: 9, pageToken }, JSON_ROWS)
      joined.push(...answer.rows.map((row) => JSON.parse(row)))
      pageToken = answer.nextPageToken
      // Whatever comes meanwhile belongs to later versions.
      await lake.quotes.addCommitted(eventRows(new SeededRandom(joined.length), 5, 1_000, 'quotes'))
      await lake.trades.add(eventRows(new SeededRandom(joined.length), 5, 1_000, 'trades'))
    } while (pageToken !== null)
    expect(joined).toEqual(whole)
    expect([lake.trades.pinCount, lake.quotes.pinCount]).toEqual([0, 0])
  })

  test('a token of a list of one table is none, and a snapshot is of one table', async () => {
    await fill(2)
    const { nextPageToken } = await lake.router.rows({ ...ROWS, limit: 1 }, JSON_ROWS)
    await expect(lake.router.asof({ ...ASOF, pageToken: nextPageToken }, JSON_ROWS)).rejects.toMatchObject({
      code: 'invalid_input',
      detail: { field: 'page_token' },
    })
    const asOf = { kind: 'snapshot', snapshotId: 1n } as const
    await expect(lake.router.asof({ ...ASOF, asOf }, JSON_ROWS)).rejects.toMatchObject({
      detail: { field: 'as_of', expected: expect.stringContaining('a snapshot is of one table') },
    })
    expect([lake.trades.pinCount, lake.quotes.pinCount]).toEqual([0, 0])
  })
})

describe('the market at a moment', () => {
  test('is what a walk through trades and quotes finds (a failure prints its seed)', async () => {
    const property = fc.asyncProperty(
      fc.integer(),
      fc.constantFrom(2, 50_000, null),
      fc.constantFrom(null, HALF * 1000n, HALF * 1000n + 1n),
      fc.constantFrom(null, (HALF - EVENTS_SPAN_MICROS / 20n) * 1000n),
      async (seed, limit, endNanos, startNanos) => {
        await fill(seed)
        const request: MarketSnapshotRequest = { ...MOMENT, limit, endNanos, startNanos }
        const found = await allRows(lake.router.marketSnapshot, { ...request, fields: MOMENT_FIELDS })
        expect(found).toEqual(momentByHand(request))
      },
    )
    await fc.assert(property, { numRuns: 50, verbose: true })
  })
})

const FIELDS = [
  ...['exchange', 'symbol', 'ts', 'ts_ns', 'price', 'size', 'quote_ts', 'quote_ts_ns'],
  ...['bid_price', 'bid_size', 'ask_price', 'ask_size', 'mid', 'spread'],
]
const MOMENT_FIELDS = ['exchange', 'symbol', 'trade_ts', 'price', 'quote_ts', 'bid_price', 'mid', 'spread']

function event(micros: bigint, cells: Row, offset = 0n): Row {
  return {
    ...{ symbol: 'BHP', exchange: 'ASX', exchange_timestamp: micros, exchange_nanos: 0 },
    ...{ log_partition: 0, log_offset: offset, ...cells },
  }
}

interface Paged {
  readonly pageToken: string | null
}

async function allRows<Request extends Paged>(
  ask: (
    request: Request,
    options: typeof JSON_ROWS,
  ) => Promise<{ readonly rows: readonly string[]; readonly nextPageToken: string | null }>,
  request: Request,
): Promise<readonly Record<string, unknown>[]> {
  const rows: Record<string, unknown>[] = []
  let pageToken: string | null = null
  do {
    const answer = await ask({ ...request, pageToken }, JSON_ROWS)
    rows.push(...answer.rows.map((row) => JSON.parse(row)))
    pageToken = answer.nextPageToken
  } while (pageToken !== null)
  return rows
}

const nanosOf = (row: Row) =>
  BigInt(String(row.exchange_timestamp)) * 1000n + BigInt(String(row.exchange_nanos ?? 0))

/** One row of foreign engines for each time: which of several comes first is up to a hash. */
function untied(rows: readonly Row[]): readonly Row[] {
  const times = new Set<bigint>()
  return rows.filter((row) => {
    if (row.log_offset !== null) return true
    const isFirst = !times.has(nanosOf(row))
    times.add(nanosOf(row))
    return isFirst
  })
}

/** The total order: a foreign row comes last of its time. */
function compare(a: Row, b: Row): number {
  const key = (row: Row) => [
    nanosOf(row),
    row.log_offset == null ? 2n ** 63n : BigInt(String(row.log_offset)),
  ]
  const [x, y] = [key(a), key(b)]
  const at = x.findIndex((part, index) => part !== y[index])
  return at < 0 ? 0 : x[at]! < y[at]! ? -1 : 1
}

function cellsOf(quote: Row | undefined) {
  if (!quote) return Object.fromEntries(FIELDS.slice(6).map((name) => [name, null]))
  const price = (name: string) => (typeof quote[name] === 'bigint' ? quote[name] : null)
  const text = (value: bigint | null) => (value === null ? null : decimal(value, 8))
  const [bid, ask] = [price('bid_price'), price('ask_price')]
  const both = bid !== null && ask !== null && bid !== 0n && ask !== 0n
  return {
    quote_ts: formatMicros(BigInt(String(quote.exchange_timestamp))),
    quote_ts_ns: String(nanosOf(quote)),
    ...{ bid_price: text(bid), bid_size: text(price('bid_size')) },
    ...{ ask_price: text(ask), ask_size: text(price('ask_size')) },
    mid: both ? decimal((bid + ask) * 5n, 9) : null,
    spread: both ? decimal(ask - bid, 8) : null,
  }
}

function quoteAt(trade: Record<string, unknown>, { prevailing, maxAgeSeconds }: AsofRequest) {
  const at = BigInt(String(trade.ts_ns))
  const candidates = lake.quotes.rows.filter((quote) => {
    const age = at - nanosOf(quote)
    const isTimely = prevailing === 'at' ? age >= 0n : age > 0n
    const isYoung = age <= BigInt(maxAgeSeconds) * 1_000_000_000n
    return quote.exchange === trade.exchange && quote.symbol === trade.symbol && isTimely && isYoung
  })
  return cellsOf(candidates.toSorted(compare).at(-1))
}

function momentByHand({ startNanos, endNanos }: MarketSnapshotRequest): readonly unknown[] {
  const selected = (rows: readonly Row[]) =>
    rows.filter(
      (row) =>
        (startNanos === null || nanosOf(row) >= startNanos) && (endNanos === null || nanosOf(row) < endNanos),
    )
  const [trades, quotes] = [selected(lake.trades.rows), selected(lake.quotes.rows)]
  const name = ({ exchange, symbol }: Row) => JSON.stringify([exchange, symbol])
  const names = [...new Set([...trades, ...quotes].map(name))].sort()
  return names.map((instrument) => {
    const last = (rows: readonly Row[]) =>
      rows
        .filter((row) => name(row) === instrument)
        .toSorted(compare)
        .at(-1)
    const [trade, quote] = [last(trades), last(quotes)]
    const [exchange, symbol] = JSON.parse(instrument) as [string, string]
    const { quote_ts, bid_price, mid, spread } = cellsOf(quote) as Record<string, unknown>
    return {
      ...{ exchange, symbol },
      trade_ts: trade ? formatMicros(BigInt(String(trade.exchange_timestamp))) : null,
      price: trade ? decimal(BigInt(String(trade.price)), 8) : null,
      ...{ quote_ts, bid_price, mid, spread },
    }
  })
}
