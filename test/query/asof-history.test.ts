import { afterEach, beforeEach, expect, test } from 'vitest'
import { QUOTES, type TableName, TRADES } from '#core'
import { ROWS } from '../support/request-defaults.js'
import { Road } from '../support/road.js'
import type { Row } from '../support/row-batch.js'

let road: Road
beforeEach(async () => {
  road = await Road.open()
})
afterEach(() => road.close())

const START = 1_600_000_000_000_000n
const trade = (after: bigint): Row => ({
  ...{ symbol: 'BHP', exchange: 'ASX', exchange_timestamp: START + after, price: 100n, size: 1n },
})
const quote = (after: bigint, bid: bigint): Row => ({
  ...{ symbol: 'BHP', exchange: 'ASX', exchange_timestamp: START + after },
  ...{ bid_price: bid * 100_000_000n, ask_price: (bid + 1n) * 100_000_000n },
})

async function flush(): Promise<number> {
  await road.settle()
  const names: readonly TableName[] = ['trades', 'quotes']
  for (const name of names) await road.tables.get(name)?.flush()
  const times = names.map((name) => road.tables.get(name)?.metadata().snapshots.at(-1)?.timestampMs ?? 0)
  return Math.max(...times)
}

test('both tables are as they were, and tokens of history go on with it', async () => {
  const request = { ...ROWS, prevailing: 'at', maxAgeSeconds: 60, fields: ['bid_price'] } as const
  await road.produce(QUOTES, [quote(0n, 1n)])
  await road.produce(TRADES, [trade(5n), trade(9n)])
  const timeMs = await flush()
  const asOf = { kind: 'time', timeMs } as const
  const first = await road.router.asof({ ...request, asOf, limit: 1 }, { encoding: 'json' })
  expect(first.rows).toEqual(['{"bid_price":"1"}'])
  await road.produce(QUOTES, [quote(4n, 2n)])
  await road.produce(TRADES, [trade(7n)])
  await flush()
  const then = { ...request, asOf, pageToken: first.nextPageToken }
  const second = await road.router.asof(then, { encoding: 'json' })
  expect(second).toMatchObject({ rows: ['{"bid_price":"1"}'], nextPageToken: null })
  expect(second.meta.receipt).toBe(first.meta.receipt)
  const now = await road.router.asof(request, { encoding: 'json' })
  expect(now.rows).toEqual(['{"bid_price":"2"}', '{"bid_price":"2"}', '{"bid_price":"2"}'])
  expect(now.meta.receipt).not.toBe(first.meta.receipt)
  const market = await road.router.marketSnapshot(
    { ...ROWS, asOf, fields: ['quote_ts_ns'] },
    { encoding: 'json' },
  )
  expect(market.rows).toEqual([`{"quote_ts_ns":"${START * 1000n}"}`])
})
