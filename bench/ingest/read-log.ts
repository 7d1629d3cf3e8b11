// Reads everything that a log holds of trades, without doing anything with it.
import { loadConfig } from '#config'
import { covers, systemClock, TRADES } from '#core'
import { childInput } from '../child.js'
import { openTopics } from './parts.js'

export interface ReadLogResult {
  readonly seconds: number
  readonly rowCount: number
}

/** As the consumer reads. */
const READ_BYTES = 1 << 20

const { logFolder } = childInput<{ logFolder: string }>()
const { log } = await openTopics(logFolder, loadConfig({ data: logFolder }))
const end = log.end(TRADES.topic)
const startedMs = systemClock.monotonicMs()
let rowCount = 0
for (let position = log.begin(TRADES.topic); !covers(position, end); ) {
  await log.appended(TRADES.topic, position, new AbortController().signal)
  const { batches, next } = log.read(TRADES.topic, position, READ_BYTES)
  for (const { count } of batches) rowCount += count
  position = next
}
const seconds = (systemClock.monotonicMs() - startedMs) / 1000
await log.stop()
const result: ReadLogResult = { seconds, rowCount }
console.log(JSON.stringify(result))
