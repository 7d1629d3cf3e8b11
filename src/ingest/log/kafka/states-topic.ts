import type { Brokers } from './brokers.js'
import { committedBatches, fetchPartitions } from './fetch.js'
import { protocolError } from './internals.js'
import type { ProducedRecord } from './record.js'
import { openRecords } from './record-batch.js'

const PARTITION = 0
const MAX_WAIT_MS = 1_000
const MAX_BYTES = 4 * 1024 * 1024

/**
 * Named states, as JSON under their names: Kafka keeps the last record of each. Read whole at the start; from then on,
 * this process is the only one that writes them.
 */
export class StatesTopic {
  readonly topic: string
  readonly #brokers: Brokers
  readonly #states = new Map<string, unknown>()

  constructor(topic: string, brokers: Brokers) {
    this.topic = topic
    this.#brokers = brokers
  }

  /** A state as it was put. The caller knows its shape: nobody else writes that name. */
  state(name: string): unknown {
    return this.#states.get(name)
  }

  /** What puts a state, in a transaction. */
  record(name: string, state: unknown): ProducedRecord {
    return { key: Buffer.from(name), value: Buffer.from(JSON.stringify(state)) }
  }

  /** That transaction has been committed. */
  learn(name: string, state: unknown): void {
    this.#states.set(name, state)
  }

  async load(): Promise<void> {
    const brokers = this.#brokers
    const [begin, end] = await brokers.insist(() =>
      Promise.all([brokers.begin(this.topic, 1), brokers.end(this.topic, 1)]),
    )
    for (let offset = begin[PARTITION]!; offset < end[PARTITION]!; )
      offset = await brokers.insist(() => this.#loadFrom(offset))
  }

  async #loadFrom(offset: number): Promise<number> {
    const [nodeId] = [...this.#brokers.leaders(this.topic, [PARTITION]).keys()]
    const broker = await this.#brokers.broker(nodeId ?? '')
    const bounds = { maxWaitMs: MAX_WAIT_MS, maxPartitionBytes: MAX_BYTES }
    const [fetched] = await fetchPartitions(broker, this.topic, [{ partition: PARTITION, offset }], bounds)
    if (!fetched) return offset
    if (fetched.errorCode !== 0) throw protocolError(fetched.errorCode)
    const { batches, next } = committedBatches(fetched, offset)
    for (const batch of batches) {
      const cursor = await openRecords(batch)
      while (cursor.next()) {
        if (!cursor.hasValue) continue
        const name = cursor.bytes.toString('utf8', cursor.keyStart, cursor.keyEnd)
        this.learn(name, JSON.parse(cursor.bytes.toString('utf8', cursor.valueStart, cursor.valueEnd)))
      }
    }
    return next
  }
}
