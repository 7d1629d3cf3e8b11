import type { LogRecord, OffsetRange } from '../log.js'
import type { ProducedRecord } from './record.js'
import type { TopicBatch } from './transactions.js'

/** As large as the batches of the embedded log: one is decoded in about a millisecond. */
const BATCH_RECORDS = 4096
const BATCH_BYTES = 1024 * 1024

/** Records [from, to) of one batch of the plan. */
interface PlannedPart {
  readonly batch: number
  readonly from: number
  readonly to: number
}

/** The batches of one transaction, and which records of them are whose. */
export class TransactionPlan {
  readonly batches: (TopicBatch & { readonly records: ProducedRecord[] })[] = []
  /** By topic and partition, the batch that takes more records. */
  readonly #open = new Map<string, { readonly index: number; bytes: number }>()

  /** Where records of one append are, by partition, in their order. */
  add(
    topic: string,
    records: readonly LogRecord[],
    partitionOf: (key: string) => number,
  ): readonly PlannedPart[] {
    const parts = new Map<number, { batch: number; from: number; to: number }>()
    const keys = new Map<string, { readonly bytes: Buffer; readonly partition: number }>()
    for (const { key, value } of records) {
      let found = keys.get(key)
      if (!found) {
        found = { bytes: Buffer.from(key), partition: partitionOf(key) }
        keys.set(key, found)
      }
      const batch = this.addRecord(topic, found.partition, { key: found.bytes, value })
      const to = this.batches[batch]!.records.length
      const part = parts.get(batch)
      if (part) part.to = to
      else parts.set(batch, { batch, from: to - 1, to })
    }
    return [...parts.values()].sort((a, b) => this.#partition(a) - this.#partition(b) || a.batch - b.batch)
  }

  /** The index of the batch that it is in. */
  addRecord(topic: string, partition: number, record: ProducedRecord): number {
    const name = `${topic}/${partition}`
    let open = this.#open.get(name)
    if (
      !open ||
      this.batches[open.index]!.records.length === BATCH_RECORDS ||
      open.bytes + record.value.length > BATCH_BYTES
    ) {
      open = { index: this.batches.length, bytes: 0 }
      this.#open.set(name, open)
      this.batches.push({ topic, partition, records: [] })
    }
    this.batches[open.index]!.records.push(record)
    open.bytes += record.value.length
    return open.index
  }

  /** Offsets of parts, given those of the batches. Parts that follow each other without a gap are one range. */
  ranges(parts: readonly PlannedPart[], offsets: readonly number[]): readonly OffsetRange[] {
    const ranges: OffsetRange[] = []
    for (const part of parts) {
      const partition = this.#partition(part)
      const from = offsets[part.batch]! + part.from
      const to = offsets[part.batch]! + part.to
      const last = ranges.at(-1)
      if (last?.partition === partition && last.to === from) ranges[ranges.length - 1] = { ...last, to }
      else ranges.push({ partition, from, to })
    }
    return ranges
  }

  /** By partition of a topic, the offset after its last record. */
  endOf(topic: string, offsets: readonly number[]): ReadonlyMap<number, number> {
    return new Map(
      this.batches.flatMap((batch, index) =>
        batch.topic === topic ? [[batch.partition, offsets[index]! + batch.records.length] as const] : [],
      ),
    )
  }

  #partition({ batch }: PlannedPart): number {
    return this.batches[batch]!.partition
  }
}
