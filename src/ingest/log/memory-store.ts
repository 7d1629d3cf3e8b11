import { assert } from '#core'
import type { LogStore, StoreChange, StoredBatch } from './log-store.js'
import type { BatchPosition } from './stored-batch.js'

/** A log store that lasts as long as the object: the simulation and the tests run on it. */
export class MemoryStore implements LogStore {
  /** By topic and partition, in offset order. */
  readonly #partitions = new Map<string, StoredBatch[]>()
  readonly #states = new Map<string, unknown>()

  async open(): Promise<void> {}

  async close(): Promise<void> {}

  async commit({ put = [], remove = [], states = new Map() }: StoreChange): Promise<void> {
    for (const { position, bytes } of put) {
      const batches = this.#batches(position.topic, position.partition)
      const last = batches.at(-1)
      assert(last === undefined || last.baseOffset < position.baseOffset, 'batches are put in offset order')
      batches.push({ baseOffset: position.baseOffset, bytes })
    }
    for (const { topic, partition, baseOffset } of remove) {
      const batches = this.#batches(topic, partition)
      assert(batches[0]?.baseOffset === baseOffset, 'batches are removed from the front')
      batches.shift()
    }
    for (const [name, state] of states) this.#states.set(name, structuredClone(state))
  }

  batch({ topic, partition, baseOffset }: BatchPosition): Uint8Array | undefined {
    const found = this.lastBatch(topic, partition, baseOffset)
    return found?.baseOffset === baseOffset ? found.bytes : undefined
  }

  lastBatch(
    topic: string,
    partition: number,
    atOrBefore = Number.POSITIVE_INFINITY,
  ): StoredBatch | undefined {
    const batches = this.#batches(topic, partition)
    let low = 0
    let high = batches.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (batches[middle]!.baseOffset <= atOrBefore) low = middle + 1
      else high = middle
    }
    return batches[low - 1]
  }

  firstBatch(topic: string, partition: number): StoredBatch | undefined {
    return this.#batches(topic, partition)[0]
  }

  state(name: string): unknown {
    return this.#states.get(name)
  }

  stateNames(prefix: string): readonly string[] {
    return [...this.#states.keys()].filter((name) => name.startsWith(prefix)).sort()
  }

  #batches(topic: string, partition: number): StoredBatch[] {
    const key = JSON.stringify([topic, partition])
    const batches = this.#partitions.get(key) ?? []
    this.#partitions.set(key, batches)
    return batches
  }
}
