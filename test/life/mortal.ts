import type { Engine, TableEngine } from '#engine'
import type { ObjectStore, StoredObject } from '../../src/storage/objects/object-store.js'
import type { SeededRandom } from '../support/seeded-random.js'

/** What a process that has died says to whoever asks it for anything. */
export class Died extends Error {}

/** One run of a process, which may die at some operation that leaves the event loop, before or after it took effect. */
export class Mortal {
  readonly #random: SeededRandom
  #operationsLeft = Number.POSITIVE_INFINITY
  #isDead = false

  constructor(random: SeededRandom) {
    this.#random = random
  }

  get isDead(): boolean {
    return this.#isDead
  }

  /** It will not survive so many operations more. */
  dieAfter(operations: number): void {
    this.#operationsLeft = operations
  }

  async operation<T>(work: () => Promise<T>): Promise<T> {
    if (this.#isDead) throw new Died('the process is dead')
    const isLast = this.#operationsLeft-- <= 0
    if (isLast && this.#random.oneIn(2)) this.#die()
    const result = await work()
    if (isLast) this.#die()
    if (this.#isDead) throw new Died('the process died meanwhile')
    return result
  }

  #die(): never {
    this.#isDead = true
    throw new Died('the process dies')
  }
}

/** The store, as a mortal process uses it. */
export class MortalObjects implements ObjectStore {
  readonly #inner: ObjectStore
  readonly #process: Mortal

  constructor(inner: ObjectStore, process: Mortal) {
    this.#inner = inner
    this.#process = process
  }

  create(location: string, bytes: Uint8Array): Promise<void> {
    return this.#process.operation(() => this.#inner.create(location, bytes))
  }

  replace(location: string, bytes: Uint8Array): Promise<void> {
    return this.#process.operation(() => this.#inner.replace(location, bytes))
  }

  read(location: string): Promise<Uint8Array> {
    return this.#process.operation(() => this.#inner.read(location))
  }

  seal(location: string): Promise<{ readonly sizeBytes: number }> {
    return this.#process.operation(() => this.#inner.seal(location))
  }

  remove(location: string): Promise<void> {
    return this.#process.operation(() => this.#inner.remove(location))
  }

  list(folder: string): Promise<readonly StoredObject[]> {
    return this.#process.operation(() => this.#inner.list(folder))
  }
}

/** The engine, as a mortal process uses it. */
export function mortalEngine(engine: Engine, process: Mortal): TableEngine {
  return {
    run: (sql) => process.operation(() => engine.run(sql)),
    read: (sql) => process.operation(() => engine.read(sql)),
    appender: (table) => process.operation(() => engine.appender(table)),
    drop: (table, bytes) => engine.drop(table, bytes),
    dropped: () => engine.dropped(),
    writeParquet: (request) => process.operation(() => engine.writeParquet(request)),
  }
}
