import { type Clock, type OffsetVector, TicklakeError } from '#core'
import type {
  Appended,
  LoadProgress,
  Log,
  LogAppend,
  LogRecord,
  OffsetRange,
  ReadResult,
  RecordBatch,
} from './log.js'
import type { LogStore, StoreChange } from './log-store.js'
import { partitionOf } from './partitioner.js'
import { recordChecksum } from './record-checksum.js'
import { corrupt, packBatch, readHeader, unpackBatch } from './stored-batch.js'
import { TopicPositions } from './topic-positions.js'

/** What the log may drop once the tables have committed it. Nothing given: nothing is dropped. */
export interface Retention {
  /** Bytes a partition keeps at most. */
  readonly maxPartitionBytes?: number
  /** How long a batch is kept. */
  readonly maxAgeMs?: number
}

/** A batch this long is decoded in about a millisecond, and its header costs nothing. */
const BATCH_RECORDS = 4096
const BATCH_BYTES = 1024 * 1024

/** Where the next batch of a partition goes, and what it must not fall behind. */
interface PartitionTail {
  readonly offset: number
  readonly bytes: number
  readonly appendedAtMicros: bigint
}

interface QueuedAppend {
  readonly append: LogAppend
  readonly done: (appended: Appended) => void
  readonly failed: (error: unknown) => void
}

/** The log's logic over a store: what is appended when, where it is found, and what may be dropped. */
export class StoredLog implements Log {
  readonly store: LogStore
  readonly #clock: Clock
  readonly #retention: Retention
  readonly #topics = new Map<string, TopicPositions>()
  /** By topic and partition. */
  readonly #tails = new Map<string, PartitionTail[]>()
  #queue: QueuedAppend[] = []
  #committing: Promise<void> | null = null
  #failure: unknown = null
  #open = false

  constructor(store: LogStore, clock: Clock, retention: Retention = {}) {
    this.store = store
    this.#clock = clock
    this.#retention = retention
  }

  async start(): Promise<void> {
    await this.store.open()
    this.#open = true
    for (const name of this.store.stateNames(TOPIC_STATE)) {
      // Only `createTopic` writes these states.
      this.#openTopic(name.slice(TOPIC_STATE.length), this.store.state(name) as number)
    }
  }

