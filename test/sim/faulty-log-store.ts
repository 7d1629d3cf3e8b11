import type { LogStore, StoreChange, StoredBatch } from '../../src/ingest/log/log-store.js'
import type { BatchPosition } from '../../src/ingest/log/stored-batch.js'
import { type Life, READING, type Scheduler, WRITING } from './scheduler.js'

/** A log store whose commits wait at the gate. What they have done outlives the process. */
export class FaultyLogStore implements LogStore {
  readonly #inner: LogStore
  readonly #scheduler: Scheduler
  readonly #life: Life
  readonly #onCommit: (change: StoreChange) => void

  /** `onCommit` hears of each change once it is durable, whatever the caller is told. */
  constructor(inner: LogStore, scheduler: Scheduler, life: Life, onCommit: (change: StoreChange) => void) {
    this.#inner = inner
    this.#scheduler = scheduler
    this.#life = life
    this.#onCommit = onCommit
  }

  open(): Promise<void> {
    return this.#scheduler.gate(this.#life, 'open the log', () => this.#inner.open(), READING)
  }

  close(): Promise<void> {
    return this.#scheduler.gate(this.#life, 'close the log', () => this.#inner.close())
  }

  commit(change: StoreChange): Promise<void> {
    const { put = [], remove = [], states = new Map() } = change
    const what = [
      ...put.map(({ position }) => `+${position.topic}/${position.partition}/${position.baseOffset}`),
      ...remove.map(({ topic, partition, baseOffset }) => `-${topic}/${partition}/${baseOffset}`),
      ...states.keys(),
    ]
    const name = `log: commit ${what.join(' ')}`
    return this.#scheduler.gate(
      this.#life,
      name,
      async () => {
        await this.#inner.commit(change)
        this.#onCommit(change)
      },
      WRITING,
    )
  }

  batch(position: BatchPosition): Uint8Array | undefined {
    this.#life.check()
    return this.#inner.batch(position)
  }

  lastBatch(topic: string, partition: number, atOrBefore?: number): StoredBatch | undefined {
    this.#life.check()
    return this.#inner.lastBatch(topic, partition, atOrBefore)
  }

  firstBatch(topic: string, partition: number): StoredBatch | undefined {
    this.#life.check()
    return this.#inner.firstBatch(topic, partition)
  }

  state(name: string): unknown {
    this.#life.check()
    return this.#inner.state(name)
  }

  stateNames(prefix: string): readonly string[] {
    this.#life.check()
    return this.#inner.stateNames(prefix)
  }
}
