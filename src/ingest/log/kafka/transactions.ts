import { assert, type Breaker, type Clock, type Logger, TicklakeError } from '#core'
import { type Brokers, errorType, isConcurrent, isPassing } from './brokers.js'
import {
  type Broker,
  type ProducerIdentity,
  type ProtocolRequest,
  produceResponse,
  protocolEncoder,
} from './internals.js'
import type { ProducedRecord } from './record.js'
import { encodeBatch } from './record-batch.js'
import { isAborted, transactionState } from './transaction-state.js'

const TRANSACTION_TIMEOUT_MS = 60_000
/** How long a transaction is tried before it is given up and aborted: well within the above. */
const GIVE_UP_MS = 30_000
/** How long a failed transaction's abort is tried at once. */
const ABORT_MS = 2_000
/** How long a leader waits for its replicas: less than its answer is waited for. */
const PRODUCE_TIMEOUT_MS = 5_000
const ALL_REPLICAS = -1
const PRODUCE_API = 0
/** The first version that takes zstd. */
const PRODUCE_VERSION = 7
const MAX_SEQUENCE = 2 ** 31

/** Another producer has taken the transactional id. */
const FENCED = new Set(['INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED'])
const TOO_LARGE = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'])

/** Records that go to one partition together: one record batch. */
export interface TopicBatch {
  readonly topic: string
  readonly partition: number
  readonly records: readonly ProducedRecord[]
}

export interface TransactionsOptions {
  readonly transactionalId: string
  /** How long a transaction may be open before the brokers abort it. Default: TRANSACTION_TIMEOUT_MS. */
  readonly timeoutMs?: number
  readonly brokers: Brokers
  readonly breaker: Breaker
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Writes transactions, one at a time, under one transactional id: whoever starts with the same id ends what the one
 * before has left open, and fences it off. Sent again after a lost answer, a batch is stored once: the brokers know it by
 * its sequence number.
 */
export class Transactions {
  readonly #options: TransactionsOptions
  #identity: ProducerIdentity | null = null
  #coordinator: Broker | null = null
  /** By topic and partition, the sequence number of the next record. */
  #sequences = new Map<string, number>()

  constructor(options: TransactionsOptions) {
    this.#options = options
  }

  /** Takes the transactional id: what its last holder has not committed is aborted. */
  async take(giveUpMs = GIVE_UP_MS): Promise<void> {
    const { transactionalId, timeoutMs = TRANSACTION_TIMEOUT_MS } = this.#options
    const request = { transactionalId, transactionTimeout: timeoutMs }
    this.#identity = await this.#insist(
      () => this.#coordinated((coordinator) => coordinator.initProducerId(request)),
      giveUpMs,
    )
    this.#sequences = new Map()
  }

  /**
   * Writes these batches, in their order within each partition, in one transaction, and gives the offset of the first
   * record of each. `last` makes the batches of the same transaction that tell of those offsets. Throws `NothingWritten`,
   * or anything else when it is not known what was written.
   */
  async write(
    batches: readonly TopicBatch[],
    last: (offsets: readonly number[]) => readonly TopicBatch[] = () => [],
  ): Promise<readonly number[]> {
    let offsets: readonly number[]
    try {
      offsets = await this.#put(batches)
      const written = await this.#put(last(offsets))
      if (offsets.length + written.length === 0) return offsets
    } catch (error) {
      const producer = this.#identity
      this.#identity = null
      // Somebody else's transactions would be aborted by taking the id back.
      if (isFenced(error)) throw await this.#fence(error, producer)
      // Aborts what is open, so that readers go on. If that fails now, the next write does it.
      await this.take(ABORT_MS).catch((failed: Error) =>
        this.#options.logger.debug('a transaction is aborted later', { error: failed.message }),
      )
      throw notWritten(error)
    }
    await this.#commit()
    return offsets
  }

  /** Puts batches into the open transaction: the first ones open it. */
  async #put(batches: readonly TopicBatch[]): Promise<readonly number[]> {
    const offsets = new Array<number>(batches.length).fill(-1)
    if (batches.length === 0) return offsets
    if (!this.#identity) await this.take()
    await this.#addPartitions(batches)
    for (const round of rounds(batches)) await this.#produce(batches, round, offsets)
    return offsets
  }

