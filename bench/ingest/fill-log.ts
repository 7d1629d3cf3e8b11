// Fills a log with made trades, and tells how fast it took them.
import { loadConfig } from '#config'
import { systemClock, TRADES } from '#core'
import { childInput } from '../child.js'
import { MadeTrades } from './made-trades.js'
import { openTopics } from './parts.js'

export interface FillResult {
  readonly bytesPerRow: number
  /** Of appending alone, each append awaited; making the rows is not counted. */
  readonly appendSeconds: number
}

const BATCH_ROWS = 10_000

const { logFolder, rowCount } = childInput<{ logFolder: string; rowCount: number }>()
const { log, registry } = await openTopics(logFolder, loadConfig({ data: logFolder }))
const made = await MadeTrades.open(registry, rowCount)
let bytes = 0
let appendMs = 0
for (let row = 0; row < rowCount; row += BATCH_ROWS) {
  const records = made.take(Math.min(BATCH_ROWS, rowCount - row))
  for (const { value } of records) bytes += value.length
  const startedMs = systemClock.monotonicMs()
  await log.append({ records: new Map([[TRADES.topic, records]]) })
  appendMs += systemClock.monotonicMs() - startedMs
}
await log.stop()
const result: FillResult = { bytesPerRow: bytes / rowCount, appendSeconds: appendMs / 1000 }
console.log(JSON.stringify(result))
