import type { Consumer } from 'kafkajs'
import { type Clock, type Logger, type OffsetVector, TicklakeError } from '#core'
import { type KafkaClient, SESSION_TIMEOUT_MS } from './client.js'

/** Who holds partitions for longer is alive. */
const GRACE_MS = SESSION_TIMEOUT_MS * 1.5

export interface GroupOptions {
  readonly client: KafkaClient
  readonly groupId: string
  readonly clock: Clock
  readonly logger: Logger
  /** The group is not this process's alone, or cannot be joined. */
  readonly onFailure: (error: TicklakeError) => void
}

/**
 * The consumer group of a warehouse: whoever is in it with all partitions is its only reader. Its offsets tell Kafka's
 * tools how far the tables have committed; nothing is ever read from them. As a member it fetches nothing.
 * A predecessor that was killed may still be a member, and hold partitions, until Kafka misses it.
 */
export class Group {
  readonly #options: GroupOptions
  #member: Consumer | null = null
  #partitions = new Map<string, number>()
  #joined = false
  #failed = false
  #cancelFailure: (() => void) | null = null
  #changing: Promise<void> = Promise.resolve()

  constructor(options: GroupOptions) {
    this.#options = options
  }

  /** Joins, or joins again, with these topics too. Whether it got all partitions is known later. */
  join(topics: ReadonlyMap<string, number>): void {
    for (const [topic, partitionCount] of topics) this.#partitions.set(topic, partitionCount)
    this.#changing = this.#changing
      .then(() => this.#join())
      .catch((error: Error) => this.#fail(error.message))
  }

  /** Only tells: an error is none of the reader's. */
  async commit(topic: string, offsets: OffsetVector): Promise<void> {
    if (!this.#joined || !this.#member) return
    try {
      await this.#member.commitOffsets(
        offsets.map((offset, partition) => ({ topic, partition, offset: String(offset) })),
      )
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      this.#options.logger.debug('the group was not told what is committed', { topic, error: message })
    }
  }

  async stop(): Promise<void> {
    this.#failed = true
    this.#cancelFailure?.()
    await this.#changing
    await this.#leave()
  }

  async #join(): Promise<void> {
    if (this.#failed) return
    await this.#leave()
    const { client, groupId } = this.#options
    const member = client.consumer(groupId)
    this.#member = member
    const topics = [...this.#partitions.keys()]
    member.on(member.events.GROUP_JOIN, ({ payload: { memberAssignment } }) => {
      member.pause(topics.map((topic) => ({ topic })))
      this.#check(memberAssignment)
    })
    member.on(member.events.CRASH, ({ payload: { error, restart } }) => {
      if (!restart) this.#fail(error.message)
    })
    await member.connect()
    await member.subscribe({ topics })
    await member.run({ autoCommit: false, eachBatch: async () => {} })
  }

  async #leave(): Promise<void> {
    this.#joined = false
    const member = this.#member
    this.#member = null
    await member?.disconnect().catch(() => undefined)
  }

  #check(assignment: Readonly<Record<string, readonly number[]>>): void {
    for (const [topic, partitionCount] of this.#partitions) {
      const assigned = new Set(assignment[topic] ?? [])
      const missing = Array.from({ length: partitionCount }, (_, partition) => partition).filter(
        (partition) => !assigned.has(partition),
      )
      if (missing.length === 0) continue
      const { groupId, clock } = this.#options
      const message = `another member of the consumer group ${groupId} has partition ${missing.join(', ')} of ${topic}`
      this.#cancelFailure ??= clock.after(GRACE_MS, () =>
        this.#fail(`${message}: each warehouse needs a group of its own (kafka.group)`),
      )
      return
    }
    this.#cancelFailure?.()
    this.#cancelFailure = null
    this.#joined = true
  }

  #fail(message: string): void {
    if (this.#failed) return
    this.#failed = true
    this.#options.onFailure(new TicklakeError('conflict', message))
    // Later: a member cannot leave while it joins.
    this.#changing = this.#changing.then(() => this.#leave())
  }
}
