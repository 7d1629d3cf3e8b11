import { readdirSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import {
  CORRECTIONS,
  type ConditionTable,
  createLogger,
  type Ledger,
  QUARANTINE,
  QUOTES,
  SessionCalendars,
  systemClock,
  type TableDefinition,
  type TableName,
  TRADES,
} from '#core'
import { Engine } from '#engine'
import { Consumer, Corrector, EmbeddedRegistry, Loader, type LoadResult, openInspector } from '#ingest'
import { AnswerCache, type QueryEngine, QueryRouter, type QueryRouterOptions } from '#query'
import { type StreamTable, Warehouse } from '#storage'
import { avroSchema } from '../../src/ingest/avro-schema.js'
import { MemoryLog } from '../../src/ingest/log/memory.js'
import { RecordEncoder } from '../../src/ingest/record-encoder.js'
import { compact } from '../../src/storage/maintenance/compact.js'
import { queryLimits } from './query-limits.js'
import type { Row } from './row-batch.js'
import { SeededRandom } from './seeded-random.js'
import { encodeColumns } from './table-records.js'
import { type TextRouter, textRouter } from './text-router.js'

const logger = createLogger({ level: 'silent', format: 'text' })
const never = new AbortController().signal
const PARTITION_COUNT = 2
/** Optional fields of records become columns, up to so many. */
export const MAX_ADDED_COLUMNS = 16
const FORMATS = new URL('../../config/formats', import.meta.url).pathname

/** What every record must have beside what a test is about. */
const REQUIRED: Row = { side: 'unknown', source: 'feed', exchange_nanos: 0, quality_flags: 0 }

/** The whole road of a record, from loads and the log to the router's answers, with all that judges it on the way. */
export class Road {
  readonly log = new MemoryLog(systemClock)
  readonly registry = new EmbeddedRegistry(this.log.store)
  readonly folder: string
  readonly #engine: Engine
  #fence = 0
  #warehouse: Warehouse | null = null
  #consumers: readonly Consumer[] = []
  readonly #correctors: Corrector[] = []
  /** What the correctors of the next start are given: a test may put itself in between. */
  wrapCorrections: (real: Warehouse['corrections']) => Warehouse['corrections'] = (real) => real

  private constructor(folder: string, engine: Engine) {
    this.folder = folder
    this.#engine = engine
  }

  /** Message ids are compared: what comes again is dropped. */
  static async open(): Promise<Road> {
    const folder = await mkdtemp(join(tmpdir(), 'ticklake-road-'))
    const bounds = { memoryLimit: '1GB', threads: 1, connections: 2 }
    const road = new Road(folder, await Engine.open({ ...bounds, tempDirectory: folder }))
    await road.log.start()
    for (const { topic } of [TRADES, QUOTES, QUARANTINE, CORRECTIONS])
      await road.log.createTopic(topic, PARTITION_COUNT)
    await road.#read()
    return road
  }

  async close(): Promise<void> {
    await this.#stopReading()
    await this.log.stop()
    await this.#engine.close()
    await rm(this.folder, { recursive: true })
  }

  /** Tables and consumers end, and begin again where the newest snapshots are. */
  async restart(): Promise<void> {
    await this.#stopReading()
    await this.#read()
  }

  /** Tables and consumers end as by a crash at this moment: what no snapshot holds yet is read from the log again. */
  async crash(): Promise<void> {
    const committed = new Set(this.#commits('.metadata.json'))
    await this.#stopReading()
    // Nothing is ever written over, so that without the later commits all is as it was.
    const later = this.#commits('.metadata.json').filter((path) => !committed.has(path))
    for (const path of [...later, ...this.#commits('version-hint.text')]) await rm(path)
    await this.#read()
  }

  #commits(ending: string): readonly string[] {
    const warehouse = join(this.folder, 'warehouse')
    const files = readdirSync(warehouse, { recursive: true, encoding: 'utf8' })
    return files.filter((path) => path.endsWith(ending)).map((path) => join(warehouse, path))
  }

  get engine(): QueryEngine {
    return this.#engine
  }

  get tables(): ReadonlyMap<TableName, StreamTable> {
    return this.#warehouse?.tables ?? new Map()
  }

  get router(): TextRouter {
    return this.routerOf(new AnswerCache([]))
  }

  /** A router that keeps rows, over the tables or what a test has made of them. */
  routerOf(cache: AnswerCache, tables: ReadonlyMap<TableName, StreamTable> = this.tables): TextRouter {
    return this.routerWith({ cache, tables })
  }

  /** A router that knows when markets trade, and what conditions mean. */
  routerBy(sessions: SessionCalendars, conditions: readonly ConditionTable[]): TextRouter {
    return this.routerWith({ sessions, conditions })
  }

  /** A router with other parts than those of the road. */
  routerWith(differing: Partial<QueryRouterOptions>): TextRouter {
    return textRouter(
      new QueryRouter({
        cache: new AnswerCache([]),
        tables: this.tables,
        engine: this.#engine,
        sessions: new SessionCalendars([]),
        limits: queryLimits(),
        clock: systemClock,
        tempDirectory: this.folder,
        ...differing,
      }),
    )
  }

  /** Writes all small files of a table anew. */
  async compact(name: TableName): Promise<void> {
    const table = this.#warehouse?.compactables.get(name)
    if (!table) throw new Error(`there is a table ${name}`)
    const policy = { targetBytes: 2 ** 26, minInputs: 2, patient: false }
    await compact(table, policy, { signal: never, progress: () => {} })
  }

  async load(name: string, text: string, format: string, exchange: string): Promise<LoadResult> {
    const path = join(this.folder, name)
    await writeFile(path, text)
    return this.loadFile(path, format, exchange)
  }

  /** Loads a file that is there. */
  async loadFile(path: string, format: string, exchange?: string): Promise<LoadResult> {
    const loader = new Loader({
      log: this.log,
      registry: this.registry,
      clock: systemClock,
      logger,
      tempDirectory: this.folder,
      formatFolders: [FORMATS],
    })
    return loader.load({
      path,
      fileName: basename(path),
      format,
      ...(exchange !== undefined && { exchange }),
    })
  }

  /** Appends records as a foreign producer would: key is the symbol. */
  async produce(definition: TableDefinition, rows: readonly Row[], wireId?: number): Promise<void> {
    const id =
      wireId ??
      (await this.registry.register(`${definition.topic}-value`, JSON.stringify(avroSchema(definition)))).id
    const values = encodeRecords(definition, rows, id)
    const records = values.map((value, row) => ({ key: String(rows[row]?.symbol), value }))
    await this.log.append({ records: new Map([[definition.topic, records]]) })
  }

  /** Appends a value that is no record. */
  async produceJunk(definition: TableDefinition, value: Uint8Array): Promise<void> {
    await this.log.append({ records: new Map([[definition.topic, [{ key: 'junk', value }]]]) })
  }

  /** Everything that is in the log, and what was refused of it, is visible. */
  async settle(): Promise<void> {
    for (const definition of [TRADES, QUOTES, QUARANTINE, CORRECTIONS]) {
      await this.tables.get(definition.name)?.visible(this.log.end(definition.topic), never)
    }
  }

  async #read(): Promise<void> {
    const warehouse = await Warehouse.open({
      directory: this.folder,
      engine: this.#engine,
      clock: systemClock,
      random: new SeededRandom(this.#fence),
      logger,
      partitionCount: PARTITION_COUNT,
      flush: { rows: 1_000_000, bytes: 2 ** 30, ageMs: 3_600_000 },
      fence: ++this.#fence,
    })
    await warehouse.start()
    this.#warehouse = warehouse
    const policy = {
      rememberedIds: 10_000,
      largeGap: 'continue',
      logger,
      sessions: new SessionCalendars([]),
    } as const
    const { log, registry } = this
    this.#consumers = [...warehouse.tables.values()].map((table) => {
      const inspect =
        table.definition === QUARANTINE || table.definition === CORRECTIONS
          ? null
          : (start: Ledger) => openInspector(table, start, this.#engine, policy)
      const bounds = { unknownWaitMs: 0, maxAddedColumns: MAX_ADDED_COLUMNS }
      return new Consumer({ log, registry, table, inspect, clock: systemClock, logger, ...bounds })
    })
    for (const consumer of this.#consumers) await consumer.start()
    const [corrections] = [...warehouse.tables.values()].filter(
      ({ definition }) => definition === CORRECTIONS,
    )
    for (const [name, rows] of this.wrapCorrections(warehouse.corrections)) {
      const table = warehouse.tables.get(name)
      if (!corrections || !table) throw new Error('a warehouse has tables')
      const takesUnknown = name === TRADES.name
      const parts = { log, registry, corrections, table, rows, takesUnknown, engine: this.#engine }
      const corrector = new Corrector({ ...parts, clock: systemClock, logger })
      await corrector.start()
      this.#correctors.push(corrector)
    }
  }

  async #stopReading(): Promise<void> {
    for (const corrector of this.#correctors.splice(0)) await corrector.stop()
    for (const consumer of this.#consumers) await consumer.stop()
    await this.#warehouse?.stop()
  }
}

/** Records as values of a log. */
export function encodeRecords(
  definition: TableDefinition,
  rows: readonly Row[],
  wireId: number,
): readonly Uint8Array[] {
  const columns = encodeColumns(
    definition,
    rows.map((row) => ({ ...REQUIRED, ...row })),
  )
  return new RecordEncoder(definition, wireId).encode(columns, rows.length, 0, rows.length)
}
