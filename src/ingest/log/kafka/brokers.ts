import { type Clock, type OffsetVector, TicklakeError } from '#core'
import type { KafkaClient } from './client.js'
import type { Broker, InnerCluster } from './internals.js'

const READ_COMMITTED = 1
/** Instead of a time: the end, and the first offset that is kept. */
const LATEST = -1
const EARLIEST = -2

const TRANSACTION_COORDINATOR = 1

/** The end of the transaction before is still being written to its partitions: a matter of milliseconds. */
const CONCURRENT_TRANSACTIONS = 'CONCURRENT_TRANSACTIONS'
const CONCURRENT_PAUSE_MS = 5

/** A broker that does not know a topic for so long never will. */
const KNOWN_MS = 10_000

const FIRST_BACKOFF_MS = 50
const LONGEST_BACKOFF_MS = 2_000

/** One set of connections: finds the broker to ask, and after a failure finds it anew. */
export class Brokers {
  readonly #cluster: InnerCluster
  readonly #clock: Clock
  readonly #stopping = new AbortController()
  #failures = 0

  constructor(client: KafkaClient, clock: Clock) {
    this.#cluster = client.cluster()
    this.#clock = clock
  }

  get stopped(): boolean {
    return this.#stopping.signal.aborted
  }

  async connect(topics: readonly string[]): Promise<void> {
    await this.#cluster.connect()
    await this.know(topics)
  }

  /** From now on these topics' partitions are known. One that was just made takes a moment. */
  async know(topics: readonly string[]): Promise<void> {
    const startedMs = this.#clock.monotonicMs()
    await this.insist(
      () => this.#cluster.addMultipleTargetTopics(topics),
      () => this.#clock.monotonicMs() - startedMs > KNOWN_MS,
    )
  }

  /** Ends waiting, and all connections. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#cluster.disconnect()
  }

  /** Partitions by the broker that leads them. */
  leaders(topic: string, partitions: readonly number[]): ReadonlyMap<string, readonly number[]> {
    return new Map(Object.entries(this.#cluster.findLeaderForPartitions(topic, partitions)))
  }

  broker(nodeId: string): Promise<Broker> {
    return this.#cluster.findBroker({ nodeId })
  }

  transactionCoordinator(transactionalId: string): Promise<Broker> {
    return this.#cluster.findGroupCoordinator({
      groupId: transactionalId,
      coordinatorType: TRANSACTION_COORDINATOR,
    })
  }

  /** Where each partition ends for readers of committed records: before the first open transaction. */
  end(topic: string, partitionCount: number): Promise<OffsetVector> {
    return this.#offsets(topic, partitionCount, LATEST)
  }

  /** The first offset of each partition that is kept. */
  begin(topic: string, partitionCount: number): Promise<OffsetVector> {
    return this.#offsets(topic, partitionCount, EARLIEST)
  }

  async #offsets(topic: string, partitionCount: number, timestamp: number): Promise<OffsetVector> {
    const partitions = Array.from({ length: partitionCount }, (_, partition) => partition)
    const vector = new Array<number>(partitionCount).fill(-1)
    await Promise.all(
      [...this.leaders(topic, partitions)].map(async ([nodeId, led]) => {
        const broker = await this.broker(nodeId)
        const { responses } = await broker.listOffsets({
          isolationLevel: READ_COMMITTED,
          topics: [{ topic, partitions: led.map((partition) => ({ partition, timestamp })) }],
        })
        for (const { partition, offset } of responses.flatMap((response) => response.partitions))
          vector[partition] = Number(offset)
      }),
    )
    const unknown = vector.indexOf(-1)
    if (unknown >= 0)
      throw new TicklakeError('unavailable', `topic ${topic}, partition ${unknown} has no leader now`)
    return vector
  }

  /**
   * Does the work until it succeeds. `gaveUp` is asked after each passing failure; what fails for good, or after the end
   * of this, is thrown at once.
   */
  async insist<T>(work: () => Promise<T>, gaveUp: (error: unknown) => boolean = () => false): Promise<T> {
    for (;;) {
      try {
        const result = await work()
        this.succeeded()
        return result
      } catch (error) {
        if (this.stopped || !isPassing(error)) throw error
        // Before giving up too: whoever asks next must not ask a broker again that leads no more.
        if (isConcurrent(error)) await this.pause(CONCURRENT_PAUSE_MS)
        else await this.recover()
        if (gaveUp(error)) throw error
      }
    }
  }

  /** The next failure is waited for shortly again. */
  succeeded(): void {
    this.#failures = 0
  }

  /**
   * After a failure: waits, longer each time, looks for the leaders anew, and connects again where that fails. Gives why
   * it failed: whoever recovers asks again, and tells that failure.
   */
  async recover(): Promise<unknown> {
    const delayMs = Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** this.#failures)
    this.#failures++
    await this.pause(delayMs)
    if (this.stopped) return null
    try {
      await this.#cluster.refreshMetadata()
      return null
    } catch (error) {
      // An answer: the connection is well.
      if (errorType(error) !== undefined) return error
      await this.#cluster.disconnect()
      // By itself, kafkajs would go on asking the same one, which may take connections and answer nothing.
      await this.#cluster.brokerPool.createSeedBroker()
      await this.#cluster.connect().catch(() => undefined)
      return error
    }
  }

  /** Resolves after the delay, or when this stops. */
  pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const { signal } = this.#stopping
      if (signal.aborted) return resolve()
      const done = () => {
        cancel()
        signal.removeEventListener('abort', done)
        resolve()
      }
      const cancel = this.#clock.after(delayMs, done)
      signal.addEventListener('abort', done)
    })
  }
}

/** The protocol's name of an error, if it has one. */
export function errorType(error: unknown): string | undefined {
  const type = error instanceof Error && 'type' in error ? error.type : undefined
  return typeof type === 'string' ? type : undefined
}

/** True when asking again, perhaps another broker, may help. */
export function isPassing(error: unknown): boolean {
  if (error instanceof TicklakeError) return error.code === 'unavailable' || error.code === 'timeout'
  if (!(error instanceof Error)) return false
  if (isConcurrent(error) || error.name === COORDINATOR_NOT_FOUND) return true
  // kafkajs gives up after a few attempts of its own, or at once, and wraps why: its word on retrying means those.
  if (WRAPPERS.has(error.name) && error.cause) return isPassing(error.cause)
  return 'retriable' in error && error.retriable === true
}

const WRAPPERS = new Set(['KafkaJSNumberOfRetriesExceeded', 'KafkaJSNonRetriableError'])
/** No broker could be asked for it. */
const COORDINATOR_NOT_FOUND = 'KafkaJSGroupCoordinatorNotFound'

/** The transaction before this one is just being ended. */
export function isConcurrent(error: unknown): boolean {
  return errorType(error) === CONCURRENT_TRANSACTIONS
}
