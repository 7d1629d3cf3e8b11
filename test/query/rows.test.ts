import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { SessionCalendars, systemClock, TicklakeError } from '#core'
import { AnswerCache, type Order, QueryRouter, type RowsRequest } from '#query'
import { seal, unseal } from '../../src/query/sealed.js'
import { EVENT_SYMBOLS, EVENTS_SPAN_MICROS, EVENTS_START_MICROS, eventRows } from '../support/event-rows.js'
import { type LakeFixture, openLakeFixture } from '../support/lake-fixture.js'
import { ROWS } from '../support/request-defaults.js'
import type { Row } from '../support/row-batch.js'
import { SeededRandom } from '../support/seeded-random.js'
import { textRouter } from '../support/text-router.js'

let lake: LakeFixture
beforeEach(async () => {
  lake = await openLakeFixture()
})
afterEach(() => {
  expect(lake.trades.pinCount, 'every version is released').toBe(0)
  lake.close()
})

const JSON_ROWS = { encoding: 'json' } as const

/** Fills trades with committed and hot batches. */
async function fill(random: SeededRandom): Promise<void> {
  let offset = 0
  for (const committed of [true, true, false, false]) {
    const rows = eventRows(random, 30, offset, 'trades')
    offset += rows.length
    await (committed ? lake.trades.addCommitted(rows) : lake.trades.add(rows))
  }
}

async function pages(
  request: RowsRequest,
  limits: () => number,
  between: () => Promise<void>,
): Promise<string[]> {
  const rows: string[] = []
  let pageToken: string | null = null
  do {
    const limit = limits()
    const answer = await lake.router.rows({ ...request, limit, pageToken }, JSON_ROWS)
    expect(answer.rows.length).toBeLessThanOrEqual(limit)
    rows.push(...answer.rows)
    pageToken = answer.nextPageToken
    await between()
  } while (pageToken !== null)
  return rows
}

describe('pages', () => {
  test('joined are the one big answer, whatever their limits, whatever is appended or flushed meanwhile', async () => {
    const property = fc.asyncProperty(
      fc.integer(),
      fc.constantFrom<Order>('asc', 'desc'),
      fc.boolean(),
      fc.boolean(),
      async (seed, order, ranged, narrow) => {
        const random = new SeededRandom(seed)
        await lake.trades.clear()
        await fill(random)
        const request: RowsRequest = {
          ...ROWS,
          order,
          symbols: narrow ? EVENT_SYMBOLS.slice(0, 2) : null,
          fields: narrow ? ['symbol', 'price'] : null,
          startNanos: ranged ? (EVENTS_START_MICROS + EVENTS_SPAN_MICROS / 4n) * 1000n + 1n : null,
          endNanos: ranged ? (EVENTS_START_MICROS + EVENTS_SPAN_MICROS / 2n) * 1000n + 1n : null,
        }
        const whole = await lake.router.rows(request, JSON_ROWS)
        expect(whole.nextPageToken).toBeNull()
        const joined = await pages(
          request,
          () => 1 + random.below(9),
          async () => {
            if (random.oneIn(6)) await lake.trades.add(eventRows(random, 3, 10_000, 'trades'))
            if (random.oneIn(6)) await lake.trades.flush()
          },
        )
        expect(joined).toEqual(whole.rows)
      },
    )
    await fc.assert(property, { numRuns: 12, verbose: true })
  })

  test('hold the rows of a selection, in the total order, to the nanosecond', async () => {
    const property = fc.asyncProperty(
      fc.integer(),
      fc.constantFrom<Order>('asc', 'desc'),
      async (seed, order) => {
        const random = new SeededRandom(seed)
        await lake.trades.clear()
        await fill(random)
        const bounds = [nanosOf(random.pick(lake.trades.rows)), nanosOf(random.pick(lake.trades.rows)) + 1n]
        const [startNanos, endNanos] = [
          bounds[0]! < bounds[1]! ? bounds[0]! : bounds[1]!,
          bounds[0]! < bounds[1]! ? bounds[1]! : bounds[0]!,
        ]
        const answer = await lake.router.rows(
          { ...ROWS, order, startNanos, endNanos, exchange: 'ASX' },
          JSON_ROWS,
        )
        const expected = lake.trades.rows
          .filter((row) => row.exchange === 'ASX' && nanosOf(row) >= startNanos && nanosOf(row) < endNanos)
          .sort((a, b) => compareRows(a, b) * (order === 'asc' ? 1 : -1))
        const actual: readonly { ts_ns: string; trade_id: string | null }[] = answer.rows.map((row) =>
          JSON.parse(row),
        )
        expect(actual.map((row) => [row.ts_ns, row.trade_id])).toEqual(
          expected.map((row) => [String(nanosOf(row)), row.trade_id ?? null]),
        )
      },
    )
    await fc.assert(property, { numRuns: 20, verbose: true })
  })
})

