import { describe, expect, test } from 'vitest'
import type { LatestRequest } from '#query'
import { EVENT_EXCHANGES, EVENT_SYMBOLS, EVENTS_START_MICROS } from '../support/event-rows.js'
import { ROWS } from '../support/request-defaults.js'
import { RolledLake } from '../support/rolled-lake.js'

const SEEDS = [1, 2]
const STEPS = 25
const JSON_ROWS = { encoding: 'json' } as const
const ALL: LatestRequest = { ...ROWS }
const SILENT = { exchange: 'OLD', exchange_timestamp: EVENTS_START_MICROS - 30n * 86_400_000_000n }

describe('the latest rows of a table', () => {
  test.each(SEEDS)(
    'are the last of each instrument in the list of all, whatever happens to it: seed %i',
    async (seed) => {
      const lake = await RolledLake.open(seed)
      const { random } = lake
      try {
        // An exchange that has been silent for long, in one of the lakes.
        if (seed % 2 === 0) await lake.append('trades', 20, SILENT)
        await lake.fill(60)
        for (let step = 0; step < STEPS; step++) {
          await random.pick([
            () => lake.append('trades', 1 + random.below(20)),
            () => lake.append('trades', 1 + random.below(20)),
            () => lake.flush('trades'),
            () => lake.correct('trades'),
            () => lake.retime('trades'),
            () => lake.compact('trades'),
            () => lake.restart(),
            // Until then, the ledger knows of all instruments.
            ...(step > STEPS / 2 ? [() => lake.foreign('trades', 1 + random.below(5), true)] : []),
          ])()
          for (let request = 0; request < 4; request++) await compare(lake, drawnRequest(lake))
        }
      } finally {
        await lake.close()
      }
    },
  )

  test('of symbols that came through the log leave older files unread, without an exchange too', async () => {
    const lake = await RolledLake.open(1)
    try {
      await lake.append('trades', 20, SILENT)
      await lake.flush('trades')
      // Four days, so that each flush is a file of each.
      for (let flush = 0; flush < 5; flush++) {
        await lake.append('trades', 40)
        await lake.flush('trades')
      }
      const [symbol] = EVENT_SYMBOLS
      await compare(lake, { ...ALL, symbols: [symbol] })
      const found = await lake.router([]).latest({ ...ALL, symbols: [symbol] }, JSON_ROWS)
      expect(found.meta.filesTotal).toBeGreaterThan(20)
      // Of the exchange that is silent one, and of each of the two others what is as new as its row: those of the last day.
      expect(found.meta.filesRead).toBeLessThanOrEqual(1 + 2 * 5)
      const unknown = await lake.router([]).latest({ ...ALL, symbols: ['NONE'] }, JSON_ROWS)
      expect(unknown).toMatchObject({ rows: [], meta: { filesRead: 0 } })
      await lake.foreign('trades', 40)
      // Any older file may have it of an exchange that the ledger does not know.
      const after = await lake.router([]).latest({ ...ALL, symbols: [symbol] }, JSON_ROWS)
      expect(after.meta.filesRead).toBeGreaterThan(20)
    } finally {
      await lake.close()
    }
  })
})

/** Holds the pages of an answer against the list of all rows, newest first. */
async function compare(lake: RolledLake, request: LatestRequest): Promise<void> {
  const router = lake.router([])
  const rows: string[] = []
  let pageToken: string | null = null
  do {
    const page = await router.latest({ ...request, pageToken }, JSON_ROWS)
    rows.push(...page.rows)
    pageToken = page.nextPageToken
  } while (pageToken !== null)
  const all = await router.rows({ ...request, order: 'desc', limit: 50_000 }, JSON_ROWS)
  const latest = new Map<string, string>()
  for (const row of all.rows) {
    // The texts of an answer in JSON are rows.
    const { exchange, symbol } = JSON.parse(row) as Readonly<Record<string, string | null>>
    const key = JSON.stringify([exchange, symbol])
    // An instrument without an exchange has an empty one.
    if (!latest.has(key)) latest.set(key, row.replace('"exchange":null', '"exchange":""'))
  }
  expect(rows.toSorted()).toEqual([...latest.values()].toSorted())
}

function drawnRequest(lake: RolledLake): LatestRequest {
  const { random } = lake
  const [a, b] = [lake.nanos(), lake.nanos()].sort((x, y) => (x < y ? -1 : 1))
  return {
    ...ALL,
    limit: random.pick([50_000, 50_000, 2]),
    symbols: random.oneIn(3) ? null : [random.pick(EVENT_SYMBOLS), ...(random.oneIn(3) ? ['NONE'] : [])],
    exchange: random.oneIn(3) ? random.pick(EVENT_EXCHANGES) : null,
    startNanos: random.oneIn(4) ? a! : null,
    endNanos: random.oneIn(4) ? b! + 1n : null,
  }
}
