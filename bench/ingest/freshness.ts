// Freshness: rows are produced at a steady rate through the real producer and log, and a client in another process
// asks over HTTP until it sees them. One row of each batch is a probe.
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { Admission, createApi, Loads } from '#api'
import { SessionCalendars, systemClock, TRADES } from '#core'
import { EmptyEngine } from '#engine'
import { Loader, Poster, Replay } from '#ingest'
import { AnswerCache, QueryRouter, SqlRouter } from '#query'
import { maintenanceOf } from '../../test/support/maintained.js'
import { queryLimits } from '../../test/support/query-limits.js'
import { AnonymousMemory } from '../anonymous-memory.js'
import { childInput, runChild } from '../child.js'
import { MadeEvents } from '../made-events.js'
import { median, percentile } from '../statistics.js'
import { logger, openParts, type Parts } from './parts.js'
import type { Sighting } from './poll.js'

export interface FreshnessResult {
  readonly rowsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  readonly polls: number
  readonly snapshots: number
  readonly peakAnonymousBytes: number
}

const BATCH_EVERY_MS = 10

const input = childInput<{ folder: string; rowsPerSecond: number; seconds: number }>()
const batchCount = (input.seconds * 1000) / BATCH_EVERY_MS
const batchRows = (input.rowsPerSecond * BATCH_EVERY_MS) / 1000

async function serve(parts: Parts) {
  const { log, registry, tables, engine, catalog, config } = parts
  const tempDirectory = join(config.data, 'temp')
  const loader = new Loader({ log, registry, clock: systemClock, logger, tempDirectory, formatFolders: [] })
  const { maxBodyBytes, maxRows, idempotencyKeys, ...bounds } = config.ingest
  const admission = new Admission(bounds)
  const limits = queryLimits()
  const cache = new AnswerCache([])
  const api = createApi({
    limits,
    cache,
    timeouts: config.queries,
    router: new QueryRouter({
      cache,
      tables,
      engine,
      sessions: new SessionCalendars([]),
      limits,
      clock: systemClock,
      tempDirectory,
    }),
    sql: new SqlRouter({
      tables,
      rollups: [],
      engine,
      reader: await EmptyEngine.open(),
      limits,
      clock: systemClock,
      tempDirectory,
    }),
    tables,
    derived: new Map(),
    loads: new Loads({ loader, tables, clock: systemClock, logger }),
    schemaRegistry: registry,
    maintenance: maintenanceOf([], systemClock),
    rollups: [],
    iceberg: { catalog, isReadOnly: config.catalog.readOnly },
    ingest: {
      poster: new Poster({
        log,
        registry,
        clock: systemClock,
        maxRows,
        maxBytes: maxBodyBytes,
        maxKeys: idempotencyKeys,
      }),
      admit: (bytes) => admission.enter(bytes),
      maxBodyBytes,
    },
    replay: new Replay({ log, registry, clock: systemClock, logger }),
    consumers: [],
    pressure: { state: 'normal' },
    breakers: [],
    ready: () => true,
    clock: systemClock,
    logger,
    host: '127.0.0.1',
    port: 0,
    tempDirectory,
    version: 'benchmark',
  })
  await api.start()
  return api
}

/** Appends a batch every 10 ms; gives, for each, the time before it was made. A late batch is made up for at once. */
async function produce(parts: Parts): Promise<number[]> {
  const made = await MadeEvents.open(parts.registry, {
    of: 'trades',
    rowCount: batchCount * batchRows,
    days: 1,
    symbols: 400,
  })
  const producedMs: number[] = []
  const startedMs = performance.now()
  for (let batch = 0; batch < batchCount; batch++) {
    const waitMs = startedMs + batch * BATCH_EVERY_MS - performance.now()
    if (waitMs > 0) await after(waitMs)
    producedMs.push(performance.timeOrigin + performance.now())
    await parts.log.append({ records: new Map([[TRADES.topic, made.take(batchRows - 1, 1)]]) })
  }
  return producedMs
}

const parts = await openParts(join(input.folder, 'log'), join(input.folder, 'data'))
const consumer = parts.consumer()
await consumer.start()
const api = await serve(parts)
const memory = new AnonymousMemory()
const client = runChild<Sighting[]>('ingest/poll.ts', { url: api.url, expected: batchCount })
const startedMs = performance.now()
const producedMs = await produce(parts)
const producedSeconds = (performance.now() - startedMs) / 1000
const sightings = await client
const peakAnonymousBytes = memory.stop()
await api.stop()
await consumer.stop()
const snapshots = parts.trades.metadata().snapshots.length
await parts.stop()

const latenciesMs: number[] = []
for (const { count, atMs } of sightings) {
  while (latenciesMs.length < count) latenciesMs.push(atMs - producedMs[latenciesMs.length]!)
}
const result: FreshnessResult = {
  rowsPerSecond: (batchCount * batchRows) / producedSeconds,
  p50Ms: median(latenciesMs),
  p99Ms: percentile(latenciesMs, 0.99),
  maxMs: percentile(latenciesMs, 1),
  polls: sightings.length,
  snapshots,
  peakAnonymousBytes,
}
console.log(JSON.stringify(result))
