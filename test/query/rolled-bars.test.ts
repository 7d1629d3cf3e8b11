import { describe, expect, test } from 'vitest'
import { AnswerCache, BAR_SOURCES, type BarsRequest, MemoryLayer, SESSION_PARTS } from '#query'
import { loadCalendars } from '../../src/cli/calendars.js'
import {
  EVENT_EXCHANGES,
  EVENT_SYMBOLS,
  EVENTS_SPAN_MICROS,
  EVENTS_START_MICROS,
} from '../support/event-rows.js'
import { BARS } from '../support/request-defaults.js'
import { RolledLake, RUN } from '../support/rolled-lake.js'
import type { TextAnswer, TextRouter } from '../support/text-router.js'

const SEEDS = [1, 2, 3]
const STEPS = 18
const REQUESTS_A_STEP = 2

describe('bars and vwaps by rollups', () => {
  test.each(SEEDS)(
    'are those of the rows, byte for byte, whatever happens to these: seed %i [inv 8]',
    async (seed) => {
      const lake = await RolledLake.open(seed)
      const { random } = lake
      const layer = { maxBytes: 2 ** 24, maxEntryBytes: 2 ** 20, ttlMs: 1e9, clock: lake.clock }
      const cache = new AnswerCache([new MemoryLayer(layer)])
      try {
        // So that there is something to lose.
        await lake.fill(120)
        let rolledUp = 0
        const asked: Question[] = []
        for (let step = 0; step < STEPS; step++) {
          const table = random.pick(['trades', 'quotes'] as const)
          const rollup = random.pick(lake.warehouse.rollups)
          await random.pick([
            () => lake.append(table, 1 + random.below(60)),
            () => lake.append(table, 1 + random.below(60)),
            () => lake.flush(table),
            () => lake.flush(table),
            () => lake.correct(table),
            () => lake.foreign(table, 1 + random.below(20)),
            () => lake.drop(table),
            () => lake.compact(random.pick([table, rollup.definition.name])),
            () => rollup.backfill(RUN),
            () => lake.backfilled(),
            () => lake.settled(),
            () => lake.restart(),
          ])()
          for (let request = 0; request < REQUESTS_A_STEP; request++) {
            const drawn = drawnQuestion(lake)
            rolledUp += await differences(lake, cache, drawn)
            asked.push(drawn)
            // Perhaps at another version, of which some is kept.
            rolledUp += await differences(lake, cache, random.pick(asked))
          }
        }
        // Otherwise it would be the same rows that were read twice.
        expect(rolledUp).toBeGreaterThan(0)
        expect(cache.status()[0]?.hits).toBeGreaterThan(0)
      } finally {
        await lake.close()
      }
    },
  )

  test('of the sessions of one exchange in a range are read from the minutes, and are those of the rows', async () => {
    const lake = await RolledLake.open(1)
    try {
      // Among the days is a Sunday, and one of 23 hours.
      await lake.append('trades', 400)
      await lake.flush('trades')
      await lake.settled()
      await lake.backfilled()
      const sessions = await loadCalendars(new URL('../../config/calendars', import.meta.url).pathname)
      const { rollups } = lake.warehouse
      const bars = async (differing: Partial<BarsRequest>, read: typeof rollups) => {
        const startNanos = EVENTS_START_MICROS * 1000n
        const endNanos = startNanos + EVENTS_SPAN_MICROS * 1000n
        const request: BarsRequest = { ...BARS, exchange: 'ASX', startNanos, endNanos, ...differing }
        const { rows, meta } = await lake.routerWith({ sessions, rollups: read }).bars(request, JSON_ROWS)
        return { rows, rollup: meta.rollup }
      }
      for (const session of SESSION_PARTS) {
        for (const intervalSeconds of [60, 3_600, 86_400]) {
          const asked = { session, intervalSeconds }
          const rolled = await bars(asked, rollups)
          expect(rolled).toEqual({ ...(await bars(asked, [])), rollup: expect.any(String) })
          expect(rolled.rows.length).toBeGreaterThan(0)
        }
      }
      // Which days there are is only known of a range, and those of several exchanges are not the same.
      for (const unknown of [{ startNanos: null }, { exchange: null }])
        expect(await bars({ session: 'regular', ...unknown }, rollups)).toMatchObject({ rollup: null })
    } finally {
      await lake.close()
    }
  })
})

const JSON_ROWS = { encoding: 'json' } as const

/** Compares answers, kept ones too, with that from rows at the same version; 1 when a rollup had a part in one. */
async function differences(lake: RolledLake, cache: AnswerCache, question: Question): Promise<number> {
  const encoding = lake.random.pick(['json', 'csv'] as const)
  const { rollups } = lake.warehouse
  let isRolled = false
  let pageToken: string | null = null
  do {
    const page = { ...question.request, pageToken }
    const ask = (router: TextRouter): Promise<TextAnswer> =>
      question.isVwap
        ? router.vwap({ ...page, intervalSeconds: null }, { encoding })
        : router.bars(page, { encoding })
    const answers = await Promise.all([
      ask(lake.router(rollups)),
      ask(lake.router([])),
      ask(lake.router(rollups, cache)),
    ])
    const [rolled, raw, kept] = answers
    // What is kept may have been read long ago, from a rollup or from rows.
    for (const answer of [rolled, kept]) {
      expect(answer!.rows).toEqual(raw!.rows)
      expect(answer!.meta.receipt).toBe(raw!.meta.receipt)
      expect(answer!.nextPageToken).toBe(raw!.nextPageToken)
    }
    isRolled ||= rolled!.meta.rollup !== null
    pageToken = rolled!.nextPageToken
    // The pages of an answer are of one version, whatever comes meanwhile.
    if (pageToken !== null && lake.random.oneIn(4)) {
      const table = barTableOf(question.request)
      await lake.append(table, 5)
      await lake.flush(table)
    }
  } while (pageToken !== null)
  return isRolled ? 1 : 0
}

function barTableOf({ of }: BarsRequest): 'trades' | 'quotes' {
  return of === 'trades' ? 'trades' : 'quotes'
}

/** Bars, or the vwap of the range that they are of. */
interface Question {
  readonly isVwap: boolean
  readonly request: BarsRequest
}

function drawnQuestion(lake: RolledLake): Question {
  const request = drawnRequest(lake)
  return { isVwap: request.of === 'trades' && lake.random.oneIn(2), request }
}

function drawnRequest(lake: RolledLake): BarsRequest {
  const { random } = lake
  const [a, b] = [lake.nanos(), lake.nanos()].sort((x, y) => (x < y ? -1 : 1))
  const of = random.pick(BAR_SOURCES)
  const { snapshots } = lake.table(barTableOf({ ...BARS, of })).metadata()
  const isHistory = snapshots.length > 0 && random.oneIn(4)
  return {
    ...BARS,
    of,
    limit: random.pick([50_000, 50_000, 17]),
    ...(isHistory && { asOf: { kind: 'snapshot', snapshotId: random.pick(snapshots).snapshotId } }),
    intervalSeconds: random.pick([60, 300, 3600, 7200, 86_400]),
    timeZone: random.pick(['UTC', 'UTC', 'Australia/Sydney', 'Asia/Kolkata']),
    order: random.pick(['asc', 'desc']),
    symbols: random.oneIn(2) ? null : [random.pick(EVENT_SYMBOLS)],
    exchange: random.oneIn(3) ? random.pick(EVENT_EXCHANGES) : null,
    startNanos: random.oneIn(3) ? null : a!,
    endNanos: random.oneIn(3) ? null : b! + 1n,
  }
}
