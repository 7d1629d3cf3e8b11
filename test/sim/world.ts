import { join } from 'node:path'
import type { Logger } from '#core'
import type { Engine } from '#engine'
import { MemoryStore } from '../../src/ingest/log/memory-store.js'
import type { FlushPolicy } from '../../src/storage/hot-tail.js'
import { localLocation } from '../../src/storage/objects/local.js'
import { MemoryObjectStore } from '../../src/storage/objects/memory.js'
import { ManualClock } from '../support/manual-clock.js'
import { SeededRandom } from '../support/seeded-random.js'
import type { Breakage } from './breakage.js'
import { Faults } from './faults.js'
import { Disk } from './faulty-objects.js'
import { Model } from './model.js'
import { Scheduler } from './scheduler.js'
import { makeSources, type Source } from './sources.js'

export interface WorldOptions {
  readonly seed: number
  readonly engine: Engine
  /** For the Parquet files of this run alone. */
  readonly directory: string
  readonly breakage: Breakage | null
}

export const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => SILENT }

/** What outlives a process: disk, log, time, and what the seed has in store for it. */
export class World {
  readonly random: SeededRandom
  readonly faults: Faults
  readonly scheduler: Scheduler
  readonly clock = new ManualClock()
  readonly store = new MemoryStore()
  readonly disk: Disk
  readonly model: Model
  readonly sources: readonly Source[]
  readonly engine: Engine
  readonly directory: string
  /** Location of the tables' folders. */
  readonly warehouse: string
  readonly breakage: Breakage | null
  readonly partitionCount: number
  readonly flush: FlushPolicy
  /** Message ids that the inspector remembers: more than there are, or none. */
  readonly rememberedIds: number
  /** Whether the producer is a transactional one. */
  readonly transactional: boolean
  #fence = 0

  constructor({ seed, engine, directory, breakage }: WorldOptions) {
    this.random = new SeededRandom(seed)
    this.faults = new Faults(new SeededRandom(this.random.uint32()))
    this.scheduler = new Scheduler(this.random, this.faults)
    this.engine = engine
    this.directory = directory
    this.warehouse = localLocation(join(directory, 'warehouse'))
    this.breakage = breakage
    this.disk = new Disk(new MemoryObjectStore(this.clock), breakage !== 'sync')
    this.partitionCount = 1 + this.random.below(3)
    this.flush = {
      rows: this.random.pick([1, 4, 10, 1000]),
      bytes: 2 ** 30,
      ageMs: this.random.pick([50, 2_000, 60_000]),
    }
    this.rememberedIds = this.random.oneIn(3) ? 1_000 : 0
    this.transactional = this.random.oneIn(2)
    this.sources = makeSources(this.random, this.rememberedIds > 0)
    this.model = new Model(this.partitionCount, this.rememberedIds > 0)
  }

  /** The number of the next owner of the tables. */
  nextFence(): number {
    return ++this.#fence
  }
}
