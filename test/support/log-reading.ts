import { covers, type OffsetVector } from '#core'
import type { Log, LogRecord, RecordBatch } from '../../src/ingest/log/log.js'

export function record(key: string, text: string): LogRecord {
  return { key, value: Buffer.from(text) }
}

/** The values of a batch, as text. */
export function values(batch: RecordBatch): string[] {
  return Array.from(batch.ends, (end, index) =>
    Buffer.from(batch.bytes.subarray(index === 0 ? 0 : batch.ends[index - 1]!, end)).toString(),
  )
}

/** A record as it was read. */
export interface ReadRecord {
  readonly offset: number
  readonly value: string
}

/** Every batch from a position to the end, in the order in which they came, and nothing that is before the position. */
export async function readBatches(
  log: Log,
  topic: string,
  from: OffsetVector,
  maxBytes = 1 << 20,
): Promise<RecordBatch[]> {
  const read: RecordBatch[] = []
  for (let position = from; !covers(position, log.end(topic)); ) {
    await log.appended(topic, position, new AbortController().signal)
    const { batches, next } = log.read(topic, position, maxBytes)
    read.push(...batches)
    position = next
  }
  return read
}

/** Every record from a position to the end, by partition. */
export async function readAll(
  log: Log,
  topic: string,
  from: OffsetVector,
  maxBytes = 1 << 20,
): Promise<ReadRecord[][]> {
  const read: ReadRecord[][] = from.map(() => [])
  for (const batch of await readBatches(log, topic, from, maxBytes)) {
    for (const [index, value] of values(batch).entries()) {
      const offset = batch.baseOffset + index
      if (offset >= from[batch.partition]!) read[batch.partition]!.push({ offset, value })
    }
  }
  return read
}

/** The values alone, by partition. */
export function valuesOf(read: readonly (readonly ReadRecord[])[]): string[][] {
  return read.map((records) => records.map(({ value }) => value))
}
