import { type Clock, QUARANTINE, SessionCalendars, TicklakeError, TRADES } from '#core'
import { Consumer, EmbeddedRegistry, openInspector, Producer } from '#ingest'
import type { StreamTable } from '#storage'
import type { LogRecord } from '../../src/ingest/log/log.js'
import { StoredLog } from '../../src/ingest/log/stored-log.js'
import { loadOrCreate } from '../../src/storage/catalog/catalog.js'
import { FileCatalog } from '../../src/storage/catalog/file-catalog.js'
import { newTableMetadata } from '../../src/storage/iceberg/metadata.js'
import { Manifests } from '../../src/storage/manifests.js'
import { FileIndex } from '../../src/storage/prune.js'
import { IcebergStreamTable } from '../../src/storage/stream-table.js'
import { TableHead } from '../../src/storage/table-head.js'
import { BlindCatalog, withoutPin, withoutPosition } from './breakage.js'
import { FaultyEngine } from './faulty-engine.js'
import { FaultyLog } from './faulty-log.js'
import { FaultyLogStore } from './faulty-log-store.js'
import { FaultyObjects } from './faulty-objects.js'
import type { Life } from './scheduler.js'
import { type Source, type SourceRow, sourceColumns } from './sources.js'
import { SILENT, type World } from './world.js'

const UNKNOWN_WAIT_MS = 3_000
/** Between appends of a producer, and before a refused one is tried again. */
const PAUSES_MS = [0, 20, 700, 3_000]
const MAX_APPENDED_ROWS = 6

/** What reads the log into the table; a rebalance replaces it. */
interface Reader {
  readonly table: StreamTable
  readonly consumer: Consumer
}

/** The write road of one process, put together of the real parts, over seams that wait at the gate. */
export class SimulatedProcess {
  readonly life: Life
  readonly engine: FaultyEngine
  readonly #world: World
  readonly #clock: Clock
  readonly #log: FaultyLog
  readonly #registry: EmbeddedRegistry
  readonly #objects: FaultyObjects
  #reader: Reader | null = null
  #finishedSources = 0
  #refusedAppends = 0

  constructor(world: World, life: Life) {
    const { scheduler, store, model, disk, clock } = world
    this.life = life
    this.#world = world
    // Timers end with the process.
    this.#clock = {
      nowMs: () => clock.nowMs(),
      monotonicMs: () => clock.monotonicMs(),
      after: (delayMs, callback) => clock.after(delayMs, () => life.isAlive && callback()),
    }
    const logStore = new FaultyLogStore(store, scheduler, life, (change) => model.logged(change))
    const log = new StoredLog(logStore, this.#clock)
    this.#log = new FaultyLog(log, scheduler, life, world.transactional)
    this.#registry = new EmbeddedRegistry(logStore)
    this.#objects = new FaultyObjects(disk, scheduler, life, world.warehouse)
    this.engine = new FaultyEngine(world.engine, scheduler, life, disk, world.directory)
  }

  /** The table while the process reads into it. */
  get table(): StreamTable | null {
    return this.#reader?.table ?? null
  }

  get failure(): Error | null {
    return this.#reader?.consumer.failure ?? null
  }

  /** Whether the log takes nothing any more: only a restart helps. */
  get isStuck(): boolean {
    return this.failure !== null || this.#refusedAppends > 3
  }

  get hasProducedAll(): boolean {
    return this.#finishedSources === this.#world.sources.length
  }

  /** Whether every record of the log is visible. */
  get isCaughtUp(): boolean {
    return this.#reader !== null && this.#reader.consumer.status().lagRecords === 0
  }

  async start(): Promise<void> {
    await this.#log.start()
    for (const topic of [TRADES.topic, QUARANTINE.topic]) {
      await this.#log.createTopic(topic, this.#world.partitionCount)
    }
    await this.startReader()
  }

