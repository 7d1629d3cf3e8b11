import { afterEach, beforeEach, expect, test } from 'vitest'
import { CORRECTIONS, TRADES } from '#core'
import { AnswerCache, MemoryLayer } from '#query'
import { ManualClock } from '../../support/manual-clock.js'
import { ROWS } from '../../support/request-defaults.js'
import { Road } from '../../support/road.js'

const DAY_MICROS = 86_400_000_000n
const FIRST_MICROS = 16_139n * DAY_MICROS

let road: Road
beforeEach(async () => {
  road = await Road.open()
})
afterEach(() => road.close())

const trades = () => road.tables.get('trades')!

async function produce(...days: readonly (readonly [day: number, id: string])[]): Promise<void> {
  const rows = days.map(([day, id]) => ({
    symbol: 'AAA',
    exchange: 'ASX',
    exchange_timestamp: FIRST_MICROS + BigInt(day) * DAY_MICROS,
    price: 10n ** 8n,
    size: 10n ** 8n,
    message_id: id,
  }))
  await road.produce(TRADES, rows)
  await road.settle()
  await trades().flush()
}

async function partitionBy(added: 'day' | 'month', removed: 'day' | 'month'): Promise<void> {
  const column = 'exchange_timestamp'
  await trades().evolve({
    of: 'partition-spec',
    changes: [
      { change: 'remove', name: `${column}_${removed}` },
      { change: 'add', column, transform: added },
    ],
  })
}

/** Takes a row out again. */
async function cancel(id: string): Promise<void> {
  const correction = { target_table: 'trades', action: 'cancel', target_message_id: id, correction_id: 'one' }
  const rest = { reason: 'a test', source: 'desk', exchange_nanos: null, side: null }
  await road.produce(CORRECTIONS, [{ ...correction, ...rest }])
  await road.settle()
  const pending = { ...ROWS, of: null, state: 'pending', source: null } as const
  while ((await road.router.corrections(pending, { encoding: 'json' })).rows.length > 0) await road.settle()
}

test('a row that a file of many days has lost stays away when these are parted [inv 7]', async () => {
  const clock = new ManualClock()
  const cache = new AnswerCache([
    new MemoryLayer({ maxBytes: 2 ** 24, maxEntryBytes: 2 ** 20, ttlMs: 1e9, clock }),
  ])
  const nanos = (day: bigint) => (FIRST_MICROS + day * DAY_MICROS) * 1000n
  const ofDay = { ...ROWS, fields: ['message_id'], startNanos: nanos(1n), endNanos: nanos(2n) }
  const ask = async () => (await road.routerOf(cache).rows(ofDay, { encoding: 'json' })).rows

  await partitionBy('month', 'day')
  await produce([0, 'a'], [1, 'wrong'], [2, 'c'])
  await partitionBy('day', 'month')
  await produce([1, 'd'])
  expect(await ask()).toEqual(['{"message_id":"wrong"}', '{"message_id":"d"}'])
  await partitionBy('month', 'day')
  await cancel('wrong')
  expect(await ask()).toEqual(['{"message_id":"d"}'])
  await partitionBy('day', 'month')
  await road.compact('trades')
  expect(await ask()).toEqual(['{"message_id":"d"}'])
})
