import kafkajs, { type Admin } from 'kafkajs'
import { type Breaker, TicklakeError } from '#core'

/** How topics are made that are absent. */
export interface TopicSettings {
  /** Copies of each partition; null: as many as the brokers' default. */
  readonly replicationFactor: number | null
  /** Kafka drops what is older, and what is beyond this size, whether the tables have it or not. */
  readonly maxAgeMs: number
  readonly maxPartitionBytes: number
}

/** Room for one long line; a broker's default is 1 MB. */
const MAX_MESSAGE_BYTES = 8 * 1024 * 1024
/** A refused record lies in quarantine whole, and with it why it was refused. */
const MAX_REFUSED_MESSAGE_BYTES = 2 * MAX_MESSAGE_BYTES
const BROKERS_DEFAULT = -1

export interface TopicsOptions {
  readonly admin: Admin
  readonly breaker: Breaker
  readonly settings: TopicSettings
  /** Why the brokers could not be asked, in words. */
  readonly explain: (error: unknown) => string
}

type Configuration = Readonly<Record<string, string>>

/** Makes and checks topics. */
export class Topics {
  readonly #admin: Admin
  readonly #breaker: Breaker
  readonly #settings: TopicSettings
  readonly #explain: (error: unknown) => string

  constructor({ admin, breaker, settings, explain }: TopicsOptions) {
    this.#admin = admin
    this.#breaker = breaker
    this.#settings = settings
    this.#explain = explain
  }

  async start(): Promise<void> {
    await this.#ask('connect to Kafka', () => this.#admin.connect())
  }

  async stop(): Promise<void> {
    await this.#admin.disconnect()
    this.#breaker.stop()
  }

  /**
   * Makes a topic of events if it is absent. `conflict` when it exists with another number of partitions, or with
   * settings under which a log cannot be one.
   */
  async events(topic: string, partitionCount: number, wished: Configuration = {}): Promise<void> {
    const { maxAgeMs, maxPartitionBytes } = this.#settings
    const required = { 'cleanup.policy': 'delete', 'message.timestamp.type': 'LogAppendTime' }
    await this.#ensure(topic, partitionCount, required, {
      'retention.ms': String(maxAgeMs),
      'retention.bytes': String(maxPartitionBytes),
      ...wished,
    })
  }

  /** Makes a topic of refused events, as one of events, with room for what those topics took. */
  async refusedEvents(topic: string, partitionCount: number): Promise<void> {
    await this.events(topic, partitionCount, { 'max.message.bytes': String(MAX_REFUSED_MESSAGE_BYTES) })
  }

  /** Makes a topic that keeps the last record of each key. */
  async latestOfKeys(topic: string): Promise<void> {
    await this.#ensure(topic, 1, { 'cleanup.policy': 'compact' }, {})
  }

  async #ensure(
    topic: string,
    partitionCount: number,
    required: Configuration,
    wished: Configuration,
  ): Promise<void> {
    const existing = await this.#ask(`look for topic ${topic}`, () => this.#admin.listTopics())
    if (!existing.includes(topic)) {
      // Of the compression, Kafka recompresses what another producer sends: all of it can be read.
      const configuration = {
        'compression.type': 'zstd',
        'max.message.bytes': String(MAX_MESSAGE_BYTES),
        ...required,
        ...wished,
      }
      const created = await this.#ask(`create topic ${topic}`, () =>
        this.#admin.createTopics({
          // Whoever uses it waits: kafkajs gives up where a broker has not heard of it yet.
          waitForLeaders: false,
          topics: [
            {
              topic,
              numPartitions: partitionCount,
              replicationFactor: this.#settings.replicationFactor ?? BROKERS_DEFAULT,
              configEntries: Object.entries(configuration).map(([name, value]) => ({ name, value })),
            },
          ],
        }),
      )
      if (created) return
    }
    await this.#checkPartitions(topic, partitionCount)
    await this.#checkConfiguration(topic, required)
  }

  async #checkPartitions(topic: string, expected: number): Promise<void> {
    const { topics } = await this.#ask(`look at topic ${topic}`, () =>
      this.#admin.fetchTopicMetadata({ topics: [topic] }),
    )
    const count = topics[0]?.partitions.length ?? 0
    if (count === expected) return
    const remedy =
      count > expected
        ? `Make it anew with ${expected}, or, if that order may break once, start with log.partitions set to ${count} and log.acceptAddedPartitions to true`
        : `Make it anew with ${expected}`
    throw new TicklakeError(
      'conflict',
      `topic ${topic} has ${count} partitions, not ${expected}: keys would move, and with them the order of a symbol's rows. ${remedy}`,
    )
  }

  async #checkConfiguration(topic: string, required: Configuration): Promise<void> {
    const { resources } = await this.#ask(`look at topic ${topic}`, () =>
      this.#admin.describeConfigs({
        includeSynonyms: false,
        resources: [
          { type: kafkajs.ConfigResourceTypes.TOPIC, name: topic, configNames: Object.keys(required) },
        ],
      }),
    )
    for (const { configName, configValue } of resources.flatMap(({ configEntries }) => configEntries)) {
      const expected = required[configName]
      if (expected === undefined || expected === configValue) continue
      throw new TicklakeError(
        'conflict',
        `topic ${topic} has ${configName}=${configValue}: a log needs ${expected}. Alter the topic with kafka-configs`,
      )
    }
  }

  async #ask<T>(what: string, work: () => Promise<T>): Promise<T> {
    try {
      return await this.#breaker.run(work)
    } catch (cause) {
      if (cause instanceof TicklakeError) throw cause
      throw new TicklakeError('unavailable', `cannot ${what}: ${this.#explain(cause)}`, { cause })
    }
  }
}
