import type { ConditionTable, SessionCalendars } from '#core'
import { createLogger, TicklakeError } from '#core'
import { AnswerCache, MemoryLayer, type QueryRouterOptions, RedisLayer } from '#query'
import { loadCalendars } from '../../src/cli/calendars.js'
import { FEW_CONDITIONS } from '../support/few-conditions.js'
import { SeededRandom } from '../support/seeded-random.js'
import type { TextRouter } from '../support/text-router.js'
import { withoutStamps } from '../support/without-stamps.js'
import { type AnsweredBy, type AskedPages, askPages } from './asked-pages.js'
import { LivedLake } from './lived-lake.js'
import { changed, drawQuestion, type Question, tablesOf } from './question.js'

const QUESTIONS_A_STEP = 2
const LAYER_BYTES = { maxBytes: 2 ** 26, maxEntryBytes: 2 ** 22 }

export interface AnswerCampaign {
  readonly steps: number
  /** So many ask while the lake goes on; 0: questions are put between the steps, to each layer by itself. */
  readonly clients: number
  /** Of those who ask at once, about; absent: as many as they can. */
  readonly maxQuestions?: number
  /** Null: there is no L1. */
  readonly redisUrl: string | null
  /** Keys of the cache forget which rows their days have. */
  readonly isBroken?: boolean
}

export interface AnswerOutcome {
  readonly seed: number
  readonly questions: number
  /** Pages, by who answered them. */
  readonly pages: Readonly<Record<AnsweredBy, number>>
  /** Questions of a state of history or of further pages that expiry had taken: each says so. */
  readonly gone: number
  /** What was wrong with an answer. */
  readonly wrong: readonly string[]
}

/** A lake that lives through its steps, and is asked. */
export async function liveAndAsk(seed: number, campaign: AnswerCampaign): Promise<AnswerOutcome> {
  const calendars = await loadCalendars(new URL('../../config/calendars', import.meta.url).pathname)
  // Lakes of one seed have tables of one id: those that share a Redis must not be the same.
  const lived = await LivedLake.open(campaign.clients > 0 ? -seed : seed, calendars, FEW_CONDITIONS)
  const asked = new AskedLake(lived, seed, campaign)
  try {
    if (campaign.clients > 0) await asked.byMany(campaign)
    else await asked.inTurn(campaign)
    return asked.outcome
  } finally {
    asked.stop()
    await lived.close()
  }
}

class AskedLake {
  readonly #lived: LivedLake
  readonly #seed: number
  readonly #random: SeededRandom
  readonly #isBroken: boolean
  readonly #memory: MemoryLayer
  readonly #redis: RedisLayer | null
  readonly #pages: Record<AnsweredBy, number> = { redis: 0, memory: 0, rollup: 0, rows: 0 }
  readonly #wrong: string[] = []
  #questions = 0
  #gone = 0

  constructor(lived: LivedLake, seed: number, { redisUrl, isBroken = false }: AnswerCampaign) {
    this.#lived = lived
    this.#seed = seed
    this.#random = new SeededRandom(seed)
    this.#isBroken = isBroken
    const { clock } = lived.lake
    this.#memory = new MemoryLayer({ ...LAYER_BYTES, ttlMs: 1e9, clock })
    const logger = createLogger({ level: 'silent', format: 'text' })
    const { maxEntryBytes } = LAYER_BYTES
    const redis = {
      maxEntryBytes,
      timeoutMs: 5_000,
      ttlMs: 3_600_000,
      random: new SeededRandom(seed),
      logger,
    }
    this.#redis = redisUrl === null ? null : new RedisLayer({ url: redisUrl, ...redis })
  }

  get outcome(): AnswerOutcome {
    return {
      seed: this.#seed,
      questions: this.#questions,
      pages: this.#pages,
      gone: this.#gone,
      wrong: this.#wrong,
    }
  }

  stop(): void {
    this.#memory.stop()
    this.#redis?.stop()
  }

