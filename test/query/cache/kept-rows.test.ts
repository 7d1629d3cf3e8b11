import { afterEach, beforeEach, expect, test } from 'vitest'
import { CORRECTIONS, TRADES } from '#core'
import { AnswerCache, type Encoding, MemoryLayer } from '#query'
import { NOTHING } from '../../../src/query/scan.js'
import { ManualClock } from '../../support/manual-clock.js'
import { BARS, ROWS } from '../../support/request-defaults.js'
import { Road } from '../../support/road.js'
import type { Row } from '../../support/row-batch.js'
import { SeededRandom } from '../../support/seeded-random.js'
import type { TextAnswer, TextRouter } from '../../support/text-router.js'
import { withoutStamps } from '../../support/without-stamps.js'

const DAY_MICROS = 86_400_000_000n
const FIRST_MICROS = 16_139n * DAY_MICROS
const DAYS = 4
const SYMBOLS = ['AAA', 'BBB', 'CCC']

let road: Road
beforeEach(async () => {
  road = await Road.open()
})
afterEach(() => road.close())

function memory(): AnswerCache {
  const clock = new ManualClock()
  return new AnswerCache([new MemoryLayer({ maxBytes: 2 ** 24, maxEntryBytes: 2 ** 20, ttlMs: 1e9, clock })])
}

/** What happens to a lake: rows of the newest day, late ones, flushes, compactions, corrections. */
class Happenings {
  readonly #random: SeededRandom
  #rows = 0
  #corrections = 0

  constructor(random: SeededRandom) {
    this.#random = random
  }

  async next(): Promise<void> {
    const random = this.#random
    switch (random.pick(['rows', 'rows', 'late', 'flush', 'flush', 'compact', 'correct'])) {
      case 'rows':
        return this.#append(DAYS - 1)
      case 'late':
        return this.#append(random.below(DAYS))
      case 'flush':
        return road.tables.get('trades')?.flush()
      case 'compact':
        return road.compact('trades')
      case 'correct':
        return this.#correct()
    }
  }

  async #append(day: number): Promise<void> {
    const random = this.#random
    const rows = Array.from({ length: 1 + random.below(20) }, (): Row => {
      const micros = FIRST_MICROS + BigInt(day) * DAY_MICROS + BigInt(random.below(86_400)) * 1_000_000n
      return {
        symbol: random.pick(SYMBOLS),
        exchange: 'ASX',
        exchange_timestamp: micros,
        price: BigInt(1 + random.below(1_000)) * 10n ** 6n,
        size: BigInt(1 + random.below(50)) * 10n ** 8n,
        message_id: `row ${this.#rows++}`,
      }
    })
    await road.produce(TRADES, rows)
    await road.settle()
  }

  /** Some row, which may be in the tail, is cancelled or gets another price. */
  async #correct(): Promise<void> {
    if (this.#rows === 0) return
    const target = `row ${this.#random.below(this.#rows)}`
    const action = this.#random.pick(['cancel', 'replace'])
    await road.produce(CORRECTIONS, [
      {
        target_table: 'trades',
        action,
        target_message_id: target,
        reason: 'a test',
        source: 'desk',
        correction_id: `correction ${this.#corrections++}`,
        exchange_nanos: null,
        side: null,
        ...(action === 'replace' && { price: 10n ** 10n }),
      },
    ])
    await road.settle()
    await road.tables.get('trades')?.flush()
    await this.#corrected()
  }

  /** A correction is made once its row is in a snapshot. */
  async #corrected(): Promise<void> {
    for (;;) {
      const request = { ...ROWS, of: null, state: 'pending', source: null } as const
      const { rows } = await road.router.corrections(request, { encoding: 'json' })
      if (rows.length === 0) return
      await road.settle()
    }
  }
}

/** A question, to be put to any router. */
type Question = (router: TextRouter) => Promise<TextAnswer>

function drawQuestion(random: SeededRandom): Question {
  const encoding = random.pick<Encoding>(['json', 'ndjson', 'csv', 'arrow'])
  const from = random.below(DAYS)
  const to = from + 1 + random.below(DAYS - from)
  const isRanged = random.below(3) > 0
  const nanos = (day: number) => (FIRST_MICROS + BigInt(day) * DAY_MICROS) * 1000n
  const selection = {
    symbols: random.pick([null, ['AAA'], ['AAA', 'CCC']]),
    startNanos: isRanged ? nanos(from) : null,
    endNanos: isRanged ? nanos(to) : null,
  }
  const order = random.pick(['asc', 'desc'] as const)
  const limit = random.pick([1, 7, 20, 1_000])
  const timeZone = random.pick(['UTC', 'UTC', 'Australia/Sydney'])
  const intervalSeconds = random.pick([60, 3_600, 86_400])
  const list = random.pick(['rows', 'bars', 'latest', 'symbols'] as const)
  switch (list) {
    case 'rows':
      return (router) => router.rows({ ...ROWS, ...selection, order, limit }, { encoding })
    case 'bars':
      return (router) =>
        router.bars({ ...BARS, ...selection, order, limit, timeZone, intervalSeconds }, { encoding })
    case 'latest':
      return (router) => router.latest({ ...ROWS, ...selection, limit }, { encoding })
    case 'symbols':
      return (router) => router.symbols({ ...ROWS, ...selection, limit }, { encoding })
  }
}

