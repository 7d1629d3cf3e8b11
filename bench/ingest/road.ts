// Log bytes → committed Iceberg: the consumer and the table as the program runs them, from an empty table until
// everything that the log holds is in a snapshot.
import { systemClock } from '#core'
import { AnonymousMemory } from '../anonymous-memory.js'
import { childInput } from '../child.js'
import { openParts } from './parts.js'

export interface RoadResult {
  readonly seconds: number
  readonly rowCount: number
  readonly snapshots: number
  readonly peakAnonymousBytes: number
}

const { logFolder, data } = childInput<{ logFolder: string; data: string }>()
const parts = await openParts(logFolder, data)
const memory = new AnonymousMemory()
const consumer = parts.consumer()
const startedMs = systemClock.monotonicMs()
await consumer.start()
await consumer.caughtUp(new AbortController().signal)
await parts.trades.flush()
const seconds = (systemClock.monotonicMs() - startedMs) / 1000
const peakAnonymousBytes = memory.stop()
const { snapshots } = parts.trades.metadata()
const rowCount = Number(snapshots.at(-1)?.summary['total-records'] ?? 0)
await consumer.stop()
await parts.stop()
const result: RoadResult = { seconds, rowCount, snapshots: snapshots.length, peakAnonymousBytes }
console.log(JSON.stringify(result))