  async startReader(): Promise<void> {
    const table = await this.#openTable()
    await table.start()
    const { rememberedIds } = this.#world
    const policy = {
      rememberedIds,
      largeGap: 'continue',
      logger: SILENT,
      sessions: new SessionCalendars([]),
    } as const
    const consumer = new Consumer({
      log: this.#log,
      registry: this.#registry,
      table,
      inspect: (start) => openInspector(table, start, this.engine, policy),
      clock: this.#clock,
      logger: SILENT,
      unknownWaitMs: UNKNOWN_WAIT_MS,
      maxAddedColumns: 0,
    })
    await consumer.start()
    this.#reader = { table, consumer }
  }

  async stopReader(): Promise<void> {
    const reader = this.#reader
    this.#reader = null
    await reader?.consumer.stop()
    await reader?.table.stop()
  }

  async stop(): Promise<void> {
    await this.stopReader()
    await this.#log.stop()
  }

  /** Appends what of the source is not in the log yet; tries again as long as it must. */
  async produce(source: Source): Promise<void> {
    let own = 0
    for (;;) {
      const logged = this.#log.progress(source.id)?.rowsDone ?? 0
      const done = this.#world.breakage === 'progress' ? own : logged
      if (done >= source.rows.length) break
      const rows = source.rows.slice(done, done + 1 + this.#world.random.below(MAX_APPENDED_ROWS))
      try {
        await this.#append(source, rows, done)
        own = done + rows.length
        this.#refusedAppends = 0
      } catch (error) {
        if (!isUnavailable(error)) throw error
        this.#refusedAppends++
      }
      await new Promise<void>((resolve) => {
        this.#clock.after(this.#world.random.pick(PAUSES_MS), resolve)
      })
    }
    this.#finishedSources++
  }

  async #append({ id, rows: all }: Source, rows: readonly SourceRow[], done: number): Promise<void> {
    const producer = await Producer.open(TRADES, this.#registry)
    const records = rows.map((row): LogRecord => {
      const [record] =
        row.kind === 'junk'
          ? [{ key: 'A', value: Buffer.from(row.text) }]
          : producer.accepted(
              sourceColumns([row.record]),
              1,
              { sourceId: id, fileName: id },
              BigInt64Array.of(row.number),
            )
      this.#world.model.sends(record!.value, id, row)
      return record!
    })
    const rowsDone = done + rows.length
    await this.#log.append({
      records: new Map([[TRADES.topic, records]]),
      progress: {
        sourceId: id,
        digest: '',
        rowsDone,
        accepted: rowsDone,
        quarantined: 0,
        finished: rowsDone === all.length,
      },
    })
  }

  async #openTable(): Promise<StreamTable> {
    const { warehouse, breakage, partitionCount, flush, random } = this.#world
    const files = new FileCatalog(this.#objects, warehouse)
    const catalog = breakage === 'offsets' ? new BlindCatalog(files) : files
    const made = {
      location: `${warehouse}/${TRADES.name}`,
      uuid: 'simulated',
      nowMs: this.#clock.nowMs(),
      partitionCount,
    }
    const { metadata } = await loadOrCreate(catalog, TRADES.name, newTableMetadata(TRADES, made))
    const objects = this.#objects
    const manifests = new Manifests(objects)
    const fence = this.#world.nextFence()
    const context = { objects, manifests, catalog, clock: this.#clock, random, fence, logger: SILENT }
    const table = new IcebergStreamTable({
      definition: TRADES,
      head: new TableHead(TRADES.name, metadata, context),
      partitionCount,
      engine: this.engine,
      index: new FileIndex(manifests),
      flush,
      logger: SILENT,
    })
    if (breakage === 'position') return withoutPosition(table)
    return breakage === 'pin' ? withoutPin(table) : table
  }
}

export function isUnavailable(error: unknown): boolean {
  return error instanceof TicklakeError && error.code === 'unavailable'
}