const shown = async ({ data, encoding, nextPageToken, meta }: TextAnswer) => ({
  data: (await data.bytes()).toString(encoding === 'arrow' ? 'base64' : 'utf8'),
  nextPageToken,
  receipt: meta.receipt,
})

/** Asks the same of both routers, of one that keeps rows twice; what differs, or null. */
async function difference(question: Question, kept: TextRouter, fresh: TextRouter): Promise<string | null> {
  const expected = await shown(await question(fresh))
  for (const time of ['first', 'second']) {
    const actual = await shown(await question(kept))
    if (JSON.stringify(actual) !== JSON.stringify(expected)) {
      return `asked the ${time} time: ${JSON.stringify(actual)}, and not ${JSON.stringify(expected)}`
    }
  }
  return null
}

async function liveAndAsk(seed: number, cache: AnswerCache, tables = road.tables): Promise<string | null> {
  const random = new SeededRandom(seed)
  const happenings = new Happenings(random)
  const [kept, fresh] = [road.routerOf(cache, tables), road.router]
  const questions: Question[] = []
  for (let step = 0; step < 25; step++) {
    await happenings.next()
    questions.push(drawQuestion(random), drawQuestion(random))
    // Old ones too: what was kept for them must not be given any more.
    const asked = [...questions.slice(-2), ...Array.from({ length: 4 }, () => random.pick(questions))]
    for (const question of asked) {
      const wrong = await difference(question, kept, fresh)
      if (wrong !== null) return `step ${step}: ${wrong}`
    }
  }
  return null
}

test.each([1, 2, 3])('what is kept is what would be read, byte for byte: seed %i [inv 7]', async (seed) => {
  const cache = memory()
  expect(await liveAndAsk(seed, cache)).toBeNull()
  const [layer] = cache.status()
  // Or nothing would have been tried.
  expect(layer?.hits).toBeGreaterThan(50)
})

test('keys without the stamps of their days are noticed', async () => {
  let wrong: string | null = null
  for (let seed = 1; seed <= 5 && wrong === null; seed++) {
    wrong = await liveAndAsk(seed, memory(), withoutStamps(road.tables))
  }
  expect(wrong).not.toBeNull()
})

test('many who ask for the same at once are answered by one reading', async () => {
  await new Happenings(new SeededRandom(7)).next()
  const cache = memory()
  let readings = 0
  const waiting: (() => void)[] = []
  const read = async () => {
    readings++
    await new Promise<void>((resolve) => waiting.push(resolve))
    const rows = { bytes: Buffer.from('x'), columns: null, rowCount: 1, end: null, hasMore: false }
    return { rows, scan: { ...NOTHING, rollup: 'bars_1m' } }
  }
  const leaver = new AbortController()
  const left = cache.get('key', read, leaver.signal)
  const stayed = [cache.get('key', read, undefined), cache.get('key', read, undefined)]
  leaver.abort(new Error('has left'))
  await expect(left).rejects.toThrow('has left')
  for (const go of waiting) go()
  const rolled = { rows: { rowCount: 1 }, scan: { rollup: 'bars_1m' }, layer: null }
  expect(await Promise.all(stayed)).toMatchObject([rolled, rolled])
  expect(readings).toBe(1)
})

test('what nobody waits for any more is not read on', async () => {
  const cache = memory()
  const asker = new AbortController()
  let ended: AbortSignal | null = null
  let begin = () => {}
  const began = new Promise<void>((resolve) => {
    begin = resolve
  })
  const asked = cache.get(
    'key',
    (signal) =>
      new Promise((_, reject) => {
        ended = signal
        begin()
        signal.addEventListener('abort', () => reject(signal.reason))
      }),
    asker.signal,
  )
  await began
  asker.abort(new Error('has left'))
  await expect(asked).rejects.toThrow('has left')
  expect(ended).toMatchObject({ aborted: true })
})
