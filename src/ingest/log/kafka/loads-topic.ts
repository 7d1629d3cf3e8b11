import type { LoadProgress } from '../log.js'
import type { Brokers } from './brokers.js'
import { committedBatches, fetchPartitions } from './fetch.js'
import { protocolError } from './internals.js'
import type { ProducedRecord } from './record.js'
import { openRecords } from './record-batch.js'

const PARTITION = 0
const MAX_WAIT_MS = 1_000
const MAX_BYTES = 4 * 1024 * 1024

/**
 * How far each source has come: the key is its id, the value its progress as JSON. Kafka keeps the last record of each
 * key. Read whole at the start; from then on, this process is the only one that writes it.
 */
export class LoadsTopic {
  readonly topic: string
  readonly #brokers: Brokers
  readonly #bySource = new Map<string, LoadProgress>()

  constructor(topic: string, brokers: Brokers) {
    this.topic = topic
    this.#brokers = brokers
  }

  progress(sourceId: string): LoadProgress | undefined {
    return this.#bySource.get(sourceId)
  }

  /** What goes into the transaction of the records that it counts. */
  record(progress: LoadProgress): ProducedRecord {
    return { key: Buffer.from(progress.sourceId), value: Buffer.from(JSON.stringify(progress)) }
  }

  /** It has been committed. */
  learn(progress: LoadProgress): void {
    this.#bySource.set(progress.sourceId, progress)
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
        // Only `record` writes this topic.
        const progress = JSON.parse(
          cursor.bytes.toString('utf8', cursor.valueStart, cursor.valueEnd),
        ) as LoadProgress
        this.learn(progress)
      }
    }
    return next
  }
}
