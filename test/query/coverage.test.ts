import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { MICROS_PER_DAY, QualityFlag } from '#core'
import { type LakeFixture, openLakeFixture } from '../support/lake-fixture.js'
import type { Row } from '../support/row-batch.js'
import { newTracker, OPEN_MICROS, observe } from '../support/sequence-rows.js'

const SECOND = 1_000_000
const { contiguousSequence } = QualityFlag

let lake: LakeFixture
beforeAll(async () => {
  lake = await openLakeFixture()
})
afterAll(() => lake.close())
afterEach(() => lake.trades.clear())

/** A trade with a number, so many µs after the opening of the first day. */
function trade(
  symbol: string,
  number: bigint | null,
  after: number,
  flags: number = contiguousSequence,
): Row {
  return {
    symbol,
    exchange: 'X',
    exchange_timestamp: BigInt(OPEN_MICROS + after),
    exchange_nanos: 0,
    sequence_number: number,
    price: 100n,
    size: 1n,
    side: 'buy',
    quality_flags: flags,
    ingest_timestamp: BigInt(OPEN_MICROS + after + 3_000),
    source: 's',
    log_partition: 0,
    log_offset: 0n,
  }
}

async function coverage(selection: object = {}, limit = 100, pageToken: string | null = null) {
  const answer = await lake.router.coverage(
    {
      ...{ table: 'trades', symbols: null, exchange: null, startNanos: null, endNanos: null },
      ...{ limit, pageToken },
      ...selection,
    },
    { encoding: 'json' },
  )
  return { answer, rows: answer.rows.map((row): Record<string, unknown> => JSON.parse(row)) }
}