  /** After each step the same questions, new ones and old, are put to the rows, the rollups and each layer, twice. */
  async inTurn({ steps }: AnswerCampaign): Promise<void> {
    const random = this.#random
    const all: Question[] = []
    for (let step = 0; step < steps; step++) {
      await this.#lived.step(random, true)
      const drawn = Array.from({ length: QUESTIONS_A_STEP }, () => this.#draw(random))
      all.push(...drawn)
      // Old ones too: what was kept for them must not be given any more.
      for (const question of [...drawn, ...[...drawn, ...drawn].map(() => random.pick(all))]) {
        await this.#compare(question, step)
        if (this.#isBroken && this.#wrong.length > 0) return
      }
    }
  }

  async #compare(question: Question, step: number): Promise<void> {
    const encoding = this.#random.pick(['json', 'json', 'csv', 'arrow'] as const)
    this.#questions++
    const where = `step ${step}, ${encoding}, ${shown(question)}`
    const fresh = await this.#asked(question, this.#fresh(), encoding)
    if (fresh === null) return
    if (encoding === 'json') this.#judge(question, fresh, where)
    const others = {
      'a rollup': this.#lived.lake.routerWith(this.#parts([])),
      memory: this.#lived.lake.routerWith(this.#parts([this.#memory])),
      ...(this.#redis && { redis: this.#lived.lake.routerWith(this.#parts([this.#redis])) }),
    }
    for (const [name, router] of Object.entries(others)) {
      for (const time of name === 'a rollup' ? ['once'] : ['first', 'again']) {
        const answer = await askPages(question, router, encoding)
        this.#count(answer)
        const areSame =
          answer.meta.receipt === fresh.meta.receipt &&
          JSON.stringify(answer.pages) === JSON.stringify(fresh.pages)
        if (!areSame) this.#wrong.push(`${where}: ${name}, ${time}: ${difference(answer.rows, fresh.rows)}`)
      }
    }
  }

  /** Clients ask at the same time, of a server with all layers, while the lake goes on. Then each answer is judged. */
  async byMany({ steps, clients, maxQuestions = Number.POSITIVE_INFINITY }: AnswerCampaign): Promise<void> {
    const layers = [this.#memory, ...(this.#redis ? [this.#redis] : [])]
    const router = this.#lived.lake.routerWith(this.#parts(layers))
    const answers: { readonly question: Question; readonly answer: AskedPages }[] = []
    const common: Question[] = []
    const waiting: (() => void)[] = []
    let isOver = false
    const client = async (number: number) => {
      const random = new SeededRandom(this.#seed * 1_000 + number)
      while (!isOver && this.#questions < maxQuestions) {
        // Several ask for the same, and some of them at once.
        const question = common.length > 20 && random.oneIn(2) ? random.pick(common) : this.#draw(random)
        common.push(question)
        if (common.length > 40) common.shift()
        this.#questions++
        const answer = await this.#asked(question, router, 'json')
        if (answer !== null) answers.push({ question, answer })
        for (const go of waiting.splice(0)) go()
      }
    }
    const asking = Promise.all(Array.from({ length: clients }, (_, number) => client(number)))
    // A failure of a client is told once the lake has come to its end.
    asking.catch(() => {
      isOver = true
      for (const go of waiting.splice(0)) go()
    })
    try {
      for (let step = 0; step < steps && !isOver; step++) {
        await this.#lived.step(this.#random, false)
        // So that each state of the lake is asked for.
        const enough = Math.min(this.#questions + clients / 2, maxQuestions)
        while (this.#questions < enough && !isOver) {
          await new Promise<void>((resolve) => waiting.push(resolve))
        }
      }
    } finally {
      isOver = true
    }
    await asking
    for (const { question, answer } of answers) this.#judge(question, answer, shown(question))
  }

  /** Null: expiry has taken what was asked for, and the answer said so. */
  async #asked(
    question: Question,
    router: TextRouter,
    encoding: 'json' | 'csv' | 'arrow',
  ): Promise<AskedPages | null> {
    try {
      const answer = await askPages(question, router, encoding)
      this.#count(answer)
      return answer
    } catch (error) {
      const isOfHistory = question.request.asOf !== undefined || question.request.limit !== null
      const isGone = error instanceof TicklakeError && ['gone', 'not_found'].includes(error.code)
      if (!isGone || !isOfHistory) throw error
      this.#gone++
      return null
    }
  }

  #judge(question: Question, answer: AskedPages, where: string): void {
    const expected = this.#lived.expected(question, answer)
    if (JSON.stringify(answer.rows) !== JSON.stringify(expected))
      this.#wrong.push(`${where}: by ${answer.by.join(', ')}: ${difference(answer.rows, expected)}`)
  }

  #count({ by }: AskedPages): void {
    for (const one of by) this.#pages[one]++
  }

  /** Sometimes of a snapshot that is still there. */
  #draw(random: SeededRandom): Question {
    const question = drawQuestion(random)
    const tables = tablesOf(question)
    const { snapshots } = this.#lived.lake.table(tables[0]!).metadata()
    if (tables.length > 1 || snapshots.length === 0 || !random.oneIn(4)) return question
    return changed(question, { asOf: { kind: 'snapshot', snapshotId: random.pick(snapshots).snapshotId } })
  }

  /** Neither rollups nor caches. */
  #fresh(): TextRouter {
    return this.#lived.lake.routerWith(this.#rules)
  }

  #parts(layers: ConstructorParameters<typeof AnswerCache>[0]): Partial<QueryRouterOptions> {
    const { rollups, tables } = this.#lived.lake.warehouse
    return {
      ...this.#rules,
      rollups,
      tables: this.#isBroken ? withoutStamps(tables) : tables,
      cache: new AnswerCache(layers),
    }
  }

  get #rules(): { readonly sessions: SessionCalendars; readonly conditions: readonly ConditionTable[] } {
    return { sessions: this.#lived.calendars, conditions: this.#lived.conditions }
  }
}

function shown({ list, request }: Question): string {
  return `${list} ${JSON.stringify(request, (_, value) => (typeof value === 'bigint' ? String(value) : value))}`
}

/** The first row that differs. */
function difference(rows: readonly string[], expected: readonly string[]): string {
  const at = rows.findIndex((row, index) => row !== expected[index])
  const index = at < 0 ? rows.length : at
  return `${rows.length} rows instead of ${expected.length}; row ${index}: ${rows[index]} instead of ${expected[index]}`
}

export function describeWrong({ seed, wrong }: AnswerOutcome): string {
  return wrong.map((one) => `seed ${seed}, ${one}`).join('\n')
}
