// Fills a log with made trades, and quotes where they are wanted, and tells how fast it took them.
import { loadConfig } from '#config'
import { QUOTES, systemClock, TRADES } from '#core'
import { childInput } from '../child.js'
import { MadeEvents, type MadeOptions } from '../made-events.js'
import { openTopics } from './parts.js'

export interface FillInput {
  readonly logFolder: string
  /** Of trades. */
  readonly rowCount: number
  /** Absent: none. */
  readonly quoteCount?: number
  /** Absent: one day of 400 symbols. */
  readonly days?: number
  readonly symbols?: number
}

export interface FillResult {
  readonly bytesPerRow: number
  /** Of appending alone, each append awaited; making the rows is not counted. */
  readonly appendSeconds: number
}

const BATCH_ROWS = 10_000

const { logFolder, rowCount, quoteCount = 0, days = 1, symbols = 400 } = childInput<FillInput>()
const { log, registry } = await openTopics(logFolder, loadConfig({ data: logFolder }))
let bytes = 0
let appendMs = 0

async function fill(topic: string, options: MadeOptions): Promise<void> {
  const made = await MadeEvents.open(registry, options)
  for (let row = 0; row < options.rowCount; row += BATCH_ROWS) {
    const records = made.take(Math.min(BATCH_ROWS, options.rowCount - row))
    for (const { value } of records) bytes += value.length
    const startedMs = systemClock.monotonicMs()
    await log.append({ records: new Map([[topic, records]]) })
    appendMs += systemClock.monotonicMs() - startedMs
  }
}

await fill(TRADES.topic, { of: 'trades', rowCount, days, symbols })
if (quoteCount > 0) await fill(QUOTES.topic, { of: 'quotes', rowCount: quoteCount, days, symbols })
await log.stop()
const result: FillResult = {
  bytesPerRow: bytes / (rowCount + quoteCount),
  appendSeconds: appendMs / 1000,
}
console.log(JSON.stringify(result))
