import type { OffsetVector, QuarantineReason, Service } from '#core'

/** One record to append: the key decides the partition (Kafka's murmur2); the value is Confluent-framed Avro. */
export interface LogRecord {
  readonly key: string
  readonly value: Uint8Array
}

/**
 * How far a load has come: kept in the log, in the transaction of the records that it counts. The values of a topic
 * that a consumer quarantines are counted in the same way, a source for each partition.
 */
export interface LoadProgress {
  /**
   * Of a load, twelve characters of the SHA-256 below in base32, in every row; of a consumer, `<topic>/<partition>`, and
   * `<topic>/<partition>/schema/<id>` for values whose schema was unknown; of a posted body, `posted/<slot>`;
   * of a record of the quarantine that was replayed, `replay/<quarantine partition>/<offset>`.
   */
  readonly sourceId: string
  /** SHA-256, in hex, of the content, the format's SQL, the options and the attempt; empty for a consumer. */
  readonly digest: string
  /**
   * Source rows taken, from the start: accepted, quarantined and skipped ones. A resumed load goes on after them. Of a
   * consumer, the offset after the last value that it quarantined.
   */
  readonly rowsDone: number
  readonly accepted: number
  readonly quarantined: number
  /** The quarantined rows by reason; a consumer keeps them in the ledger of its table. */
  readonly reasons?: Readonly<Partial<Record<QuarantineReason, number>>>
  readonly finished: boolean
  /** Of a body that was posted with an idempotency key: which key in a row it is, its digest, and where the rows are. */
  readonly posted?: {
    readonly number: number
    readonly key: string
    readonly ranges: readonly OffsetRange[]
  }
}

/** Records for several topics and the progress that they make: appended whole or not at all. */
export interface LogAppend {
  readonly records: ReadonlyMap<string, readonly LogRecord[]>
  /** A function where it tells of the places of the records: it is called when they are known, and may not fail. */
  readonly progress?: LoadProgress | ((appended: Appended) => LoadProgress)
}

/** Where appended records of one partition are: at `from` up to, not including, `to`, in the order of the append. */
export interface OffsetRange {
  readonly partition: number
  readonly from: number
  readonly to: number
}

/**
 * By topic, where the records of an append are, by partition: one range for each that got any, more only where another
 * producer has written between them.
 */
export type Appended = ReadonlyMap<string, readonly OffsetRange[]>

/**
 * Consecutive records of one partition, as they were appended. `baseOffset` is the first record's offset.
 * Value i is `bytes.subarray(i === 0 ? 0 : ends[i - 1], ends[i])`. Later reads leave the bytes as they are;
 * nobody changes them.
 */
export interface RecordBatch {
  readonly partition: number
  readonly baseOffset: number
  readonly count: number
  /** When the log took the batch, µs since 1970 UTC. */
  readonly appendedAtMicros: bigint
  readonly bytes: Uint8Array
  readonly ends: Uint32Array
}

export interface ReadResult {
  /** In offset order within each partition. A first batch may begin before the position asked for: skip its records. */
  readonly batches: readonly RecordBatch[]
  /** Where the next read goes on: past the batches, control and aborted records included. */
  readonly next: OffsetVector
}

/**
 * A durable, partitioned log. One process reads it; on Kafka, others may write to it too.
 * A contract suite (test/contract/log.ts) runs on each implementation.
 */
export interface Log extends Service {
  /** Creates the topic if it is absent. `conflict` when it exists with another partition count. Called before it is used. */
  createTopic(topic: string, partitionCount: number): Promise<void>

  /** Next offset of each partition: the end of what is durable and readable. */
  end(topic: string): OffsetVector

  /** The first offset of each partition that is still kept. */
  begin(topic: string): OffsetVector

  /**
   * Appends all or nothing; resolves once it is durable and readable. Records of one key keep their order.
   * `unavailable`: nothing was appended, try again later; or it is not known whether it was, and then everything is
   * `unavailable` until the next start, which finds out. `too_large`: nothing was appended, since the log takes no record
   * as large as one of these.
   */
  append(append: LogAppend): Promise<Appended>

  /** The newest progress of a source, or undefined when it has never been seen. */
  progress(sourceId: string): LoadProgress | undefined

  /**
   * Whole batches from `from` on, in bounded size: at least one batch if there is any, then until `maxBytes`.
   * Takes from all partitions in turn. No batches: nothing lies ready now, though `next` may have moved on.
   * A position below `begin` is `gone`, one above `end` `not_found`; both say which partition and what is missing.
   * What has failed for good is thrown here.
   */
  read(topic: string, from: OffsetVector, maxBytes: number): ReadResult

  /** Resolves when a read from `from` gets on in any partition or throws, or the signal aborts. */
  appended(topic: string, from: OffsetVector, signal: AbortSignal): Promise<void>

  /**
   * The checksum (`recordChecksum`) of the record at an offset; undefined when the log does not hold it, or not any
   * more. A topic that was deleted and made anew gives another one at the same offset.
   */
  checksumAt(topic: string, partition: number, offset: number): Promise<string | undefined>

  /**
   * Tells how far the topic's table has committed. What lies wholly below may be dropped when retention (size, age)
   * no longer keeps it; a log of our own drops nothing at or above it, Kafka does not ask.
   */
  committed(topic: string, offsets: OffsetVector): Promise<void>
}
