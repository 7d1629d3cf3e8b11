import { TicklakeError } from '#core'
import type { ObjectStore, StoredObject } from '../../src/storage/objects/object-store.js'

/** What goes wrong with an operation that writes: it fails without effect, or takes effect and then fails. */
export type Fault = 'none' | 'before' | 'after'

/** A store whose writing operations fail as `next` says, called with the operation's name and location. */
export class FaultyObjectStore implements ObjectStore {
  readonly #inner: ObjectStore
  readonly #next: (operation: string, location: string) => Fault

  constructor(inner: ObjectStore, next: (operation: string, location: string) => Fault) {
    this.#inner = inner
    this.#next = next
  }

  create(location: string, bytes: Uint8Array): Promise<void> {
    return this.#faulty('create', location, () => this.#inner.create(location, bytes))
  }

  replace(location: string, bytes: Uint8Array): Promise<void> {
    return this.#faulty('replace', location, () => this.#inner.replace(location, bytes))
  }

  remove(location: string): Promise<void> {
    return this.#faulty('remove', location, () => this.#inner.remove(location))
  }

  read(location: string): Promise<Uint8Array> {
    return this.#inner.read(location)
  }

  seal(location: string): Promise<{ readonly sizeBytes: number }> {
    return this.#inner.seal(location)
  }

  list(folder: string): Promise<readonly StoredObject[]> {
    return this.#inner.list(folder)
  }

  async #faulty(operation: string, location: string, work: () => Promise<void>): Promise<void> {
    const fault = this.#next(operation, location)
    const error = new TicklakeError('unavailable', `injected ${fault} ${operation} of ${location}`)
    if (fault === 'before') throw error
    await work()
    if (fault === 'after') throw error
  }
}
