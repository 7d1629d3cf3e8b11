import { type OffsetVector, type RecordMark, TicklakeError } from '#core'
import type { Log, RecordBatch } from './log/log.js'
import { recordChecksum } from './log/record-checksum.js'

/** The newest record of each partition in these batches, which come in offset order; only those at or after `from`. */
export function newestRecords(batches: readonly RecordBatch[], from: OffsetVector): RecordMark[] {
  const newest = new Map<number, RecordBatch>()
  for (const batch of batches) newest.set(batch.partition, batch)
  const marks: RecordMark[] = []
  for (const [partition, { baseOffset, count, ends, bytes, appendedAtMicros }] of newest) {
    const offset = baseOffset + count - 1
    if (offset < (from[partition] ?? 0)) continue
    const value = bytes.subarray(count === 1 ? 0 : ends[count - 2]!, ends[count - 1]!)
    marks.push({ partition, offset, checksum: recordChecksum(appendedAtMicros, value) })
  }
  return marks
}

/**
 * `conflict` when the log holds another record where a table's newest one was: its topic was deleted and made anew,
 * and what it holds now is no continuation of the table. A record that is kept no longer tells nothing.
 */
export async function requireSameLog(log: Log, topic: string, marks: readonly RecordMark[]): Promise<void> {
  for (const { partition, offset, checksum } of marks) {
    const found = await log.checksumAt(topic, partition, offset)
    if (found === undefined || found === checksum) continue
    throw new TicklakeError(
      'conflict',
      `${topic} is not the topic that its table was written from: partition ${partition} holds another record at ` +
        `offset ${offset} (checksum ${found}, ${checksum} expected). Bring the old topic back, or begin an empty ` +
        'data folder: the tables that exist stay readable',
    )
  }
}
