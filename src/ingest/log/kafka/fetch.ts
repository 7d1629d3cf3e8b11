import { AnswerReader } from './answer-reader.js'
import { type Broker, fetchRequest } from './internals.js'
import { type FetchedBatch, isAbort, splitBatches } from './record-batch.js'

/** What to fetch of one partition. */
export interface FetchPosition {
  readonly partition: number
  readonly offset: number
}

export interface FetchBounds {
  /** How long the broker may wait for a first byte. */
  readonly maxWaitMs: number
  /** For each partition; a first batch that is larger is sent all the same. */
  readonly maxPartitionBytes: number
}

/** What a broker answers for one partition: version 11 of the protocol. */
export interface FetchedPartition {
  readonly partition: number
  /** 0: none. */
  readonly errorCode: number
  readonly logStart: number
  /** Where the first open transaction begins, or the end: readers of committed records go no further. */
  readonly lastStable: number
  readonly aborted: readonly AbortedTransaction[]
  readonly recordSet: Buffer
}

/** A transaction that was aborted, from this offset of its producer on. */
export interface AbortedTransaction {
  readonly producerId: bigint
  readonly firstOffset: number
}

const READ_COMMITTED = 1
const CONSUMER = -1
/** How much later than the longest wait an answer may come. */
const GRACE_MS = 10_000

/** Asks a broker for committed records of partitions of one topic that it leads. */
export function fetchPartitions(
  broker: Broker,
  topic: string,
  positions: readonly FetchPosition[],
  { maxWaitMs, maxPartitionBytes }: FetchBounds,
): Promise<readonly FetchedPartition[]> {
  return broker.connectionPool
    .send<FetchAnswer>({
      request: fetchRequest({
        replicaId: CONSUMER,
        maxWaitTime: maxWaitMs,
        minBytes: 1,
        maxBytes: maxPartitionBytes * positions.length,
        isolationLevel: READ_COMMITTED,
        topics: [
          {
            topic,
            partitions: positions.map(({ partition, offset }) => ({
              partition,
              fetchOffset: String(offset),
              maxBytes: maxPartitionBytes,
            })),
          },
        ],
      }),
      response: { decode: async (answer) => decodeAnswer(answer), parse: async (answer) => answer },
      requestTimeout: maxWaitMs + GRACE_MS,
    })
    .then(({ partitions }) => partitions)
}

interface FetchAnswer {
  readonly partitions: readonly FetchedPartition[]
}

/** https://kafka.apache.org/protocol#The_Messages_Fetch, version 11. */
function decodeAnswer(answer: Buffer): FetchAnswer {
  const reader = new AnswerReader(answer)
  reader.int32() // throttle time
  reader.int16() // error of the session, of which there is none
  reader.int32() // session
  const topics = reader.list(() => {
    reader.bytes(reader.int16()) // its name: only one was asked for
    return reader.list(() => decodePartition(reader))
  })
  return { partitions: topics.flat() }
}

function decodePartition(reader: AnswerReader): FetchedPartition {
  const partition = reader.int32()
  const errorCode = reader.int16()
  reader.int64() // high watermark
  const lastStable = Number(reader.int64())
  const logStart = Number(reader.int64())
  const aborted = reader.list(() => ({
    producerId: reader.int64(),
    firstOffset: Number(reader.int64()),
  }))
  reader.int32() // preferred replica
  const recordSet = reader.bytes(reader.int32())
  return { partition, errorCode, lastStable, logStart, aborted, recordSet }
}

/** The batches whose records are to be seen, and the offset after the last batch of all. */
export interface CommittedBatches {
  readonly batches: readonly FetchedBatch[]
  readonly next: number
}

/** Leaves out control batches and those of aborted transactions, and passes them. */
export function committedBatches(fetched: FetchedPartition, offset: number): CommittedBatches {
  const coming = [...fetched.aborted].sort((a, b) => a.firstOffset - b.firstOffset)
  const aborted = new Set<bigint>()
  let begun = 0
  let next = offset
  const batches = splitBatches(fetched.recordSet).filter((batch) => {
    next = Math.max(next, batch.nextOffset)
    for (; begun < coming.length && coming[begun]!.firstOffset < batch.nextOffset; begun++)
      aborted.add(coming[begun]!.producerId)
    if (batch.isControl) {
      if (isAbort(batch)) aborted.delete(batch.producerId)
      return false
    }
    return batch.nextOffset > offset && !(batch.isTransactional && aborted.has(batch.producerId))
  })
  return { batches, next }
}
