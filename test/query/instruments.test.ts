import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { LatestRequest } from '#query'
import { type LakeFixture, openLakeFixture } from '../support/lake-fixture.js'
import { ROWS } from '../support/request-defaults.js'
import type { Row } from '../support/row-batch.js'

let lake: LakeFixture
beforeEach(async () => {
  lake = await openLakeFixture()
})
afterEach(() => lake.close())

const JSON_ROWS = { encoding: 'json' } as const
const DAY = 86_400_000_000n
const ALL: LatestRequest = { ...ROWS, fields: ['exchange', 'symbol', 'price'] }

let offset = 0
function trade(exchange: string, symbol: string, micros: bigint, price: bigint): Row {
  const at = { exchange_timestamp: micros, exchange_nanos: 0, log_partition: 0, log_offset: BigInt(offset++) }
  return { exchange, symbol, price: price * 100_000_000n, size: 100_000_000n, ...at }
}

describe('latest', () => {
  test('is the last row of each instrument in the total order, wherever it lies', async () => {
    await lake.trades.addCommitted([
      trade('ASX', 'BHP', 9n, 1n),
      trade('ASX', 'BHP', 9n, 2n),
      trade('NYSE', 'BHP', 3n, 3n),
    ])
    await lake.trades.add([trade('ASX', 'BHP', 8n, 4n), trade('ASX', 'CBA', 1n, 5n)])
    const answer = await lake.router.latest(ALL, JSON_ROWS)
    expect(answer.rows).toEqual([
      '{"exchange":"ASX","symbol":"BHP","price":"2"}',
      '{"exchange":"ASX","symbol":"CBA","price":"5"}',
      '{"exchange":"NYSE","symbol":"BHP","price":"3"}',
    ])
    const first = await lake.router.latest({ ...ALL, limit: 2 }, JSON_ROWS)
    const second = await lake.router.latest({ ...ALL, limit: 2, pageToken: first.nextPageToken }, JSON_ROWS)
    expect([...first.rows, ...second.rows]).toEqual(answer.rows)
    expect(second.nextPageToken).toBeNull()
  })

  test('of named symbols of an exchange leaves older files unread once all are found', async () => {
    await lake.trades.addCommitted([trade('ASX', 'OLD', 1n, 1n), trade('ASX', 'BHP', 1n, 1n)])
    await lake.trades.addCommitted([trade('ASX', 'BHP', 100n * DAY, 2n)])
    lake.trades.watermarks.set('ASX', 100n * DAY)
    const newest = await lake.router.latest({ ...ALL, exchange: 'ASX', symbols: ['BHP'] }, JSON_ROWS)
    expect(newest.rows).toEqual(['{"exchange":"ASX","symbol":"BHP","price":"2"}'])
    expect(newest.meta).toMatchObject({ filesTotal: 2, filesRead: 1 })
    const both = await lake.router.latest({ ...ALL, exchange: 'ASX', symbols: ['BHP', 'OLD'] }, JSON_ROWS)
    expect(both.rows).toEqual([
      '{"exchange":"ASX","symbol":"BHP","price":"2"}',
      '{"exchange":"ASX","symbol":"OLD","price":"1"}',
    ])
    const earlier = { ...ALL, exchange: 'ASX', symbols: ['BHP'], endNanos: 50n * DAY * 1000n }
    expect((await lake.router.latest(earlier, JSON_ROWS)).rows).toEqual([
      '{"exchange":"ASX","symbol":"BHP","price":"1"}',
    ])
  })
})

test('of an exchange that no file holds, no file is read', async () => {
  await lake.trades.addCommitted([trade('ASX', 'BHP', 1n, 1n)])
  const answer = await lake.router.latest({ ...ALL, exchange: 'NYSE', symbols: ['BHP'] }, JSON_ROWS)
  expect(answer).toMatchObject({ rows: [], meta: { filesTotal: 1, filesRead: 0 } })
})

test('symbols are listed with their first and last event', async () => {
  await lake.trades.addCommitted([trade('ASX', 'BHP', 1n, 1n), trade('ASX', 'BHP', 1_000_000n, 1n)])
  await lake.trades.add([trade('ASX', 'CBA', 5n, 1n)])
  const answer = await lake.router.symbols(ROWS, { encoding: 'csv' })
  expect(answer.fields).toEqual(['symbol', 'exchange', 'first_ts', 'last_ts', 'count'])
  expect(answer.rows).toEqual([
    'BHP,ASX,1970-01-01T00:00:00.000001Z,1970-01-01T00:00:01.000000Z,2',
    'CBA,ASX,1970-01-01T00:00:00.000005Z,1970-01-01T00:00:00.000005Z,1',
  ])
  const first = await lake.router.symbols({ ...ROWS, limit: 1 }, JSON_ROWS)
  const second = await lake.router.symbols({ ...ROWS, limit: 1, pageToken: first.nextPageToken }, JSON_ROWS)
  expect(second.rows[0]).toContain('CBA')
})

describe('count', () => {
  test('of everything reads nothing', async () => {
    await lake.trades.addCommitted([trade('ASX', 'BHP', 1n, 1n), trade('ASX', 'BHP', 2n, 1n)])
    await lake.trades.add([trade('ASX', 'CBA', 5n, 1n)])
    const answer = await lake.router.count(ROWS, JSON_ROWS)
    expect(answer).toMatchObject({ rows: ['{"count":3}'], single: true })
    expect(answer.meta).toMatchObject({ route: 'hybrid', filesTotal: 1, filesRead: 0, rowsScanned: 0 })
  })

  test('of a selection counts its rows', async () => {
    expect((await lake.router.count({ ...ROWS, exchange: 'ASX' }, JSON_ROWS)).rows).toEqual(['{"count":0}'])
    await lake.trades.addCommitted([trade('ASX', 'BHP', 1n, 1n), trade('ASX', 'BHP', 2n, 1n)])
    await lake.trades.add([trade('ASX', 'CBA', 5n, 1n)])
    expect((await lake.router.count({ ...ROWS, symbols: ['BHP'], endNanos: 2000n }, JSON_ROWS)).rows).toEqual(
      ['{"count":1}'],
    )
    expect((await lake.router.count({ ...ROWS, symbols: ['NONE'] }, { encoding: 'csv' })).rows).toEqual(['0'])
  })
})

test('snapshots are listed, oldest first', async () => {
  await lake.trades.addCommitted([trade('ASX', 'BHP', 1n, 1n)])
  await lake.trades.addCommitted([trade('ASX', 'BHP', 2n, 1n)])
  const answer = await lake.router.snapshots({ table: 'trades' }, JSON_ROWS)
  expect(answer.rows.map((row) => JSON.parse(row))).toMatchObject([
    {
      snapshot_id: '1',
      parent_snapshot_id: null,
      operation: 'append',
      added_rows: 1,
      offsets: [1],
      current: false,
    },
    { snapshot_id: '2', parent_snapshot_id: '1', current: true },
  ])
  const csv = await lake.router.snapshots({ table: 'trades' }, { encoding: 'csv' })
  expect(csv.rows[1]).toMatch(/,\[1\],true$/)
})