describe('coverage', () => {
  test('names what is missing, in the session of the number after it, from files and tail alike', async () => {
    const day = MICROS_PER_DAY
    await lake.trades.addCommitted([
      trade('BHP', 3n, SECOND),
      trade('BHP', 1n, 0),
      trade('BHP', 7n, 3 * SECOND),
      trade('BHP', 7n, 3 * SECOND),
    ])
    await lake.trades.add([
      trade('BHP', 4n, 2 * SECOND),
      trade('BHP', 10n, day),
      trade('BHP', 12n, day + SECOND),
      trade('CBA', 5n, day, QualityFlag.monotoneSequence),
      trade('CBA', 9n, day, QualityFlag.monotoneSequence),
      trade('CBA', null, day, 0),
    ])
    const { rows } = await coverage()
    const freshness = { freshness_p50_ms: 3, freshness_p99_ms: 3 }
    expect(rows).toEqual([
      {
        ...{ symbol: 'BHP', exchange: 'X', session: '2024-03-18', rows: 5, ...freshness },
        ...{ first_ts: '2024-03-18T10:00:00.000000Z', last_ts: '2024-03-18T10:00:03.000000Z' },
        ...{ first_sequence: 1, last_sequence: 7, expected: 7, present: 4, missing: 3, gaps: 2 },
        open_intervals: [
          { from: 2, to: 2 },
          { from: 5, to: 6 },
        ],
      },
      {
        ...{ symbol: 'BHP', exchange: 'X', session: '2024-03-19', rows: 2, ...freshness },
        ...{ first_ts: '2024-03-19T10:00:00.000000Z', last_ts: '2024-03-19T10:00:01.000000Z' },
        ...{ first_sequence: 10, last_sequence: 12, expected: 5, present: 2, missing: 3, gaps: 2 },
        open_intervals: [
          { from: 8, to: 9 },
          { from: 11, to: 11 },
        ],
      },
      {
        ...{ symbol: 'CBA', exchange: 'X', session: '2024-03-19', rows: 3, ...freshness },
        ...{ first_ts: '2024-03-19T10:00:00.000000Z', last_ts: '2024-03-19T10:00:00.000000Z' },
        ...{ first_sequence: 5, last_sequence: 9, expected: null, present: null, missing: null, gaps: null },
        open_intervals: null,
      },
    ])
  })

  test('of numbers that begin anew with a session, or after a pause, has no gap between', async () => {
    const numbers = [90n, 91n, 1n, 2n]
    await lake.trades.add(
      numbers.map((number, row) => trade('BHP', number, row < 2 ? row : MICROS_PER_DAY + row)),
    )
    await lake.trades.add(
      numbers.map((number, row) => trade('CBA', number, row < 2 ? row : 3_700 * SECOND + row)),
    )
    expect((await coverage()).rows).toMatchObject([
      { symbol: 'BHP', session: '2024-03-18', expected: 2, gaps: 0 },
      { symbol: 'BHP', session: '2024-03-19', expected: 2, gaps: 0 },
      { symbol: 'CBA', session: '2024-03-18', expected: 4, gaps: 0 },
    ])
  })

  test('lists a thousand intervals and counts all; CSV has them in one cell', async () => {
    await lake.trades.add(Array.from({ length: 1_201 }, (_, row) => trade('BHP', BigInt(3 * row), row)))
    const [row] = (await coverage()).rows
    expect(row).toMatchObject({ gaps: 1_200, missing: 2_400, expected: 3_601 })
    expect(row?.open_intervals).toHaveLength(1_000)
    const request = {
      table: 'trades',
      symbols: ['BHP'],
      exchange: null,
      startNanos: null,
      endNanos: null,
    } as const
    const csv = await lake.router.coverage({ ...request, limit: 1, pageToken: null }, { encoding: 'csv' })
    expect(csv.rows[0]).toContain(',1200,1-2 4-5 7-8 ')
  })

  test('of an absurd number is told all the same, and harms no other instrument', async () => {
    await lake.trades.add([
      trade('BHP', 0n, 0),
      trade('BHP', 2n ** 63n - 1n, 1),
      trade('CBA', -(2n ** 63n), 0),
      trade('CBA', 2n ** 63n - 1n, 1),
    ])
    expect((await coverage()).rows).toMatchObject([
      { symbol: 'BHP', gaps: 1 },
      { symbol: 'CBA', gaps: 1 },
    ])
  })

  test('is paged by instrument and session', async () => {
    await lake.trades.add(
      ['A', 'B'].flatMap((symbol) =>
        [0, 1, 2].map((day) => trade(symbol, BigInt(day), day * MICROS_PER_DAY)),
      ),
    )
    const all = (await coverage()).rows
    const paged: unknown[] = []
    for (let token: string | null = null, page = 0; page === 0 || token !== null; page++) {
      const { answer, rows } = await coverage({}, 2, token)
      paged.push(...rows)
      token = answer.nextPageToken
    }
    expect(paged).toEqual(all)
    expect(all).toHaveLength(6)
  })

  test('finds the gaps that are open in the ledger, whatever is lost and late (a failure prints its seed)', async () => {
    const lost = fc.uniqueArray(fc.integer({ min: 1, max: 58 }), { maxLength: 30 })
    const late = fc.uniqueArray(fc.integer({ min: 1, max: 58 }), { maxLength: 20 })
    await fc.assert(
      fc.asyncProperty(lost, late, fc.boolean(), async (missing, delayed, beginsAnew) => {
        // Two days of 30 numbers each, that count on or begin anew.
        const numbers = Array.from({ length: 60 }, (_, index) => index).filter(
          (index) => !missing.includes(index) && index !== (beginsAnew ? 29 : -1),
        )
        const order = [
          ...numbers.filter((n) => !delayed.includes(n)),
          ...numbers.filter((n) => delayed.includes(n)),
        ]
        const rows = order.map((index) => {
          const isSecond = index >= 30
          const number = beginsAnew && isSecond ? index - 30 + 1 : index + 100
          return { number: BigInt(number), after: (isSecond ? MICROS_PER_DAY : 0) + index * SECOND }
        })
        await lake.trades.clear()
        await lake.trades.add(rows.map(({ number, after }) => trade('BHP', number, after)))
        const tracker = newTracker()
        rows.forEach(({ number, after }, row) => {
          observe(tracker, { sequence: number, eventMicros: OPEN_MICROS + after, logMicros: row })
        })
        const noted = tracker.runs.flatMap((run) => run.gaps.map(({ from, to }) => ({ from, to })))
        const sessions = (await coverage()).rows as { open_intervals: { from: number; to: number }[] }[]
        const found = sessions.flatMap((session) => session.open_intervals)
        const sorted = (gaps: readonly { from: bigint | number; to: bigint | number }[]) =>
          gaps.map(({ from, to }) => `${from}-${to}`).sort()
        expect(sorted(found)).toEqual(sorted(noted))
      }),
      { numRuns: 60 },
    )
  })
})
