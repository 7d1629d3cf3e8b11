import { Breaker, type Clock, type Logger, type OffsetVector, QUARANTINE, TicklakeError } from '#core'
import type { Appended, LoadProgress, Log, LogAppend, ReadResult } from '../log.js'
import type { StateStore } from '../log-store.js'
import { partitionOf } from '../partitioner.js'
import { recordChecksum } from '../record-checksum.js'
import { AcceptedLosses } from './accepted-losses.js'
import { Brokers } from './brokers.js'
import { KafkaClient, type KafkaConnection } from './client.js'
import { explainFailure } from './connection-failure.js'
import { committedBatches, fetchPartitions } from './fetch.js'
import { Group } from './group.js'
import { protocolError } from './internals.js'
import { TopicReader } from './reader.js'
import { openBatch } from './record-batch.js'
import { StatesTopic } from './states-topic.js'
import { type TopicSettings, Topics } from './topics.js'
import { TransactionPlan } from './transaction-plan.js'
import { isFenced, NothingWritten, Transactions } from './transactions.js'

export interface KafkaLogOptions {
  readonly connection: KafkaConnection
  /** How absent topics are made. */
  readonly topics: TopicSettings
  /** Before the name of each topic on the brokers. */
  readonly topicPrefix: string
  /** Of the warehouse: its consumer group and its transactional id. */
  readonly group: string
  /** Ranges of offsets that may be passed over: `AcceptedLosses`. */
  readonly acceptLost: string
  readonly clock: Clock
  readonly logger: Logger
}

/** How far each load has come, by source. */
const LOADS_TOPIC = 'market-data.loads'
/** The schemas of an embedded registry, so that they are where the records are that need them. */
const SCHEMAS_TOPIC = 'market-data.schemas'
/** Bytes of values that go into one transaction together. */
const TRANSACTION_BYTES = 16 * 1024 * 1024
const ADMIN_BREAKER = { name: 'Kafka (topics)', timeoutMs: 30_000, resetMs: 5_000 }
const PRODUCE_BREAKER = { name: 'Kafka (produce)', timeoutMs: 40_000, resetMs: 2_000 }
/** Another producer's open transaction may hide ours: so long is waited for it. */
const READABLE_MS = 30_000
const READABLE_PAUSE_MS = 2
/** How long stopping waits for appends that are under way. */
const STOP_MS = 10_000
const CHECKSUM_WAIT_MS = 1_000
const OFFSET_OUT_OF_RANGE = 1

interface QueuedAppend {
  readonly append: LogAppend
  /** Of the embedded registry. */
  readonly schemas: ReadonlyMap<string, unknown>
  readonly done: (appended: Appended) => void
  readonly failed: (error: unknown) => void
}

/**
 * The log on Apache Kafka. Appends that wait at the same time share a transaction, with the progress that they make.
 * Reading begins wherever the table says; the consumer group is only the claim to be the one reader.
 */
export class KafkaLog implements Log {
  readonly breakers: readonly Breaker[]
  readonly #options: KafkaLogOptions
  readonly #client: KafkaClient
  readonly #topics: Topics
  readonly #brokers: Brokers
  readonly #transactions: Transactions
  readonly #loads: StatesTopic
  readonly #schemas: StatesTopic
  readonly #group: Group
  readonly #acceptedLosses: AcceptedLosses
  readonly #readers = new Map<string, TopicReader>()
  readonly #readerBrokers: Brokers[] = []
  /** Topics that the group has not been told of. */
  readonly #unclaimed = new Map<string, number>()
  #queue: QueuedAppend[] = []
  #writing: Promise<void> | null = null
  readonly #becomingReadable = new Set<Promise<void>>()
  #failure: TicklakeError | null = null
  #open = false