  async stop(): Promise<void> {
    if (!this.#open) return
    this.#open = false
    await this.#committing
    await this.store.close()
  }

  async createTopic(topic: string, partitionCount: number): Promise<void> {
    const existing = this.#topics.get(topic)
    if (existing && existing.partitionCount !== partitionCount) {
      throw new TicklakeError(
        'conflict',
        `topic ${topic} has ${existing.partitionCount} partitions, not ${partitionCount}: keys would move`,
      )
    }
    if (existing) return
    await this.store.commit({ states: new Map([[TOPIC_STATE + topic, partitionCount]]) })
    if (!this.#topics.has(topic)) this.#openTopic(topic, partitionCount)
  }

  end(topic: string): OffsetVector {
    return this.#topic(topic).end
  }

  begin(topic: string): OffsetVector {
    return this.#topic(topic).begin
  }

  progress(sourceId: string): LoadProgress | undefined {
    // Only `append` writes these states.
    return this.store.state(PROGRESS_STATE + sourceId) as LoadProgress | undefined
  }

  appended(topic: string, from: OffsetVector, signal: AbortSignal): Promise<void> {
    return this.#topic(topic).beyond(from, signal)
  }

  append(append: LogAppend): Promise<Appended> {
    return new Promise((done, failed) => {
      if (!this.#open) throw new TicklakeError('unavailable', 'the log is stopped')
      for (const topic of append.records.keys()) this.#topic(topic)
      this.#queue.push({ append, done, failed })
      this.#committing ??= this.#commitQueue()
    })
  }

  /** Everything that came in while one commit was under way goes into the next: callers share the wait for the disk. */
  async #commitQueue(): Promise<void> {
    while (this.#queue.length > 0) {
      const group = this.#queue
      this.#queue = []
      try {
        const appended = await this.#commit(group.map(({ append }) => append))
        for (const [index, { done }] of group.entries()) done(appended[index]!)
      } catch (error) {
        for (const { failed } of group) failed(error)
      }
    }
    this.#committing = null
  }

  /** Where the records of each append are. */
  async #commit(appends: readonly LogAppend[]): Promise<readonly Appended[]> {
    if (this.#failure) {
      throw new TicklakeError(
        'unavailable',
        `the log takes nothing since a write has failed: ${String(this.#failure)}`,
        {
          cause: this.#failure,
        },
      )
    }
    const put: NonNullable<StoreChange['put']>[number][] = []
    const states = new Map<string, unknown>()
    const tails = new Map<string, PartitionTail[]>()
    const appended = appends.map(({ records, progress }) => {
      const ranges = new Map<string, readonly OffsetRange[]>()
      for (const [topic, list] of records) {
        const topicTails = tails.get(topic) ?? [...this.#tails.get(topic)!]
        tails.set(topic, topicTails)
        const before = topicTails.map((tail) => tail.offset)
        split(list, topicTails.length).forEach((batches, partition) => {
          for (const values of batches) {
            const tail = topicTails[partition]!
            const now = BigInt(Math.floor(this.#clock.nowMs() * 1000))
            const appendedAtMicros = now > tail.appendedAtMicros ? now : tail.appendedAtMicros
            const bytes = packBatch(values, appendedAtMicros, tail.bytes)
            put.push({ position: { topic, partition, baseOffset: tail.offset }, bytes })
            topicTails[partition] = {
              offset: tail.offset + values.length,
              bytes: tail.bytes + bytes.length,
              appendedAtMicros,
            }
          }
        })
        ranges.set(topic, rangesBetween(before, topicTails))
      }
      const made = typeof progress === 'function' ? progress(ranges) : progress
      if (made) states.set(PROGRESS_STATE + made.sourceId, made)
      return ranges
    })
    try {
      await this.store.commit({ put, states })
    } catch (error) {
      // Whether it was stored is not known, so neither is the end: it is found again at the next start.
      this.#failure = error
      throw error
    }
    for (const [topic, topicTails] of tails) {
      this.#tails.set(topic, topicTails)
      this.#topic(topic).advance(topicTails.map((tail) => tail.offset))
    }
    return appended
  }

  read(topic: string, from: OffsetVector, maxBytes: number): ReadResult {
    const positions = this.#topic(topic)
    positions.check(from)
    const batches: RecordBatch[] = []
    const next = [...from]
    let bytes = 0
    for (let readable = true; readable; ) {
      readable = false
      for (let partition = 0; partition < next.length; partition++) {
        if (next[partition]! >= positions.end[partition]!) continue
        if (batches.length > 0 && bytes >= maxBytes) return { batches, next }
        const batch = this.#batchAt(topic, partition, next[partition]!)
        batches.push(batch)
        next[partition] = batch.baseOffset + batch.count
        bytes += batch.bytes.length
        readable = true
      }
    }
    return { batches, next }
  }

  /** The batch that holds an offset. Batches follow one another without a gap, so it mostly begins right there. */
  #batchAt(topic: string, partition: number, offset: number): RecordBatch {
    const exact = this.store.batch({ topic, partition, baseOffset: offset })
    const found = exact
      ? { baseOffset: offset, bytes: exact }
      : this.store.lastBatch(topic, partition, offset)
    const position = { topic, partition, baseOffset: found?.baseOffset ?? offset }
    if (!found) throw corrupt(position, 'it is missing')
    const batch = unpackBatch(position, found.bytes)
    if (offset >= batch.baseOffset + batch.count)
      throw corrupt({ ...position, baseOffset: offset }, 'it is missing')
    return batch
  }

  async checksumAt(topic: string, partition: number, offset: number): Promise<string | undefined> {
    const { begin, end } = this.#topic(topic)
    if (offset < begin[partition]! || offset >= end[partition]!) return undefined
    const { appendedAtMicros, baseOffset, bytes, ends } = this.#batchAt(topic, partition, offset)
    const index = offset - baseOffset
    return recordChecksum(appendedAtMicros, bytes.subarray(index === 0 ? 0 : ends[index - 1], ends[index]))
  }

  async committed(topic: string, offsets: OffsetVector): Promise<void> {
    const positions = this.#topic(topic)
    const remove: { topic: string; partition: number; baseOffset: number }[] = []
    const begin = positions.begin.map((first, partition) => {
      let baseOffset = first
      for (;;) {
        const next = this.#droppable(topic, partition, baseOffset, offsets[partition] ?? 0)
        if (next === null) return baseOffset
        remove.push({ topic, partition, baseOffset })
        baseOffset = next
      }
    })
    if (remove.length === 0) return
    await this.store.commit({ remove })
    positions.trimmed(begin)
  }

  /** Where the next batch begins if this one may go; null if it must stay. */
  #droppable(topic: string, partition: number, baseOffset: number, committed: number): number | null {
    const position = { topic, partition, baseOffset }
    const bytes = this.store.batch(position)
    if (!bytes) return null
    const tail = this.#tails.get(topic)![partition]!
    const header = readHeader(position, bytes)
    const next = baseOffset + header.count
    // The newest batch always stays: the partition's end is found from it at the next start.
    if (next > committed || next >= tail.offset) return null
    const { maxPartitionBytes = Number.POSITIVE_INFINITY, maxAgeMs = Number.POSITIVE_INFINITY } =
      this.#retention
    const ageMs = this.#clock.nowMs() - Number(header.appendedAtMicros) / 1000
    return tail.bytes - header.bytesBefore > maxPartitionBytes || ageMs > maxAgeMs ? next : null
  }

  #openTopic(topic: string, partitionCount: number): void {
    const begin: number[] = []
    const tails: PartitionTail[] = []
    for (let partition = 0; partition < partitionCount; partition++) {
      begin.push(this.store.firstBatch(topic, partition)?.baseOffset ?? 0)
      tails.push(this.#storedTail(topic, partition))
    }
    this.#tails.set(topic, tails)
    this.#topics.set(
      topic,
      new TopicPositions(
        topic,
        begin,
        tails.map((tail) => tail.offset),
      ),
    )
  }

  #storedTail(topic: string, partition: number): PartitionTail {
    const last = this.store.lastBatch(topic, partition)
    if (!last) return { offset: 0, bytes: 0, appendedAtMicros: 0n }
    const header = readHeader({ topic, partition, baseOffset: last.baseOffset }, last.bytes)
    return {
      offset: last.baseOffset + header.count,
      bytes: header.bytesBefore + header.sizeBytes,
      appendedAtMicros: header.appendedAtMicros,
    }
  }

