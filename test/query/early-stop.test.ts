import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Order, RowsRequest } from '#query'
import { type LakeFixture, openLakeFixture } from '../support/lake-fixture.js'
import { ROWS } from '../support/request-defaults.js'

const DAYS = 6
const DAY_MICROS = 86_400_000_000n
const JSON_ROWS = { encoding: 'json' } as const

let lake: LakeFixture
beforeEach(async () => {
  lake = await openLakeFixture()
  for (let day = 0; day < DAYS; day++) {
    const rows = Array.from({ length: 20 }, (_, row) => ({
      symbol: day === 0 && row === 0 ? 'RARE' : 'BHP',
      exchange: 'ASX',
      exchange_timestamp: BigInt(day) * DAY_MICROS + BigInt(row),
      exchange_nanos: 0,
      price: 100_000_000n,
      size: 100_000_000n,
      log_partition: 0,
      log_offset: BigInt(day * 20 + row),
    }))
    await lake.trades.addCommitted(rows)
  }
})
afterEach(() => lake.close())

async function ask(request: Partial<RowsRequest>) {
  const answer = await lake.router.rows({ ...ROWS, fields: ['ts_ns'], ...request }, JSON_ROWS)
  // The texts of an answer in JSON are rows.
  const times = answer.rows.map((row) => BigInt((JSON.parse(row) as { ts_ns: string }).ts_ns))
  return { times, filesRead: answer.meta.filesRead, more: answer.nextPageToken !== null }
}

const at = (day: number, row: number) => (BigInt(day) * DAY_MICROS + BigInt(row)) * 1000n

test.each<[Order, bigint[]]>([
  ['desc', [at(5, 19), at(5, 18)]],
  ['asc', [at(0, 0), at(0, 1)]],
])('a short page is read from the first day of its order alone: %s', async (order, times) => {
  expect(await ask({ order, limit: 2 })).toEqual({ times, filesRead: 1, more: true })
})

test('a page that has more rows than a day is read from as many days', async () => {
  const { times, filesRead } = await ask({ order: 'desc', limit: 30 })
  expect(times).toHaveLength(30)
  expect(times[0]).toBe(at(5, 19))
  expect(times.at(-1)).toBe(at(4, 10))
  expect(filesRead).toBe(DAYS)
})

test('a symbol that has fewer rows than the others is looked for in all days', async () => {
  expect(await ask({ order: 'desc', limit: 2, symbols: ['RARE'] })).toEqual({
    times: [at(0, 0)],
    filesRead: DAYS,
    more: false,
  })
})
