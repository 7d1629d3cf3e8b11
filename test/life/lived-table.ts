import type { Engine } from '#engine'
import { FileCatalog } from '../../src/storage/catalog/file-catalog.js'
import { LocalObjectStore, localLocation } from '../../src/storage/objects/local.js'
import { ManualClock } from '../support/manual-clock.js'
import { SeededRandom } from '../support/seeded-random.js'
import { typedTable } from '../support/typed-table.js'
import { CorrectionTopic } from './correction-topic.js'
import { ForeignWriter } from './foreign-writer.js'
import { LIVED } from './lived-rows.js'
import { Readers } from './readers.js'
import { type Expected, TableModel } from './table-model.js'
import { openOwner, type TableOwner } from './table-owner.js'

/**
 * What is broken, so that it be noticed. `holds`: of readers nobody hears, expiry takes what is being read. `stamps`: what
 * took rows away is forgotten by the stamps of days.
 */
export type Broken = 'holds' | 'stamps'

export interface LivedTableOptions {
  readonly random: SeededRandom
  readonly engine: Engine
  /** The table's own. */
  readonly directory: string
  readonly broken: Broken | null
}

/** A table, whoever owns it at the moment, those who read and write it, and what it should hold. */
export class LivedTable {
  readonly engine: Engine
  readonly clock: ManualClock
  readonly model = new TableModel()
  readonly topic = new CorrectionTopic()
  /** What has been done to it. */
  readonly done: string[] = []
  readonly readers: Readers
  readonly foreign: ForeignWriter
  readonly #warehouse: string
  #owner: TableOwner
  #appending: Promise<void> = Promise.resolve()
  #names = 0

  private constructor(options: LivedTableOptions, warehouse: string, clock: ManualClock, first: TableOwner) {
    this.engine = options.engine
    this.clock = clock
    this.#warehouse = warehouse
    this.#owner = first
    this.readers = new Readers(options.broken === 'holds')
    const random = new SeededRandom(options.random.uint32())
    this.foreign = new ForeignWriter({ engine: options.engine, clock, random, directory: options.directory })
    this.#follow()
  }

  static async begin(options: LivedTableOptions, nowMs: number): Promise<LivedTable> {
    const { engine, random, directory } = options
    const warehouse = localLocation(directory)
    const location = `${warehouse}/${LIVED.name}`
    const catalog = new FileCatalog(new LocalObjectStore(), warehouse)
    await catalog.create(LIVED.name, typedTable(location, [], null, LIVED))
    const clock = new ManualClock(nowMs)
    const owner = await openOwner({ engine, clock, warehouse, fence: 1 }, random)
    return new LivedTable(options, warehouse, clock, owner)
  }

  get owner(): TableOwner {
    return this.#owner
  }

  get head(): TableOwner['head'] {
    return this.#owner.head
  }

  /** More about what is being done. */
  note(what: string): void {
    this.done.push(`${this.done.pop() ?? ''} ${what}`)
  }

  /** For a relation of the engine. */
  newName(): string {
    return `lived_${this.#names++}`
  }

  /** One after the other, as one reader of the log appends. */
  afterAppends(append: () => Promise<void>): Promise<void> {
    const appended = this.#appending.then(append)
    this.#appending = appended.catch(() => {})
    return appended
  }

  /** Makes a commit that changes what the table holds. */
  async commit(expected: Expected, work: () => Promise<unknown>): Promise<void> {
    const { process } = this.#owner
    this.model.expect(expected)
    try {
      await work()
    } catch (error) {
      // Of a dead process nobody knows whether it has.
      if (!process.isDead) this.model.forget(expected)
      throw error
    }
  }

  /** A new owner of what is on the disk. What the dead one was about to do is done, or is not. */
  async restart(random: SeededRandom): Promise<void> {
    // Its readers have died with it.
    this.readers.forget()
    const { engine, clock } = this
    const ownership = { engine, clock, warehouse: this.#warehouse, fence: this.#owner.fence + 1 }
    this.#owner = await openOwner(ownership, random)
    this.#follow()
  }

  #follow(): void {
    const { head } = this.#owner
    head.onChange((metadata) => this.model.committed(metadata))
    this.model.committed(head.metadata)
    this.model.forgetAll()
  }
}
