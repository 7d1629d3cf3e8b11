import { mkdir, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Admission, createApi, type LoadJob, Loads } from '#api'
import type { Config } from '#config'
import {
  assert,
  type Clock,
  heapShare,
  type Ledger,
  type Logger,
  type Random,
  residentShare,
  type Service,
  type SessionCalendars,
  TicklakeError,
} from '#core'
import { EmptyEngine, Engine, FencedLock } from '#engine'
import {
  Consumer,
  Corrector,
  type Inspector,
  Loader,
  type LoadRequest,
  openInspector,
  Poster,
  Pressure,
  type PressureBounds,
  Producer,
  Replay,
} from '#ingest'
import { AnswerCache, Headroom, MemoryLayer, QueryLimits, QueryRouter, RedisLayer, SqlRouter } from '#query'
import {
  Maintenance,
  type MaintenancePolicy,
  type RollupDefinition,
  type StreamTable,
  Warehouse,
} from '#storage'
import { loadCalendars } from './calendars.js'
import { loadConditions } from './conditions.js'
import { openLog } from './log.js'
import { openRegistry } from './registry.js'
import { loadRollups } from './rollups.js'
import { VERSION } from './version.js'

/** What a lake is given from outside. */
export interface LakeSurroundings {
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** What ships with the program. */
const FORMATS = fileURLToPath(new URL('../../config/formats', import.meta.url))
export const CALENDARS = fileURLToPath(new URL('../../config/calendars', import.meta.url))
const CONDITIONS = fileURLToPath(new URL('../../config/conditions', import.meta.url))
const ROLLUPS = fileURLToPath(new URL('../../config/rollups', import.meta.url))

/**
 * The whole system on one data folder, and the only place that knows all modules: it builds them from the
 * configuration, starts them bottom-up and stops them in reverse.
 */
export class Lake {
  /** Where it answers. */
  readonly url: string
  /** Resolves when every table shows what its log held at the start. */
  readonly caughtUp: Promise<unknown>
  /** Brings files into the log; their rows are visible at once, and committed when the tables flush. */
  readonly loader: Loader
  readonly #loads: Loads
  readonly #warehouse: Warehouse
  readonly #steps: Steps

  private constructor(parts: {
    url: string
    caughtUp: Promise<unknown>
    loader: Loader
    loads: Loads
    warehouse: Warehouse
    steps: Steps
  }) {
    this.url = parts.url
    this.caughtUp = parts.caughtUp
    this.loader = parts.loader
    this.#loads = parts.loads
    this.#warehouse = parts.warehouse
    this.#steps = parts.steps
  }

  /** Takes the data folder (made if absent) and begins to read its log. `locked` when another process owns it. */
  static async start(config: Config, surroundings: LakeSurroundings): Promise<Lake> {
    const steps = new Steps()
    try {
      return await Lake.#build(config, surroundings, steps)
    } catch (error) {
      await steps.undo()
      throw error
    }
  }

