import { setTimeout as after } from 'node:timers/promises'
import { SeededRandom } from '../../test/support/seeded-random.js'
import { percentile } from '../statistics.js'

/** An answer: when it was asked for, and how long it took, ms. */
interface Answer {
  readonly atMs: number
  readonly tookMs: number
}

/** Answers of one kind, as they come. */
export class Answers {
  readonly #answers: Answer[] = []

  async time(ask: () => Promise<unknown>): Promise<void> {
    const atMs = performance.now()
    await ask()
    this.#answers.push({ atMs, tookMs: performance.now() - atMs })
  }

  /** Figures of those that were asked for between two moments. */
  between(startMs: number, endMs: number): { readonly count: number; p50Ms: number; p99Ms: number } {
    const took = this.#answers
      .filter(({ atMs }) => atMs >= startMs && atMs < endMs)
      .map(({ tookMs }) => tookMs)
    return { count: took.length, p50Ms: percentile(took, 0.5), p99Ms: percentile(took, 0.99) }
  }
}

const FEED_SYMBOLS = 40
const FEED_ROWS = 200
const FEED_EVERY_MS = 100
/** Between two questions of one client. */
const PAUSE_MS = 20

async function answered(url: string, init?: RequestInit): Promise<void> {
  const response = await fetch(url, init)
  const body = await response.text()
  if (!response.ok) throw new Error(`${url}: ${response.status} ${body}`)
}

/** Posts trades at a steady rate until the signal; how many rows were taken. */
export async function feed(url: string, posts: Answers, signal: AbortSignal): Promise<number> {
  let row = 0
  while (!signal.aborted) {
    const ns = BigInt(Date.now()) * 1_000_000n
    const rows = Array.from({ length: FEED_ROWS }, () => ({
      exchange: 'FEED',
      symbol: `FED${row % FEED_SYMBOLS}`,
      ts_ns: String(ns + BigInt(row++ % FEED_ROWS)),
      price: `${100 + (row % 50)}.25`,
      size: '3',
    }))
    const [headers, body] = [{ 'content-type': 'application/json' }, JSON.stringify(rows)]
    await posts.time(() => answered(`${url}/v1/ingest/trades`, { method: 'POST', headers, body }))
    await after(FEED_EVERY_MS)
  }
  return row
}

/** One client that asks one thing after the other until the signal: of the rows that are compacted, and of new ones. */
export async function client(
  url: string,
  seed: number,
  queries: Answers,
  signal: AbortSignal,
): Promise<void> {
  const random = new SeededRandom(seed)
  while (!signal.aborted) {
    const old = `SYM${random.below(400)}`
    const hour = 1_723_075_200 + 3600 * random.below(23)
    const at = (seconds: number) => new Date(seconds * 1000).toISOString()
    const path = random.pick([
      `/v1/bars?symbols=${old}&interval=1m&start=${at(hour)}&end=${at(hour + 3600)}`,
      `/v1/trades?symbols=${old}&limit=100&start=${at(hour)}&end=${at(hour + 3600)}`,
      `/v1/trades/count?symbols=FED${random.below(FEED_SYMBOLS)}`,
      `/v1/trades?symbols=FED${random.below(FEED_SYMBOLS)}&limit=50&order=desc`,
    ])
    await queries.time(() => answered(url + path))
    await after(PAUSE_MS)
  }
}
