import type { LoadProgress, Log } from '../log/log.js'

/**
 * The newest idempotency keys and what became of their bodies. Each lies in a slot of a ring, as progress in the log: it
 * is written in the append of its rows, over the key that came `capacity` keys earlier. So a key is known for as long
 * as its rows are, across restarts, until `capacity` others have come; then it is forgotten.
 */
export class PostedKeys {
  readonly #log: Pick<Log, 'progress'>
  readonly #capacity: number
  readonly #slots = new Map<string, number>()
  /** By slot, the key in it. */
  readonly #keys: (string | undefined)[]
  #next = 0
  /** Numbers that were claimed for outcomes that never came into the log. */
  readonly #unused = new Set<number>()

  /** Reads the slots of a log that has been started. */
  constructor(log: Pick<Log, 'progress'>, capacity: number) {
    this.#log = log
    this.#capacity = capacity
    this.#keys = new Array<string | undefined>(capacity)
    for (let slot = 0; slot < capacity; slot++) {
      const posted = log.progress(slotName(slot))?.posted
      if (posted) this.#put(slot, posted.key, posted.number)
    }
  }

  /** What became of the body that came with this key; undefined when it never came, or long ago. */
  find(key: string): LoadProgress | undefined {
    const slot = this.#slots.get(key)
    const progress = slot === undefined ? undefined : this.#log.progress(slotName(slot))
    // Just written over by another key's, before that one is kept here.
    return progress?.posted?.key === key ? progress : undefined
  }

  /** The number of the next key, and the source id under which its outcome is to be appended: kept or released then. */
  claim(): { readonly number: number; readonly sourceId: string } {
    const number = this.#unused.size > 0 ? Math.min(...this.#unused) : this.#next++
    this.#unused.delete(number)
    return { number, sourceId: slotName(number % this.#capacity) }
  }

  /** The outcome of a claimed key is in the log. */
  keep(key: string, number: number): void {
    this.#put(number % this.#capacity, key, number)
  }

  /** It is not, and the key before stays: an outage, and those who try again and again, must not use up the ring. */
  release(number: number): void {
    this.#unused.add(number)
  }

  #put(slot: number, key: string, number: number): void {
    const before = this.#keys[slot]
    if (before !== undefined && this.#slots.get(before) === slot) this.#slots.delete(before)
    this.#keys[slot] = key
    this.#slots.set(key, slot)
    this.#next = Math.max(this.#next, number + 1)
  }
}

function slotName(slot: number): string {
  return `posted/${slot}`
}
