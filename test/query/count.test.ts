import { afterEach, beforeEach, expect, test } from 'vitest'
import type { RowsRequest } from '#query'
import { EVENTS_SPAN_MICROS, EVENTS_START_MICROS } from '../support/event-rows.js'
import { ROWS } from '../support/request-defaults.js'
import { RolledLake } from '../support/rolled-lake.js'

const JSON_ROWS = { encoding: 'json' } as const
const DAY_NANOS = 86_400_000_000_000n
const START = EVENTS_START_MICROS * 1000n
const END = START + EVENTS_SPAN_MICROS * 1000n

let lake: RolledLake
beforeEach(async () => {
  lake = await RolledLake.open(1)
  await lake.append('trades', 200)
  await lake.flush('trades')
})
afterEach(() => lake.close())

async function count(request: Partial<RowsRequest>) {
  const { rows, meta } = await lake.router([]).count({ ...ROWS, ...request }, JSON_ROWS)
  // The one text of an answer in JSON is its row.
  return { count: (JSON.parse(rows[0]!) as { count: number }).count, filesRead: meta.filesRead }
}

test('of a time is known of files that lie in it, to the nanosecond', async () => {
  expect(await count({ startNanos: START, endNanos: END })).toEqual({ count: 200, filesRead: 0 })
  const from = START + DAY_NANOS
  const days = await count({ startNanos: from, endNanos: END })
  expect(days.filesRead).toBe(0)
  // Bounds tell microseconds: whether a row comes before a nanosecond is read.
  const within = await count({ startNanos: from + 1n, endNanos: END })
  expect(within.filesRead).toBeLessThanOrEqual(1)
  expect((await count({ startNanos: START, endNanos: END, symbols: ['BHP'] })).filesRead).toBeGreaterThan(0)
})

test('is that of the list, whatever the range and whoever has written the rows', async () => {
  const { random } = lake
  for (let step = 0; step < 12; step++) {
    await random.pick([
      () => lake.append('trades', 1 + random.below(30)),
      () => lake.flush('trades'),
      () => lake.correct('trades'),
      () => lake.foreign('trades', 1 + random.below(10)),
      () => lake.compact('trades'),
    ])()
    for (let request = 0; request < 4; request++) {
      const [a, b] = [lake.nanos(), lake.nanos()].sort((x, y) => (x < y ? -1 : 1))
      const range = {
        startNanos: random.oneIn(3) ? null : a!,
        endNanos: random.oneIn(3) ? null : b! + random.bigBelow(2n),
      }
      const { rows } = await lake.router([]).rows({ ...ROWS, ...range }, JSON_ROWS)
      expect((await count(range)).count).toBe(rows.length)
    }
  }
})