  constructor(options: KafkaLogOptions) {
    const { connection, clock, logger, group } = options
    this.#options = options
    this.#acceptedLosses = new AcceptedLosses(options.acceptLost)
    const produceBreaker = new Breaker(PRODUCE_BREAKER)
    const adminBreaker = new Breaker(ADMIN_BREAKER)
    this.breakers = [adminBreaker, produceBreaker]
    this.#client = new KafkaClient(connection, logger)
    this.#topics = new Topics({
      admin: this.#client.admin(),
      breaker: adminBreaker,
      settings: options.topics,
      explain: (error) => explainFailure(error, connection),
    })
    this.#brokers = new Brokers(this.#client, clock)
    this.#transactions = new Transactions({
      transactionalId: group,
      brokers: this.#brokers,
      breaker: produceBreaker,
      clock,
      logger,
    })
    this.#loads = new StatesTopic(this.#physical(LOADS_TOPIC), this.#brokers)
    this.#schemas = new StatesTopic(this.#physical(SCHEMAS_TOPIC), this.#brokers)
    this.#group = new Group({
      client: this.#client,
      groupId: group,
      clock,
      logger,
      onFailure: (error) => {
        this.#failure ??= error
        for (const reader of this.#readers.values()) reader.fail(error)
      },
    })
  }

  async start(): Promise<void> {
    try {
      await this.#begin()
    } catch (error) {
      await this.#release()
      throw error
    }
  }

  async #begin(): Promise<void> {
    await this.#topics.start()
    const states = [this.#loads, this.#schemas]
    for (const { topic } of states) await this.#topics.latestOfKeys(topic)
    await this.#brokers.connect(states.map(({ topic }) => topic))
    // First: what a process before this one has left open is ended, so that the ends below are final.
    await this.#transactions.take()
    for (const topic of states) await topic.load()
    this.#open = true
  }

  async stop(): Promise<void> {
    if (!this.#open) return
    this.#open = false
    const written = Promise.resolve(this.#writing).then(() => Promise.all(this.#becomingReadable))
    // What the brokers do not answer by then is found out at the next start.
    await Promise.race([written, this.#brokers.pause(STOP_MS)])
    await this.#release()
  }

  async #release(): Promise<void> {
    await this.#group.stop()
    await Promise.all([this.#brokers, ...this.#readerBrokers].map((brokers) => brokers.stop()))
    await this.#topics.stop()
    for (const breaker of this.breakers) breaker.stop()
  }

  async createTopic(topic: string, partitionCount: number): Promise<void> {
    const known = this.#readers.get(topic)
    const physical = this.#physical(topic)
    if (topic === QUARANTINE.topic) await this.#topics.refusedEvents(physical, partitionCount)
    else await this.#topics.events(physical, partitionCount)
    if (known) return
    const brokers = new Brokers(this.#client, this.#options.clock)
    this.#readerBrokers.push(brokers)
    await this.#brokers.know([physical])
    await brokers.connect([physical])
    const [begin, end] = await brokers.insist(() =>
      Promise.all([brokers.begin(physical, partitionCount), brokers.end(physical, partitionCount)]),
    )
    const { logger } = this.#options
    const acceptedLosses = this.#acceptedLosses
    this.#readers.set(
      topic,
      new TopicReader({ topic: physical, begin, end, brokers, acceptedLosses, logger }),
    )
    this.#unclaimed.set(physical, partitionCount)
  }

  end(topic: string): OffsetVector {
    return this.#reader(topic).positions.end
  }

  begin(topic: string): OffsetVector {
    return this.#reader(topic).positions.begin
  }

  progress(sourceId: string): LoadProgress | undefined {
    // Only `append` writes these states.
    return this.#loads.state(sourceId) as LoadProgress | undefined
  }

  read(topic: string, from: OffsetVector, maxBytes: number): ReadResult {
    this.#claim()
    return this.#reader(topic).read(from, maxBytes)
  }

  appended(topic: string, from: OffsetVector, signal: AbortSignal): Promise<void> {
    this.#claim()
    return this.#reader(topic).ready(from, signal)
  }

  append(append: LogAppend): Promise<Appended> {
    return this.#enqueue(append, new Map())
  }

  /** Where an embedded registry keeps its schemas. */
  get schemaStore(): StateStore {
    return {
      state: (name) => this.#schemas.state(name),
      commit: async ({ states = new Map() }) => {
        await this.#enqueue({ records: new Map() }, states)
      },
    }
  }

  #enqueue(append: LogAppend, schemas: ReadonlyMap<string, unknown>): Promise<Appended> {
    return new Promise((done, failed) => {
      if (!this.#open) throw new TicklakeError('unavailable', 'the log is stopped')
      for (const topic of append.records.keys()) this.#reader(topic)
      this.#queue.push({ append, schemas, done, failed })
      this.#writing ??= this.#writeQueue()
    })
  }

  async checksumAt(topic: string, partition: number, offset: number): Promise<string | undefined> {
    const { positions } = this.#reader(topic)
    if (offset < positions.begin[partition]! || offset >= positions.end[partition]!) return undefined
    const physical = this.#physical(topic)
    const brokers = this.#brokers
    return brokers.insist(async () => {
      const [nodeId] = [...brokers.leaders(physical, [partition]).keys()]
      if (nodeId === undefined) throw new TicklakeError('unavailable', `topic ${physical} has no leader now`)
      const [fetched] = await fetchPartitions(
        await brokers.broker(nodeId),
        physical,
        [{ partition, offset }],
        { maxWaitMs: CHECKSUM_WAIT_MS, maxPartitionBytes: 1 },
      )
      if (!fetched || fetched.errorCode === OFFSET_OUT_OF_RANGE) return undefined
      if (fetched.errorCode !== 0) throw protocolError(fetched.errorCode)
      const [first] = committedBatches(fetched, offset).batches
      if (!first || first.baseOffset > offset) return undefined
      const { appendedAtMicros, bytes, ends } = await openBatch(partition, first)
      const index = offset - first.baseOffset
      return recordChecksum(appendedAtMicros, bytes.subarray(index === 0 ? 0 : ends[index - 1], ends[index]))
    })
  }

  /** The brokers drop by themselves. The group learns how far the table is, for whoever looks at it. */
  async committed(topic: string, offsets: OffsetVector): Promise<void> {
    await this.#group.commit(this.#physical(topic), offsets)
  }

  /** What waits while a transaction is under way goes into the next, up to a size. */
  async #writeQueue(): Promise<void> {
    while (this.#queue.length > 0) await this.#writeGroup(this.#nextGroup())
    this.#writing = null
  }

  async #writeGroup(group: readonly QueuedAppend[]): Promise<void> {
    try {
      const { appended, readable } = await this.#write(group)
      // The next transaction need not wait until this one can be read.
      this.#becomingReadable.add(readable)
      void readable.then(() => {
        this.#becomingReadable.delete(readable)
        for (const [index, { done }] of group.entries()) done(appended[index]!)
      })
    } catch (error) {
      if (group.length === 1 || !isTooLarge(error)) {
        for (const { failed } of group) failed(error)
        return
      }
      // Nothing was written, for one record of one append: the others must not fail with it.
      const half = group.length >> 1
      await this.#writeGroup(group.slice(0, half))
      await this.#writeGroup(group.slice(half))
    }
  }

  #nextGroup(): readonly QueuedAppend[] {
    let bytes = 0
    let count = 0
    for (const { append } of this.#queue) {
      for (const records of append.records.values()) for (const { value } of records) bytes += value.length
      if (count > 0 && bytes > TRANSACTION_BYTES) break
      count++
    }
    return this.#queue.splice(0, count)
  }

  /** Writes a transaction: where the records of each append are, and when they can be read. */
  async #write(
    group: readonly QueuedAppend[],
  ): Promise<{ readonly appended: readonly Appended[]; readonly readable: Promise<void> }> {
    if (this.#failure) throw this.#failure
    const plan = new TransactionPlan()
    const learn: (() => void)[] = []
    const put = (into: TransactionPlan, topic: StatesTopic, name: string, state: unknown) => {
      into.addRecord(topic.topic, 0, topic.record(name, state))
      learn.push(() => topic.learn(name, state))
    }
    const planned = group.map(({ append: { records, progress }, schemas }) => {
      if (progress && typeof progress !== 'function') put(plan, this.#loads, progress.sourceId, progress)
      for (const [name, schema] of schemas) put(plan, this.#schemas, name, schema)
      return [...records].map(([topic, list]) => {
        const { partitionCount } = this.#reader(topic).positions
        const parts = plan.add(this.#physical(topic), list, (key) => partitionOf(key, partitionCount))
        return [topic, parts] as const
      })
    })
    const appendedAt = (offsets: readonly number[]): Appended[] =>
      planned.map((topics) => new Map(topics.map(([topic, parts]) => [topic, plan.ranges(parts, offsets)])))
    const progressOf = (offsets: readonly number[]) => {
      const last = new TransactionPlan()
      const appended = appendedAt(offsets)
      for (const [index, { append }] of group.entries()) {
        if (typeof append.progress !== 'function') continue
        const progress = append.progress(appended[index]!)
        put(last, this.#loads, progress.sourceId, progress)
      }
      return last.batches
    }
    const offsets = await this.#transactions.write(plan.batches, progressOf).catch((error: unknown) => {
      throw this.#writeError(error)
    })
    for (const learnt of learn) learnt()
    return {
      appended: appendedAt(offsets),
      readable: this.#untilReadable(plan, offsets),
    }
  }

  #writeError(error: unknown): TicklakeError {
    if (error instanceof NothingWritten) return error.reason
    this.#failure = isFenced(error)
      ? new TicklakeError(
          'unavailable',
          `another process writes with the transactional id ${this.#options.group} (kafka.group): start again when it has stopped`,
          { cause: error },
        )
      : new TicklakeError(
          'unavailable',
          'the log takes nothing since it is not known whether a transaction was committed: start it again',
          { cause: error },
        )
    return this.#failure
  }

  /** The markers of a transaction are written after its commit: until then, its records cannot be read. */
  async #untilReadable(plan: TransactionPlan, offsets: readonly number[]): Promise<void> {
    const { clock, logger } = this.#options
    const started = clock.monotonicMs()
    for (const [topic, reader] of this.#readers) {
      const needed = plan.endOf(this.#physical(topic), offsets)
      if (needed.size === 0) continue
      const { positions } = reader
      for (;;) {
        const end = await this.#brokers
          .insist(() => this.#brokers.end(positions.topic, positions.partitionCount))
          .catch(() => positions.end)
        reader.reached(end)
        if ([...needed].every(([partition, offset]) => end[partition]! >= offset)) break
        if (!this.#open || clock.monotonicMs() - started > READABLE_MS) {
          logger.warn('records are durable but hidden by an open transaction of another producer', { topic })
          break
        }
        await this.#brokers.pause(READABLE_PAUSE_MS)
      }
    }
  }

  /** Joins the group with the topics that it does not have yet. */
  #claim(): void {
    if (this.#unclaimed.size === 0 || !this.#open) return
    this.#group.join(this.#unclaimed)
    this.#unclaimed.clear()
  }

  #reader(topic: string): TopicReader {
    const reader = this.#readers.get(topic)
    if (!reader) throw new TicklakeError('not_found', `the log has no topic ${topic}`)
    return reader
  }

  #physical(topic: string): string {
    return this.#options.topicPrefix + topic
  }
}

function isTooLarge(error: unknown): boolean {
  return error instanceof TicklakeError && error.code === 'too_large'
}
