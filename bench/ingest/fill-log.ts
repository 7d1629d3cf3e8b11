// Fills a log with made trades.
import { loadConfig } from '#config'
import { TRADES } from '#core'
import { childInput } from '../child.js'
import { MadeTrades } from './made-trades.js'
import { openLog } from './parts.js'

const BATCH_ROWS = 10_000

const { logFolder, rowCount } = childInput<{ logFolder: string; rowCount: number }>()
const log = await openLog(logFolder, loadConfig({ data: logFolder }))
const made = await MadeTrades.open(log, rowCount)
let bytes = 0
for (let row = 0; row < rowCount; row += BATCH_ROWS) {
  const records = made.take(Math.min(BATCH_ROWS, rowCount - row))
  for (const { value } of records) bytes += value.length
  await log.append({ records: new Map([[TRADES.topic, records]]) })
}
await log.stop()
console.log(JSON.stringify({ bytesPerRow: bytes / rowCount }))
