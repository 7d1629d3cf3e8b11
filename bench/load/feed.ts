// A feed in its own process: posts bodies of trades on a schedule, and asks for the latest of PROBE, of which each body has
// one row, to see when they can be seen.
import { setTimeout as after } from 'node:timers/promises'
import { childInput } from '../child.js'
import { FeedBodies, nanosOf } from './feed-bodies.js'
import { nowMs, openLoop } from './open-loop.js'

export interface FeedResult {
  /** Of each body that was sent, in the order in which they were due: ms since 1970, and since it was due. */
  readonly bodies: readonly { readonly dueMs: number; readonly sentMs: number; readonly seenMs: number }[]
  /** Bodies that were due and not sent until the end: the server is behind by so many. */
  readonly unsent: number
  /** How often the server asked to come again later. */
  readonly refusals: number
}

export interface FeedInput {
  readonly url: string
  readonly rowsPerSecond: number
  readonly startMs: number
  readonly untilMs: number
}

const BODY_EVERY_MS = 20
const POLL_EVERY_MS = 50
const MAX_UNDER_WAY = 4
const RETRY_MS = 100
/** What can't be seen so long after the last body was due never will. */
const LATEST_MS = 120_000

const { url, rowsPerSecond, startMs, untilMs } = childInput<FeedInput>()
const rowCount = (rowsPerSecond * BODY_EVERY_MS) / 1000
const bodies = new FeedBodies(rowCount)
const dues: number[] = []
const sents: number[] = []
const seens: number[] = []
let refusals = 0
let sent = 0
let isOver = false

/** Sends what is due, in its order; so many at a time do. */
async function send(): Promise<void> {
  while (!isOver) {
    const index = sents.length
    if (index === dues.length) {
      await after(1)
      continue
    }
    sents.push(nowMs() - dues[index]!)
    await post(bodies.take(dues[index]!))
    sent++
  }
}

async function post(body: Buffer): Promise<void> {
  const headers = { 'content-type': 'application/vnd.apache.avro' }
  for (;;) {
    const response = await fetch(`${url}/v1/ingest/trades?source=feed`, { method: 'POST', headers, body })
    const told = await response.text()
    if (response.ok) return
    if (response.status !== 429 && response.status !== 503) throw new Error(told)
    refusals++
    await after(RETRY_MS)
  }
}

async function watch(): Promise<void> {
  while (!isOver || sent < sents.length || seens.length < sents.length) {
    const startedMs = nowMs()
    const response = await fetch(`${url}/v1/latest?symbols=PROBE`)
    const told = await response.text()
    if (response.ok) {
      const seenMs = nowMs()
      const latest: string | undefined = JSON.parse(told).data[0]?.ts_ns
      const count = latest === undefined ? 0 : dues.findLastIndex((ms) => nanosOf(ms) <= BigInt(latest)) + 1
      while (seens.length < count) seens.push(seenMs - dues[seens.length]!)
    } else if (response.status !== 429 && response.status !== 503) throw new Error(told)
    if (nowMs() > untilMs + LATEST_MS) {
      throw new Error(`${seens.length} of ${sent} bodies can be seen ${LATEST_MS / 1000} s after the last`)
    }
    await after(Math.max(0, startedMs + POLL_EVERY_MS - nowMs()))
  }
}

const scheduled = openLoop(
  startMs,
  untilMs,
  () => BODY_EVERY_MS,
  (dueMs) => dues.push(dueMs),
)
await Promise.all([
  scheduled.then(() => {
    isOver = true
  }),
  watch(),
  ...Array.from({ length: MAX_UNDER_WAY }, send),
])
const result: FeedResult = {
  bodies: sents.map((sentMs, index) => ({ dueMs: dues[index]!, sentMs, seenMs: seens[index]! })),
  unsent: dues.length - sents.length,
  refusals,
}
console.log(JSON.stringify(result))
