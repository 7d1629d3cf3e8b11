import {
  type ApiServer,
  createApi,
  type FileLoader,
  type IngestRouteOptions,
  Loads,
  type RecordReplay,
  type Vitals,
} from '#api'
import { type Clock, createLogger, systemClock } from '#core'
import { EmbeddedRegistry } from '#ingest'
import { AnswerCache, type LimitBounds } from '#query'
import { MemoryStore } from '../../src/ingest/log/memory-store.js'
import { type LakeFixture, openLakeFixture } from './lake-fixture.js'
import { maintenanceOf } from './maintained.js'
import { memoryCatalog } from './memory-catalog.js'

/** A server on a free port over fixture tables. */
export interface ApiFixture {
  readonly url: string
  readonly server: ApiServer
  readonly loads: Loads
  readonly lake: LakeFixture
  setReady(ready: boolean): void
  /** What the readers of the log and the services outside are said to be like. */
  readonly vitals: { consumers: Vitals['consumers'][number][]; breakers: Vitals['breakers'][number][] }
  close(): Promise<void>
}

const REFUSING: FileLoader = {
  load: async () => {
    throw new Error('this fixture loads nothing')
  },
}

const TAKING_NOTHING: IngestRouteOptions = {
  poster: {
    post: async () => {
      throw new Error('this fixture takes no rows')
    },
  },
  admit: () => () => {},
  maxBodyBytes: 1024,
}

const REPLAYING_NOTHING: RecordReplay = {
  replay: async () => {
    throw new Error('this fixture replays nothing')
  },
}

export async function openApiFixture(
  loaderOf: (lake: LakeFixture) => FileLoader = () => REFUSING,
  clock: Clock = systemClock,
  schemaRegistry: EmbeddedRegistry | string = new EmbeddedRegistry(new MemoryStore()),
  ingest: Partial<IngestRouteOptions> = {},
  isCatalogReadOnly = false,
  bounds: Partial<LimitBounds> = {},
): Promise<ApiFixture> {
  const lake = await openLakeFixture(undefined, [], bounds)
  const logger = createLogger({ level: 'silent', format: 'json' })
  const { queries: router, limits, tables, directory } = lake
  const loads = new Loads({ loader: loaderOf(lake), tables, clock, logger })
  let ready = true
  const vitals: ApiFixture['vitals'] = { consumers: [], breakers: [] }
  const server = createApi({
    router,
    sql: lake.sql,
    limits,
    cache: new AnswerCache([]),
    timeouts: { timeoutMs: 30_000, maxTimeoutMs: 300_000 },
    tables,
    derived: new Map(),
    loads,
    schemaRegistry,
    maintenance: maintenanceOf([], clock),
    iceberg: { catalog: memoryCatalog(clock), isReadOnly: isCatalogReadOnly },
    ingest: { ...TAKING_NOTHING, ...ingest },
    replay: REPLAYING_NOTHING,
    rollups: [],
    ...vitals,
    pressure: { state: 'normal' },
    ready: () => ready,
    clock,
    logger,
    host: '127.0.0.1',
    port: 0,
    tempDirectory: directory,
    version: '0.0.0',
  })
  await server.start()
  return {
    url: server.url,
    server,
    loads,
    lake,
    vitals,
    setReady: (value) => {
      ready = value
    },
    close: async () => {
      await server.stop()
      await loads.stop()
      lake.close()
    },
  }
}