describe('a row', () => {
  const row: Row = {
    symbol: 'BHP',
    exchange: 'ASX',
    exchange_timestamp: 1_394_432_234_754_000n,
    exchange_nanos: 7,
    sequence_number: 9_007_199_254_740_993n,
    price: 3_666_700_000n,
    size: -10_000_000_000n,
    side: 'buy',
    venue: 'a "b", c',
    conditions: '',
    quality_flags: 1,
    ingest_timestamp: 1_394_432_234_754_001n,
    log_partition: 0,
    log_offset: 0n,
  }

  test('is written as JSON, numbers exact', async () => {
    await lake.trades.add([row])
    const answer = await lake.router.rows(ROWS, JSON_ROWS)
    expect(answer.rows).toEqual([
      '{"symbol":"BHP","exchange":"ASX","ts":"2014-03-10T06:17:14.754000Z","ts_ns":"1394432234754000007",' +
        '"price":"36.667","size":"-100","side":"buy","venue":"a \\"b\\", c","sequence":9007199254740993,' +
        '"trade_id":null,"conditions":"","currency":null,"message_id":null,"flags":1,' +
        '"ingest_ts":"2014-03-10T06:17:14.754001Z"}',
    ])
    expect(answer.meta).toMatchObject({ route: 'real-time', snapshotId: null, filesTotal: 0, rowsScanned: 1 })
  })

  test('is written as CSV: NULL empty, an empty text quoted', async () => {
    await lake.trades.add([row])
    const fields = ['size', 'venue', 'conditions', 'currency', 'flags']
    const answer = await lake.router.rows({ ...ROWS, fields }, { encoding: 'csv' })
    expect(answer.fields).toEqual(fields)
    expect(answer.rows).toEqual(['-100,"a ""b"", c","",,1'])
  })

  test('without event time comes last and is never lost', async () => {
    const { exchange_timestamp: _, ...timeless } = row
    const foreign = { ...timeless, log_partition: null, log_offset: null }
    await lake.trades.addCommitted([foreign, row, { ...foreign, price: 1n }, foreign])
    for (const order of ['asc', 'desc'] as const) {
      const whole = await lake.router.rows({ ...ROWS, order }, JSON_ROWS)
      expect(whole.rows.at(order === 'asc' ? 0 : -1)).toContain('2014-03-10')
      expect(
        await pages(
          { ...ROWS, order },
          () => 1,
          async () => {},
        ),
      ).toEqual(whole.rows)
    }
  })
})

test('newest first, what was read of rows without event time before time was up covers nothing [inv 11]', async () => {
  const at = (micros: bigint | null, place: bigint | null): Row => ({
    symbol: 'BHP',
    exchange: 'ASX',
    exchange_timestamp: micros,
    exchange_nanos: 0,
    price: 1n,
    size: 1n,
    log_partition: place === null ? null : 0,
    log_offset: place,
  })
  await lake.trades.addCommitted([at(null, null)])
  await lake.trades.addCommitted([at(1_394_632_800_000_000n, 0n)])
  await lake.trades.add([at(1_394_432_234_754_000n, 1n)])
  const late = new AbortController()
  let readings = 0
  const { engine } = lake
  const router = textRouter(
    new QueryRouter({
      cache: new AnswerCache([]),
      tables: lake.tables,
      engine: {
        query: (sql, parameters, signal) => engine.query(sql, parameters, signal),
        rows: async function* (sql, parameters, signal) {
          if (++readings === 2) late.abort(new TicklakeError('timeout', 'it takes too long'))
          signal?.throwIfAborted()
          yield* engine.rows(sql, parameters, signal)
        },
        stream: (sql, parameters, signal) => engine.stream(sql, parameters, signal),
        exportParquet: (request, signal) => engine.exportParquet(request, signal),
      },
      sessions: new SessionCalendars([]),
      limits: lake.limits,
      clock: systemClock,
      tempDirectory: lake.directory,
    }),
  )
  const asked = router.rows({ ...ROWS, order: 'desc' }, { ...JSON_ROWS, signal: late.signal })
  await expect(asked).rejects.toMatchObject({ code: 'timeout' })
  expect(readings).toBe(2)
})

test('a page token goes on with the list that gave it, and no other with the same parameters', async () => {
  await fill(new SeededRandom(3))
  const { nextPageToken: pageToken } = await lake.router.symbols({ ...ROWS, limit: 1 }, JSON_ROWS)
  expect(pageToken).not.toBeNull()
  await expect(lake.router.symbols({ ...ROWS, pageToken }, JSON_ROWS)).resolves.toMatchObject({
    complete: true,
  })
  await expect(lake.router.quality({ ...ROWS, pageToken }, JSON_ROWS)).rejects.toMatchObject({
    code: 'invalid_input',
    message: expect.stringContaining('another request'),
  })
})