  async #addPartitions(batches: readonly TopicBatch[]): Promise<void> {
    const { transactionalId } = this.#options
    const partitions = new Map<string, Set<number>>()
    for (const { topic, partition } of batches)
      partitions.set(topic, (partitions.get(topic) ?? new Set()).add(partition))
    const topics = [...partitions].map(([topic, numbers]) => ({ topic, partitions: [...numbers] }))
    const request = { ...this.#producer(), transactionalId, topics }
    await this.#insist(() => this.#coordinated((coordinator) => coordinator.addPartitionsToTxn(request)))
  }

  /** Sends one batch of each partition, to all leaders at once. */
  async #produce(batches: readonly TopicBatch[], round: readonly number[], offsets: number[]): Promise<void> {
    const { brokers, clock } = this.#options
    const encoded = new Map<number, Buffer>()
    for (const index of round) {
      const { topic, partition, records } = batches[index]!
      const sequence = this.#sequences.get(`${topic}/${partition}`) ?? 0
      this.#sequences.set(`${topic}/${partition}`, (sequence + records.length) % MAX_SEQUENCE)
      encoded.set(
        index,
        await encodeBatch(records, { ...this.#producer(), sequence, timestampMs: Math.floor(clock.nowMs()) }),
      )
    }
    await this.#insist(async () => {
      const missing = round.filter((index) => offsets[index] === -1)
      const byLeader = new Map<string, number[]>()
      for (const index of missing) {
        const { topic, partition } = batches[index]!
        for (const nodeId of brokers.leaders(topic, [partition]).keys())
          byLeader.set(nodeId, [...(byLeader.get(nodeId) ?? []), index])
      }
      await Promise.all(
        [...byLeader].map(async ([nodeId, indexes]) => {
          const broker = await brokers.broker(nodeId)
          const parts = indexes.map((index) => ({ ...batches[index]!, batch: encoded.get(index)! }))
          const found = await sendBatches(broker, this.#options.transactionalId, parts)
          for (const index of indexes) {
            const { topic, partition } = batches[index]!
            offsets[index] = found.get(`${topic}/${partition}`) ?? -1
          }
        }),
      )
      if (round.some((index) => offsets[index] === -1))
        throw new TicklakeError('unavailable', 'a partition has no leader now')
    })
  }

  /** Ends the transaction, and asks until that is answered: from the first attempt on, it may have been committed. */
  async #commit(): Promise<void> {
    const { brokers, transactionalId } = this.#options
    const producer = this.#producer()
    const request = { ...producer, transactionalId, transactionResult: true }
    try {
      await brokers.insist(() => this.#coordinated((coordinator) => coordinator.endTxn(request)))
    } catch (error) {
      this.#identity = null
      throw isFenced(error) ? await this.#fence(error, producer) : error
    }
  }

  /**
   * What it means that the brokers take no more from a producer: somebody else has its id, or they have aborted a
   * transaction that was open for too long, of which nothing is written then.
   */
  async #fence(error: unknown, producer: ProducerIdentity | null): Promise<unknown> {
    const { transactionalId } = this.#options
    const state = await this.#insist(() =>
      this.#coordinated((coordinator) => transactionState(coordinator, transactionalId)),
    )
    if (!producer || !isAborted(state, producer)) return error
    const message = 'Kafka has aborted a transaction that could not be ended in time'
    return new NothingWritten(new TicklakeError('unavailable', message, { cause: error }))
  }

  /** Asks the broker that keeps our transactions, which is looked for anew after each failure. */
  async #coordinated<T>(ask: (coordinator: Broker) => Promise<T>): Promise<T> {
    const { brokers, transactionalId } = this.#options
    try {
      this.#coordinator ??= await brokers.transactionCoordinator(transactionalId)
      return await ask(this.#coordinator)
    } catch (error) {
      this.#coordinator = null
      throw error
    }
  }

  /** Asks again after passing failures, for a while. */
  #insist<T>(work: () => Promise<T>, giveUpMs = GIVE_UP_MS): Promise<T> {
    const { brokers, breaker, clock } = this.#options
    const started = clock.monotonicMs()
    return brokers.insist(
      async () => {
        const answer = await breaker.run(() => refusedOrDone(work))
        if ('refused' in answer) throw answer.refused
        return answer.done
      },
      () => clock.monotonicMs() - started > giveUpMs,
    )
  }

  #producer(): ProducerIdentity {
    assert(this.#identity !== null, 'a transaction has a producer')
    return this.#identity
  }
}

