import { assert } from '#core'

/** What a Set of V8 holds, rounded down. */
export const MAX_REMEMBERED_IDS = 16_000_000

/**
 * The newest message ids of a topic, partition by partition, so that what a foreign producer sends again can be
 * dropped. Two different ids are never taken for one: the ids themselves are kept, not hashes of them, at about 100
 * bytes an id of 36 characters.
 *
 * A function of the log: ids leave in the order in which their rows were accepted, and to be seen again does not
 * renew them. So the table tells all of it: after a restart `add` is given the newest ids of its rows, by offset.
 */
export class Deduplicator {
  readonly #perPartition: number
  readonly #partitions = new Map<number, NewestIds>()

  /** Remembers so many ids in each partition. */
  constructor(perPartition: number) {
    assert(
      perPartition >= 1 && perPartition <= MAX_REMEMBERED_IDS,
      `1 to ${MAX_REMEMBERED_IDS} ids are remembered`,
    )
    this.#perPartition = perPartition
  }

  /** Whether one of the newest accepted rows has that id. */
  has(partition: number, id: string): boolean {
    return this.#partitions.get(partition)?.has(id) ?? false
  }

  /** A row with that id was accepted. */
  add(partition: number, id: string): void {
    let ids = this.#partitions.get(partition)
    if (!ids) {
      ids = new NewestIds(this.#perPartition)
      this.#partitions.set(partition, ids)
    }
    ids.add(id)
  }
}

/** A Set keeps the order in which its members were added, so it is a queue too. */
class NewestIds {
  readonly #capacity: number
  readonly #ids = new Set<string>()
  /** Has given what was dropped, and nothing else: a new walk would pass all the holes that they left. */
  readonly #oldest = this.#ids.values()

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  has(id: string): boolean {
    return this.#ids.has(id)
  }

  /** One that is there already becomes the newest. */
  add(id: string): void {
    this.#ids.delete(id)
    this.#ids.add(id)
    if (this.#ids.size <= this.#capacity) return
    const { value } = this.#oldest.next()
    // There are more than `capacity` ids, so that one has not been given.
    this.#ids.delete(value as string)
  }
}