  static async #build(
    config: Config,
    { clock, random, logger }: LakeSurroundings,
    steps: Steps,
  ): Promise<Lake> {
    const folder = (name: string) => join(config.data, name)
    const lock = await takeFolder(config.data)
    steps.onUndo(() => lock.release())

    // Emptied at each start, so its name is one that nobody else gives a folder: the data folder may hold other things.
    const tempDirectory = folder('ticklake-temp')
    await rm(tempDirectory, { recursive: true, force: true })
    await mkdir(tempDirectory)
    const { queries } = config
    const engine = await Engine.open({ ...config.engine, connections: queries.concurrent, tempDirectory })
    steps.onUndo(() => engine.close())
    const reader = await EmptyEngine.open()
    steps.onUndo(() => reader.close())

    const start = <S extends Service>(service: S) => steps.start(service)
    const { log, schemaStore, ...opened } = await openLog(config, { clock, logger }, start)
    const { registry, served, ...outside } = await openRegistry(config.registry, schemaStore, clock, start)
    const breakers = [...opened.breakers, ...outside.breakers]
    const { partitions, acceptAddedPartitions } = config.log
    const warehouse = await steps.start(
      await Warehouse.open({
        directory: config.data,
        engine,
        clock,
        random,
        logger,
        partitionCount: partitions,
        acceptAddedPartitions,
        flush: config.flush,
        rollups: await rollupsOf(config.rollups),
        fence: lock.fence,
      }),
    )

    const { unknownWaitMs, maxAddedColumns } = config.registry
    const sessions = await loadCalendars(CALENDARS)
    const conditions = await loadConditions(CONDITIONS)
    const consumers: Consumer[] = []
    // All before the first is read: Kafka's group is joined with the topics that are there then.
    for (const { definition } of warehouse.tables.values())
      await log.createTopic(definition.topic, partitions)
    for (const table of warehouse.tables.values()) {
      // Ours is the first version of its subject: what others register must be able to read it. A registry outside
      // may be down, and is asked when it is needed.
      if (registry === served) await Producer.open(table.definition, registry)
      const inspect = inspectionOf(config.quality, sessions, table, engine, logger)
      const bounds = { unknownWaitMs, maxAddedColumns }
      const consumer = new Consumer({ log, registry, table, inspect, clock, logger, ...bounds })
      consumers.push(await steps.start(consumer))
    }

    const corrections = warehouse.tables.get('corrections')
    assert(corrections !== undefined, 'there is a table of the corrections')
    for (const [name, rows] of warehouse.corrections) {
      const table = warehouse.tables.get(name)
      assert(table !== undefined, 'rows that are corrected are those of a table')
      const takesUnknown = name === 'trades'
      const parts = { log, registry, corrections, table, rows, takesUnknown, engine, clock, logger }
      await steps.start(new Corrector(parts))
    }

    const { tables } = warehouse
    const pressure = await steps.start(
      new Pressure({ consumers, heapShare, bounds: pressureBounds(config.pressure), clock, logger }),
    )
    const maintenance = await steps.start(
      new Maintenance({
        tables: [...warehouse.compactables.values()],
        policy: maintenancePolicy(config.maintenance),
        clock,
        logger,
        mayRun: () => pressure.state === 'normal',
      }),
    )
    const formatFolders = [FORMATS]
    const loader = new Loader({ log, registry, clock, logger, tempDirectory, formatFolders, pressure })
    const loads = new Loads({ loader, tables, clock, logger })
    const { maxBodyBytes, maxRows, idempotencyKeys, ...bounds } = config.ingest
    const poster = new Poster({
      log,
      registry,
      maxRows,
      maxBytes: maxBodyBytes,
      maxKeys: idempotencyKeys,
      clock,
    })
    const admission = new Admission(bounds)
    const admit = (bytes: number) => {
      pressure.requireRoom()
      return admission.enter(bytes)
    }
    const stopping = new AbortController()
    const caughtUp = Promise.all(consumers.map((consumer) => consumer.caughtUp(stopping.signal)))
    let isCaughtUp = false
    caughtUp.then(
      () => {
        isCaughtUp = true
      },
      (error: Error) => logger.debug('stopped before the tables had caught up', { error: error.message }),
    )
    const limits = new QueryLimits({ ...queries, headroom: headroomOf(queries, config.data) })
    const cache = openCache(config.cache, { clock, random, logger })
    steps.onUndo(async () => cache.stop())
    const asking = { rollups: warehouse.rollups, engine, limits, clock, tempDirectory }
    const api = createApi({
      router: new QueryRouter({ ...asking, tables, sessions, conditions, cache }),
      sql: new SqlRouter({ ...asking, tables: warehouse.readable, reader }),
      cache,
      limits,
      timeouts: queries,
      tables,
      derived: warehouse.derived,
      loads,
      schemaRegistry: served,
      maintenance,
      iceberg: { catalog: warehouse.catalog, isReadOnly: config.catalog.readOnly },
      ingest: { poster, admit, maxBodyBytes },
      rollups: warehouse.rollups,
      replay: new Replay({ log, registry, clock, logger }),
      consumers,
      pressure,
      breakers,
      ready: () => isCaughtUp && consumers.every((consumer) => consumer.failure === null),
      clock,
      logger,
      host: config.host,
      port: config.port,
      tempDirectory,
      version: VERSION,
    })
    await loads.start()
    // Together: a request may wait for its load to end.
    steps.onUndo(async () => {
      stopping.abort(new TicklakeError('unavailable', 'the lake is being closed'))
      await Promise.all([api.stop(), loads.stop()])
    })
    await api.start()
    return new Lake({ url: api.url, caughtUp, loader, loads, warehouse, steps })
  }

  /** Takes a load, which runs when its turn comes and is committed at its end; the job tells how it fares. */
  load(request: LoadRequest): LoadJob {
    this.#loads.enter()
    return this.#loads.take(request, async () => {})
  }

  /** True while no table has ever taken a row. */
  get isEmpty(): boolean {
    return [...this.#warehouse.tables.values()].every((table) => {
      const pinned = table.pin()
      pinned.release()
      return pinned.version.offsets.every((offset) => offset === 0)
    })
  }

  /** Stops taking, commits what the tables hold in memory, and gives the folder back. Safe to call twice. */
  async stop(): Promise<void> {
    await this.#steps.undo()
  }
}

