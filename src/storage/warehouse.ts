import { randomUUID } from 'node:crypto'
import { join, resolve } from 'node:path'
import {
  type Clock,
  type Logger,
  QUARANTINE,
  QUOTES,
  type Random,
  type Service,
  type TableDefinition,
  type TableName,
  TicklakeError,
  TRADES,
} from '#core'
import type { Engine } from '#engine'
import { FileCatalog } from './catalog/file-catalog.js'
import { type CommitContext, currentOffsets } from './commit.js'
import type { FlushPolicy } from './hot-tail.js'
import { newTableMetadata } from './iceberg/metadata.js'
import { LocalObjectStore, localLocation } from './objects/local.js'
import { FileIndex } from './prune.js'
import { IcebergStreamTable } from './stream-table.js'
import type { StreamTable } from './table.js'

const TABLES: readonly TableDefinition[] = [TRADES, QUOTES, QUARANTINE]

/** The namespace of the tables, and so their folder below the warehouse. */
const NAMESPACE = 'market_data'

export interface WarehouseOptions {
  /** The data folder; tables are at <directory>/warehouse/market_data/<table>. */
  readonly directory: string
  readonly engine: Engine
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Partitions of each topic: the length of every offset vector. */
  readonly partitionCount: number
  /** Take a greater number than the tables were filled from. Default: no. */
  readonly acceptAddedPartitions?: boolean
  readonly flush: FlushPolicy
  /** Fence number of the lock on the data folder. */
  readonly fence: number
}

/** The tables of one data folder, made at the first start. */
export class Warehouse implements Service {
  readonly tables: ReadonlyMap<TableName, StreamTable>

  private constructor(tables: ReadonlyMap<TableName, StreamTable>) {
    this.tables = tables
  }

  static async open(options: WarehouseOptions): Promise<Warehouse> {
    const objects = new LocalObjectStore()
    const location = localLocation(join(resolve(options.directory), 'warehouse', NAMESPACE))
    const catalog = new FileCatalog(objects, location)
    const { clock, random, logger, fence, engine, flush } = options
    const context: CommitContext = { objects, catalog, clock, random, logger, fence }
    const index = new FileIndex(objects)
    const existing = new Set(await catalog.list())
    const tables = new Map<TableName, StreamTable>()
    for (const definition of TABLES) {
      const { metadata } = existing.has(definition.name)
        ? await catalog.load(definition.name)
        : await catalog.create(definition.name, firstMetadata(definition, location, options))
      checkPartitions(definition, currentOffsets(metadata).length, options)
      tables.set(
        definition.name,
        new IcebergStreamTable({
          definition,
          metadata,
          partitionCount: options.partitionCount,
          engine,
          context,
          index,
          flush,
          logger,
        }),
      )
    }
    return new Warehouse(tables)
  }

  async start(): Promise<void> {
    for (const table of this.tables.values()) await table.start()
  }

  async stop(): Promise<void> {
    for (const table of this.tables.values()) await table.stop()
  }
}

function checkPartitions(
  { topic }: TableDefinition,
  filledFrom: number,
  { partitionCount, acceptAddedPartitions = false }: WarehouseOptions,
): void {
  if (filledFrom === partitionCount || (filledFrom < partitionCount && acceptAddedPartitions)) return
  const accept =
    filledFrom < partitionCount
      ? '. If it may be broken once, start with log.acceptAddedPartitions set to true'
      : ''
  throw new TicklakeError(
    'conflict',
    `${topic} has ${filledFrom} partitions in this data folder and ${partitionCount} in the configuration: ` +
      `changing the number would break the order of each symbol's rows${accept}`,
  )
}

function firstMetadata(definition: TableDefinition, location: string, options: WarehouseOptions) {
  return newTableMetadata(definition, {
    location: `${location}/${definition.name}`,
    uuid: randomUUID(),
    nowMs: options.clock.nowMs(),
    partitionCount: options.partitionCount,
  })
}