describe('the route', () => {
  const at = (micros: bigint, offset: number): Row => ({
    symbol: 'BHP',
    exchange: 'ASX',
    exchange_timestamp: micros,
    exchange_nanos: 0,
    price: 1n,
    size: 1n,
    log_partition: 0,
    log_offset: BigInt(offset),
  })

  test('is reported with the files that were chosen', async () => {
    await lake.trades.addCommitted([at(1_000n, 0)])
    await lake.trades.addCommitted([at(2_000n, 1)])
    const historical = await lake.router.rows({ ...ROWS, endNanos: 1_500_000n }, JSON_ROWS)
    expect(historical.meta).toMatchObject({
      route: 'historical',
      snapshotId: '2',
      filesTotal: 2,
      filesRead: 1,
      rowsScanned: 1,
    })
    await lake.trades.add([at(3_000n, 2)])
    expect((await lake.router.rows(ROWS, JSON_ROWS)).meta).toMatchObject({
      route: 'hybrid',
      filesRead: 2,
      rowsScanned: 3,
    })
    const realTime = await lake.router.rows({ ...ROWS, startNanos: 2_500_000n }, JSON_ROWS)
    expect(realTime.meta).toMatchObject({
      route: 'real-time',
      filesTotal: 2,
      filesRead: 0,
      rowsScanned: 1,
      bytesRead: 0,
    })
  })

  test('of an empty table or an unknown symbol is an empty answer', async () => {
    expect(await lake.router.rows(ROWS, JSON_ROWS)).toMatchObject({
      rows: [],
      complete: true,
      nextPageToken: null,
    })
    await lake.trades.add([at(1_000n, 0)])
    expect((await lake.router.rows({ ...ROWS, symbols: ['NONE'] }, JSON_ROWS)).rows).toEqual([])
  })
})

describe('a page token', () => {
  test('goes on with its own request only, unmangled', async () => {
    await lake.trades.addCommitted(eventRows(new SeededRandom(1), 9, 0, 'trades'))
    const { nextPageToken: token } = await lake.router.rows({ ...ROWS, limit: 3 }, JSON_ROWS)
    const ask = (change: Partial<RowsRequest>) =>
      lake.router.rows({ ...ROWS, pageToken: token, ...change }, JSON_ROWS)
    await expect(ask({})).resolves.toMatchObject({ complete: true })
    const wrong = { code: 'invalid_input', detail: { field: 'page_token' } }
    await expect(ask({ order: 'desc' })).rejects.toMatchObject(wrong)
    await expect(ask({ table: 'quotes' })).rejects.toMatchObject(wrong)
    for (const text of ['', 'x', 'x.y', `A${token}`, token!.replace('.', ''), `${token}.`]) {
      await expect(ask({ pageToken: text }), text).rejects.toMatchObject(wrong)
    }
    expect(lake.trades.pinCount).toBe(0)
  })
})

describe('a forged page token', () => {
  test.each([
    ['a time that is no number', ['soon', '0', '0', '0', '0']],
    ['a position that is SQL', ['0', '0', '0) OR (1', '0', '0']],
    ['too few parts', ['0']],
    ['a part that is no text', [0, '0', '0', '0', '0']],
  ])('with %s is refused', async (_, key) => {
    await lake.trades.addCommitted(eventRows(new SeededRandom(1), 9, 0, 'trades'))
    const { nextPageToken } = await lake.router.rows({ ...ROWS, limit: 3 }, JSON_ROWS)
    const parts = unseal(nextPageToken!) as unknown[]
    const forged = seal([...parts.slice(0, 5), key, 0])
    await expect(lake.router.rows({ ...ROWS, pageToken: forged }, JSON_ROWS)).rejects.toMatchObject({
      code: 'invalid_input',
      detail: { field: 'page_token' },
    })
  })
})

test('an abort ends the query with its reason and releases the version', async () => {
  await lake.trades.add(eventRows(new SeededRandom(1), 9, 0, 'trades'))
  const reason = new Error('the client left')
  await expect(lake.router.rows(ROWS, { ...JSON_ROWS, signal: AbortSignal.abort(reason) })).rejects.toBe(
    reason,
  )
})

function nanosOf(row: Row): bigint {
  return BigInt(String(row.exchange_timestamp)) * 1000n + BigInt(String(row.exchange_nanos ?? 0))
}

function compareRows(a: Row, b: Row): number {
  const [x, y] = [nanosOf(a), nanosOf(b)]
  if (x !== y) return x < y ? -1 : 1
  // No position: after all that have one.
  const [p, q] = [a.log_offset ?? null, b.log_offset ?? null]
  if (p === null || q === null) return Number(p === null) - Number(q === null)
  return p < q ? -1 : 1
}