/** How the rows of a table are judged; null where they are no market events. */
export function inspectionOf(
  quality: Config['quality'],
  sessions: SessionCalendars,
  table: StreamTable,
  engine: Engine,
  logger: Logger,
): ((start: Ledger) => Promise<Inspector>) | null {
  const { name } = table.definition
  if (name === 'quarantine' || name === 'corrections') return null
  const { largeGap, dedupe } = quality
  return (start) =>
    openInspector(table, start, engine, {
      largeGap,
      rememberedIds: dedupe[name] === 'none' ? 0 : dedupe.rememberedIds,
      logger: logger.child({ table: name }),
      sessions,
    })
}

function headroomOf(
  { maxResidentPercent, minFreeDiskBytes }: Config['queries'],
  directory: string,
): Headroom {
  const maxResidentShare = maxResidentPercent / 100
  return new Headroom({ residentShare, maxResidentShare, directory, minFreeBytes: minFreeDiskBytes })
}

/** The definitions that ship with the program, and those of a folder of one's own. */
function rollupsOf({ shipped, folder }: Config['rollups']): Promise<readonly RollupDefinition[]> {
  return loadRollups([...(shipped ? [ROLLUPS] : []), ...(folder === null ? [] : [folder])])
}

/** What the settings ask for. */
export function maintenancePolicy(settings: Config['maintenance']): MaintenancePolicy {
  const { snapshotMaxAgeMs: maxAgeMs, snapshotMinToKeep: minToKeep, snapshotMaxCount, ...rest } = settings
  return { ...rest, snapshots: { maxAgeMs, minToKeep, maxCount: Math.max(snapshotMaxCount, minToKeep) } }
}

function pressureBounds(settings: Config['pressure']): PressureBounds {
  const { elevatedLag, criticalLag, elevatedHeapPercent, criticalHeapPercent } = settings
  return {
    elevated: { lagRecords: elevatedLag, heapShare: elevatedHeapPercent / 100 },
    critical: { lagRecords: criticalLag, heapShare: criticalHeapPercent / 100 },
  }
}

/** Makes the data folder if it is absent, and takes it. What the system refuses is told with the folder's name. */
async function takeFolder(path: string): Promise<FencedLock> {
  try {
    await makeFolder(path)
    return await FencedLock.take(join(path, 'owner.lock'))
  } catch (error) {
    if (error instanceof TicklakeError) throw error
    const reason = error instanceof Error ? error.message : String(error)
    throw new TicklakeError('unavailable', `cannot use ${path} as data folder: ${reason}`, { cause: error })
  }
}

/** Makes a folder and those above it that are absent. Node's own way of doing so never ends below /proc. */
async function makeFolder(path: string): Promise<void> {
  if (await isFolder(path)) return
  const parent = dirname(path)
  if (parent !== path) await makeFolder(parent)
  await mkdir(path).catch(async (error) => {
    // Another process may have made it meanwhile.
    if (!(await isFolder(path))) throw error
  })
}

/** False also where it cannot be told: making the folder then fails with the reason. */
function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
}

/** What has been started, to be ended in reverse. */
class Steps {
  readonly #undo: (() => Promise<void> | void)[] = []

  onUndo(undo: () => Promise<void> | void): void {
    this.#undo.push(undo)
  }

  async start<S extends Service>(service: S): Promise<S> {
    await service.start()
    this.onUndo(() => service.stop())
    return service
  }

  /** Ends everything, even if one part fails to; then throws what failed first. */
  async undo(): Promise<void> {
    const failures: unknown[] = []
    for (let undo = this.#undo.pop(); undo; undo = this.#undo.pop()) {
      try {
        await undo()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }
}

/** The nearest layer first. */
function openCache(
  { memoryBytes, memoryTtlMs, maxEntryBytes, redisUrl, redisTimeoutMs, redisTtlMs }: Config['cache'],
  { clock, random, logger }: LakeSurroundings,
): AnswerCache {
  const memory = { maxBytes: memoryBytes, maxEntryBytes, ttlMs: memoryTtlMs, clock }
  const redis = { url: redisUrl, timeoutMs: redisTimeoutMs, maxEntryBytes, ttlMs: redisTtlMs, random, logger }
  return new AnswerCache([
    ...(memoryBytes > 0 ? [new MemoryLayer(memory)] : []),
    ...(redisUrl === '' ? [] : [new RedisLayer(redis)]),
  ])
}