  #topic(topic: string): TopicPositions {
    const positions = this.#topics.get(topic)
    if (!positions) throw new TicklakeError('not_found', `the log has no topic ${topic}`)
    return positions
  }
}

function rangesBetween(before: readonly number[], after: readonly PartitionTail[]): readonly OffsetRange[] {
  return after.flatMap(({ offset }, partition) => {
    const from = before[partition]!
    return offset > from ? [{ partition, from, to: offset }] : []
  })
}

const TOPIC_STATE = 'topic/'
const PROGRESS_STATE = 'progress/'

/** By partition, the values of each batch to store. Records of one key keep their order. */
function split(records: readonly LogRecord[], partitionCount: number): Uint8Array[][][] {
  const partitions: Uint8Array[][][] = Array.from({ length: partitionCount }, () => [])
  const openBytes = new Array<number>(partitionCount).fill(0)
  const partitionOfKey = new Map<string, number>()
  for (const { key, value } of records) {
    let partition = partitionOfKey.get(key)
    if (partition === undefined) {
      partition = partitionOf(key, partitionCount)
      partitionOfKey.set(key, partition)
    }
    const batches = partitions[partition]!
    let batch = batches.at(-1)
    if (!batch || batch.length === BATCH_RECORDS || openBytes[partition]! + value.length > BATCH_BYTES) {
      batch = []
      batches.push(batch)
      openBytes[partition] = 0
    }
    batch.push(value)
    openBytes[partition]! += value.length
  }
  return partitions
}