/** Nothing of a transaction was or will be written: a `TicklakeError` says why. */
export class NothingWritten extends Error {
  readonly reason: TicklakeError

  constructor(reason: TicklakeError) {
    super(reason.message, { cause: reason })
    this.reason = reason
  }
}

function notWritten(error: unknown): NothingWritten {
  if (error instanceof TicklakeError) return new NothingWritten(error)
  const tooLarge = TOO_LARGE.has(errorType(error) ?? '')
  const message = error instanceof Error ? error.message : String(error)
  return new NothingWritten(
    new TicklakeError(
      tooLarge ? 'too_large' : 'unavailable',
      tooLarge
        ? "a record is larger than Kafka takes: raise its topic's max.message.bytes"
        : `Kafka has not taken the records: ${message}`,
      { cause: error },
    ),
  )
}

export function isFenced(error: unknown): boolean {
  return FENCED.has(errorType(error) ?? '')
}

/** What the brokers refuse for good reason does not count against them. */
async function refusedOrDone<T>(work: () => Promise<T>): Promise<{ done: T } | { refused: unknown }> {
  try {
    return { done: await work() }
  } catch (error) {
    if (isPassing(error) && !isConcurrent(error)) throw error
    return { refused: error }
  }
}

/** Indexes of batches: the first one of each partition, then the second ones, and so on. */
function rounds(batches: readonly TopicBatch[]): readonly (readonly number[])[] {
  const rounds: number[][] = []
  const seen = new Map<string, number>()
  for (const [index, { topic, partition }] of batches.entries()) {
    const round = seen.get(`${topic}/${partition}`) ?? 0
    seen.set(`${topic}/${partition}`, round + 1)
    rounds[round] = [...(rounds[round] ?? []), index]
  }
  return rounds
}

/** By topic and partition, the offset of the batch's first record. */
async function sendBatches(
  broker: Broker,
  transactionalId: string,
  parts: readonly (TopicBatch & { readonly batch: Buffer })[],
): Promise<ReadonlyMap<string, number>> {
  const { topics } = await broker.connectionPool.send(produceRequest(transactionalId, parts))
  return new Map(
    topics.flatMap(({ topicName, partitions }) =>
      partitions.map(
        ({ partition, baseOffset }) => [`${topicName}/${partition}`, Number(baseOffset)] as const,
      ),
    ),
  )
}

/** https://kafka.apache.org/protocol#The_Messages_Produce, version 7. */
function produceRequest(
  transactionalId: string,
  parts: readonly (TopicBatch & { readonly batch: Buffer })[],
): ProtocolRequest<Awaited<ReturnType<typeof produceResponse.parse>>> {
  const byTopic = new Map<string, (typeof parts)[number][]>()
  for (const part of parts) byTopic.set(part.topic, [...(byTopic.get(part.topic) ?? []), part])
  return {
    request: {
      apiKey: PRODUCE_API,
      apiVersion: PRODUCE_VERSION,
      apiName: 'Produce',
      encode: async () => {
        const encoder = new protocolEncoder()
          .writeString(transactionalId)
          .writeInt16(ALL_REPLICAS)
          .writeInt32(PRODUCE_TIMEOUT_MS)
          .writeInt32(byTopic.size)
        for (const [topic, list] of byTopic) {
          encoder.writeString(topic).writeInt32(list.length)
          for (const { partition, batch } of list)
            encoder.writeInt32(partition).writeInt32(batch.length).writeBuffer(batch)
        }
        return encoder
      },
    },
    response: produceResponse,
  }
}
