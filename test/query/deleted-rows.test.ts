import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createLogger, SessionCalendars, systemClock, TRADES } from '#core'
import { Engine } from '#engine'
import { AnswerCache, QueryRouter } from '#query'
import { Warehouse } from '#storage'
import { withoutThird } from '../support/deleted-rows.js'
import { logRows } from '../support/log-rows.js'
import { MarketRows } from '../support/market-rows.js'
import { queryLimits } from '../support/query-limits.js'
import { ROWS } from '../support/request-defaults.js'
import { SeededRandom } from '../support/seeded-random.js'
import { textRouter } from '../support/text-router.js'

let directory: string
let engine: Engine

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ticklake-deleted-'))
  engine = await Engine.open({
    memoryLimit: '500MB',
    threads: 1,
    connections: 2,
    tempDirectory: join(directory, 'tmp'),
  })
})

afterEach(async () => {
  await engine.close()
  await rm(directory, { recursive: true })
})

test.each(['by position', 'by value'] as const)(
  'rows deleted %s are gone at once, but not from what is being paged',
  async (kind) => {
    const warehouse = await Warehouse.open({
      directory,
      engine,
      clock: systemClock,
      random: new SeededRandom(1),
      logger: createLogger({ level: 'silent', format: 'text' }),
      partitionCount: 3,
      flush: { rows: 1_000_000, bytes: 2 ** 30, ageMs: 3_600_000 },
      fence: 1,
    })
    await warehouse.start()
    const table = warehouse.tables.get('trades')!
    const { tables } = warehouse
    const router = textRouter(
      new QueryRouter({
        cache: new AnswerCache([]),
        tables,
        engine,
        sessions: new SessionCalendars([]),
        limits: queryLimits(),
        clock: systemClock,
        tempDirectory: directory,
      }),
    )
    const page = (pageToken: string | null) =>
      router.rows({ ...ROWS, fields: ['message_id'], limit: 20, pageToken }, { encoding: 'json' })
    const rest = async (pageToken: string | null) => {
      const rows: string[] = []
      for (let token = pageToken; token !== null; ) {
        const next = await page(token)
        rows.push(...next.rows)
        token = next.nextPageToken
      }
      return rows
    }
    const count = async () => (await router.count(ROWS, { encoding: 'json' })).rows

    const market = new MarketRows(TRADES, { seed: 5, partitionCount: 3, days: [19_000] })
    const rows = market.take(60)
    await table.append(logRows(TRADES, rows), market.next, false)
    await table.visible(market.next, new AbortController().signal)
    const ofTail = await page(null)
    await table.flush()
    const ofFiles = await page(null)
    expect(await count()).toEqual(['{"count":60}'])

    const left = await withoutThird(engine, warehouse.compactables.get('trades')!.head, rows, kind)
    expect(left).toHaveLength(40)
    expect(await count()).toEqual(['{"count":40}'])
    const now = await page(null)
    expect([...now.rows, ...(await rest(now.nextPageToken))]).toHaveLength(40)
    expect(await rest(ofFiles.nextPageToken)).toHaveLength(40)
    expect(await rest(ofTail.nextPageToken)).toEqual(await rest(ofFiles.nextPageToken))
    await warehouse.stop()
  },
)
