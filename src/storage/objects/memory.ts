import { type Clock, TicklakeError } from '#core'
import type { ObjectStore, StoredObject } from './object-store.js'

/** Files in memory, under any scheme, by the same contract as the durable ones. */
export class MemoryObjectStore implements ObjectStore {
  readonly #clock: Clock
  readonly #files = new Map<string, { readonly bytes: Uint8Array; readonly modifiedMs: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  async create(location: string, bytes: Uint8Array): Promise<void> {
    if (this.#files.has(location)) throw new TicklakeError('conflict', `${location} exists already`)
    this.#put(location, bytes)
  }

  async replace(location: string, bytes: Uint8Array): Promise<void> {
    this.#put(location, bytes)
  }

  async read(location: string): Promise<Uint8Array> {
    return this.#get(location).slice()
  }

  async seal(location: string): Promise<{ readonly sizeBytes: number }> {
    return { sizeBytes: this.#get(location).length }
  }

  async remove(location: string): Promise<void> {
    this.#files.delete(location)
  }

  async list(folder: string): Promise<readonly StoredObject[]> {
    return Array.from(this.#files, ([location, { bytes, modifiedMs }]) => ({
      location,
      sizeBytes: bytes.length,
      modifiedMs,
    })).filter(({ location }) => location.startsWith(`${folder}/`))
  }

  #put(location: string, bytes: Uint8Array): void {
    this.#files.set(location, { bytes: bytes.slice(), modifiedMs: this.#clock.nowMs() })
  }

  #get(location: string): Uint8Array {
    const file = this.#files.get(location)
    if (!file) throw new TicklakeError('not_found', `${location} does not exist`)
    return file.bytes
  }
}
