import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type ConditionTable, formatMicros } from '#core'
import type { Prints, VwapRequest } from '#query'
import { counts } from '../support/condition-tables.js'
import { EVENTS_SPAN_MICROS, EVENTS_START_MICROS, eventRows } from '../support/event-rows.js'
import { decimal, halfEven } from '../support/exact-decimal.js'
import { type LakeFixture, openLakeFixture } from '../support/lake-fixture.js'
import { BARS } from '../support/request-defaults.js'
import type { Row } from '../support/row-batch.js'
import { SeededRandom } from '../support/seeded-random.js'

const LATE = { code: 'late', counts: [], unless: [] }
const CONDITIONS: readonly ConditionTable[] = [
  { exchanges: ['ASX'], written: 'words', codes: [LATE], others: ['volume'] },
]

let lake: LakeFixture
beforeEach(async () => {
  lake = await openLakeFixture(undefined, CONDITIONS)
})
afterEach(() => lake.close())

const RANGE: VwapRequest = { ...BARS, intervalSeconds: null }

test('of a range is what is counted by hand, page by page (a failure prints its seed)', async () => {
  const property = fc.asyncProperty(
    fc.integer(),
    fc.constantFrom<Prints>('all', 'eligible'),
    fc.constantFrom(2, 50_000),
    fc.boolean(),
    async (seed, prints, limit, isHalf) => {
      const random = new SeededRandom(seed)
      const rows = (firstOffset: number) =>
        eventRows(random, 40, firstOffset, 'trades').map((row) => ({
          ...row,
          conditions: random.pick([null, 'late', 'odd']),
        }))
      await lake.trades.clear()
      await lake.trades.addCommitted(rows(0))
      await lake.trades.add(rows(40))
      const startNanos = isHalf ? (EVENTS_START_MICROS + EVENTS_SPAN_MICROS / 2n) * 1000n : null
      const request = { ...RANGE, prints, limit, startNanos }
      const selected = lake.trades.rows.filter(
        (row) => startNanos === null || BigInt(String(row.exchange_timestamp)) * 1000n >= startNanos,
      )
      expect(await allPages(request)).toEqual(byHand(selected, prints))
    },
  )
  await fc.assert(property, { numRuns: 40, verbose: true })
})

test('without volume has none', async () => {
  const row = { ...eventRows(new SeededRandom(1), 1, 0, 'trades')[0], size: 0n, price: 5n }
  await lake.trades.add([row])
  expect(await allPages(RANGE)).toMatchObject([{ volume: '0', notional: '0', vwap: null, count: 1 }])
})

async function allPages(request: VwapRequest): Promise<readonly unknown[]> {
  const rows: unknown[] = []
  let pageToken: string | null = null
  do {
    const answer = await lake.router.vwap({ ...request, pageToken }, { encoding: 'ndjson' })
    rows.push(...answer.rows.map((row) => JSON.parse(row)))
    pageToken = answer.nextPageToken
  } while (pageToken !== null)
  return rows
}

function byHand(rows: readonly Row[], prints: Prints): readonly unknown[] {
  const names = [...new Set(rows.map(({ exchange, symbol }) => `${exchange}|${symbol}`))].sort()
  return names.flatMap((name) => {
    const own = rows.filter(
      ({ exchange, symbol, conditions }) =>
        `${exchange}|${symbol}` === name &&
        (prints === 'all' ||
          counts(String(exchange), conditions === null ? null : String(conditions), 'volume', CONDITIONS)),
    )
    if (own.length === 0) return []
    const sum = (of: (row: Row) => bigint) => own.reduce((total, row) => total + of(row), 0n)
    const volume = sum(({ size }) => BigInt(String(size)))
    const notional = sum(({ price, size }) => BigInt(String(price)) * BigInt(String(size)))
    const times = own.map((row) => BigInt(String(row.exchange_timestamp))).sort((a, b) => (a < b ? -1 : 1))
    const [exchange, symbol] = name.split('|')
    return {
      ...{ symbol, exchange, volume: decimal(volume, 8), notional: decimal(notional, 16) },
      vwap: volume === 0n ? null : decimal(halfEven(notional, volume), 8),
      ...{ count: own.length, first_ts: formatMicros(times[0]!), last_ts: formatMicros(times.at(-1)!) },
    }
  })
}
