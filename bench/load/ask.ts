// Clients who ask on schedules of their own, in a process beside the server; what took how long counts from when it was due.
import { SeededRandom } from '../../test/support/seeded-random.js'
import { childInput } from '../child.js'
import { nowMs, openLoop } from './open-loop.js'

export interface AskInput {
  readonly url: string
  readonly clients: number
  /** Of all clients together. */
  readonly questionsPerSecond: number
  readonly startMs: number
  readonly untilMs: number
}

export interface Answered {
  readonly question: string
  readonly dueMs: number
  /** Since it was due. */
  readonly tookMs: number
  readonly status: number
}

/** The day of the rows that were there before. */
const HISTORY_MS = Date.UTC(2024, 7, 8)
const HOUR_MS = 3_600_000

type Ask = (symbol: string, hour: string) => string

/** What is asked, of rows that come in (FEED) and of a day that is all in files (MADE). */
const QUESTIONS: Readonly<Record<string, Ask>> = {
  'latest trade': (symbol) => `/v1/latest?symbols=${symbol}`,
  'newest 100 trades': (symbol) => `/v1/trades?symbols=${symbol}&limit=100&order=desc`,
  'count of a symbol': (symbol) => `/v1/trades/count?symbols=${symbol}`,
  'minute bars, last 15 min': (symbol) =>
    `/v1/bars?symbols=${symbol}&interval=1m&start=${new Date(nowMs() - HOUR_MS / 4).toISOString()}`,
  'hour bars, all days': (symbol) => `/v1/bars?symbols=${symbol}&interval=1h`,
  'VWAP of today': (symbol) =>
    `/v1/vwap?symbols=${symbol}&start=${new Date(nowMs()).toISOString().slice(0, 10)}`,
  'minute bars of an old hour': (symbol, hour) => `/v1/bars?symbols=${symbol}&interval=1m&${hour}`,
  '100 trades of an old hour': (symbol, hour) => `/v1/trades?symbols=${symbol}&limit=100&${hour}`,
}

const input = childInput<AskInput>()
const answered: Answered[] = []

async function ask(question: string, path: string, dueMs: number): Promise<void> {
  const response = await fetch(`${input.url}${path}`)
  const body = await response.text()
  const { status } = response
  if (!response.ok && ![429, 503, 504].includes(status)) throw new Error(`${path}: ${status} ${body}`)
  answered.push({ question, dueMs, tookMs: nowMs() - dueMs, status })
}

async function client(seed: number): Promise<void> {
  const random = new SeededRandom(seed)
  const meanGapMs = (1000 * input.clients) / input.questionsPerSecond
  const asked: Promise<void>[] = []
  const names = Object.keys(QUESTIONS)
  // Arrivals of a Poisson process: what comes next knows nothing of what came before.
  const gapMs = () => -Math.log((random.below(2 ** 31) + 1) / 2 ** 31) * meanGapMs
  await openLoop(input.startMs, input.untilMs, gapMs, (dueMs) => {
    const question = random.pick(names)
    const startMs = HISTORY_MS + HOUR_MS * random.below(23)
    const time = (ms: number) => new Date(ms).toISOString()
    const hour = `start=${time(startMs)}&end=${time(startMs + HOUR_MS)}`
    const symbol = `SYM${Math.floor(random.below(400) ** 2 / 400)}`
    asked.push(ask(question, QUESTIONS[question]!(symbol, hour), dueMs))
  })
  await Promise.all(asked)
}

await Promise.all(Array.from({ length: input.clients }, (_, index) => client(index + 1)))
console.log(JSON.stringify(answered))
