import { type Clock, createLogger, SessionCalendars, systemClock, type TableName, TRADES } from '#core'
import type { Engine } from '#engine'
import { Consumer, openInspector, Producer } from '#ingest'
import { type StreamTable, Warehouse } from '#storage'
import type { InspectionPolicy } from '../../src/ingest/inspector.js'
import type { Log } from '../../src/ingest/log/log.js'
import type { SchemaRegistry } from '../../src/ingest/registry/registry.js'
import type { Row } from './row-batch.js'
import { SeededRandom } from './seeded-random.js'
import { encodeColumns, plausibleTrades } from './table-records.js'

export const PARTITION_COUNT = 2
export const UNKNOWN_WAIT_MS = 3_000

const logger = createLogger({ level: 'silent', format: 'text' })

export const POLICY: InspectionPolicy = {
  rememberedIds: 0,
  largeGap: 'continue',
  logger,
  sessions: new SessionCalendars([]),
}

/** Tables that are being read into. */
export interface Reading {
  readonly table: (name: TableName) => StreamTable
  /** Of trades and of quarantine. */
  readonly consumers: readonly Consumer[]
  stop(): Promise<void>
}

export interface ReadingOptions {
  readonly directory: string
  readonly engine: Engine
  readonly log: Log
  readonly registry: SchemaRegistry
  /** Of the consumers; tables have the system's. */
  readonly clock: Clock
  readonly fence: number
  readonly flushRows: number
  readonly policy: InspectionPolicy
}

/** Tables and consumers of trades and quarantine, on a log that has their topics. */
export async function openReading(options: ReadingOptions): Promise<Reading> {
  const { directory, engine, log, registry, clock, fence, flushRows, policy } = options
  const warehouse = await Warehouse.open({
    directory,
    engine,
    clock: systemClock,
    random: new SeededRandom(fence),
    logger,
    partitionCount: PARTITION_COUNT,
    flush: { rows: flushRows, bytes: 2 ** 30, ageMs: 3_600_000 },
    fence,
  })
  await warehouse.start()
  const table = (name: TableName) => {
    const found = warehouse.tables.get(name)
    if (!found) throw new Error(`a warehouse has ${name}`)
    return found
  }
  const consumers = (['trades', 'quarantine'] as const).map(
    (name) =>
      new Consumer({
        log,
        registry,
        table: table(name),
        inspect: name === 'trades' ? (start) => openInspector(table(name), start, engine, policy) : null,
        clock,
        logger,
        unknownWaitMs: UNKNOWN_WAIT_MS,
        maxAddedColumns: 8,
      }),
  )
  for (const consumer of consumers) await consumer.start()
  return {
    table,
    consumers,
    stop: async () => {
      for (const consumer of consumers) await consumer.stop()
      await warehouse.stop()
    },
  }
}

export function trades(seed: number, count: number): Row[] {
  return plausibleTrades(new SeededRandom(seed), count)
}

/** Appends trades as a load does. */
export async function appendTrades(
  log: Log,
  registry: SchemaRegistry,
  records: readonly Row[],
): Promise<void> {
  const producer = await Producer.open(TRADES, registry)
  const columns = new Map(
    encodeColumns(TRADES, records).map((column, index) => [FIELD_NAMES[index] ?? '', column]),
  )
  const rows = BigInt64Array.from({ length: records.length }, (_, row) => BigInt(row + 1))
  const source = { sourceId: 'abcdefghjkmn', fileName: 'trades.csv' }
  const values = producer.accepted(columns, records.length, source, rows)
  await log.append({ records: new Map([[TRADES.topic, values]]) })
}

const FIELD_NAMES = [
  ...TRADES.columns.filter((column) => column.origin === 'record').map((column) => column.name),
  'source_row',
]

export async function rowCount(table: StreamTable): Promise<number> {
  const pinned = table.pin()
  const { files } = await pinned.select({})
  pinned.release()
  return [...files.map((file) => file.recordCount), ...pinned.tail.map((slice) => slice.rowCount)].reduce(
    (sum, count) => sum + count,
    0,
  )
}
