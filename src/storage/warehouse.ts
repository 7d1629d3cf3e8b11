import { randomUUID } from 'node:crypto'
import { join, resolve } from 'node:path'
import {
  type Clock,
  CORRECTIONS,
  invalid,
  type Logger,
  QUARANTINE,
  QUOTES,
  type Random,
  SEQUENCE_GAPS,
  type Service,
  type TableDefinition,
  type TableLayout,
  type TableName,
  TicklakeError,
  TRADES,
} from '#core'
import type { Engine } from '#engine'
import { loadOrCreate } from './catalog/catalog.js'
import type { CatalogServer } from './catalog/catalog-server.js'
import { FileCatalog } from './catalog/file-catalog.js'
import { RestCatalog } from './catalog/rest-catalog.js'
import type { CommitContext } from './commit.js'
import { CommittedTable } from './committed-table.js'
import {
  checkDefinition,
  formatDefinition,
  type RollupDefinition,
  rollupLayout,
} from './derived/definition.js'
import { RollupTable } from './derived/rollup-table.js'
import { GAP_SOURCES, GapTable } from './gap-table.js'
import type { FlushPolicy } from './hot-tail.js'
import { newTableMetadata, type TableMetadata } from './iceberg/metadata.js'
import type { Compactable } from './maintenance/compact.js'
import { Manifests } from './manifests.js'
import { LocalObjectStore, localLocation } from './objects/local.js'
import { currentOffsets } from './position.js'
import { FileIndex } from './prune.js'
import { RowCorrections } from './row-corrections.js'
import { IcebergStreamTable } from './stream-table.js'
import type { StreamTable, VersionedTable } from './table.js'
import { TableHead } from './table-head.js'
import { UnnumberedFiles } from './unnumbered-files.js'

const TABLES: readonly TableDefinition[] = [TRADES, QUOTES, QUARANTINE, CORRECTIONS]

/** Table property: the definition that a rollup was made by. */
const ROLLUP_KEY = 'ticklake.rollup'

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
  /** What is derived of the tables by definition. Default: nothing. */
  readonly rollups?: readonly RollupDefinition[]
  /** Fence number of the lock on the data folder. */
  readonly fence: number
}

/** The tables of one data folder, made at the first start, and what is derived from them. */
export class Warehouse implements Service {
  readonly tables: ReadonlyMap<TableName, StreamTable>
  /** By name: whatever versions can be read of, what is derived included. */
  readonly readable: ReadonlyMap<string, VersionedTable>
  /** By name: those of the tables, and that of what is derived from them. */
  readonly compactables: ReadonlyMap<string, Compactable>
  /** Of these, those that are filled from others, and not from the log. */
  readonly derived: ReadonlyMap<string, Compactable>
  /** Of the tables of events: what corrects their committed rows. */
  readonly corrections: ReadonlyMap<TableName, RowCorrections>
  /** The tables for other engines, and those that they make. */
  readonly catalog: CatalogServer
  /** What is derived of the tables by definition. */
  readonly rollups: readonly RollupTable[]
  readonly #gaps: GapTable

  private constructor(parts: {
    tables: ReadonlyMap<TableName, StreamTable>
    compactables: readonly Compactable[]
    corrections: ReadonlyMap<TableName, RowCorrections>
    gaps: GapTable
    rollups: readonly RollupTable[]
    committed: ReadonlyMap<string, CommittedTable>
    catalog: CatalogServer
  }) {
    this.tables = parts.tables
    this.readable = new Map<string, VersionedTable>([...parts.tables, ...parts.committed])
    this.corrections = parts.corrections
    this.catalog = parts.catalog
    this.rollups = parts.rollups
    this.compactables = new Map(parts.compactables.map((table) => [table.head.name, table]))
    const fromLog = new Set<string>(parts.tables.keys())
    this.derived = new Map([...this.compactables].filter(([name]) => !fromLog.has(name)))
    this.#gaps = parts.gaps
  }

  static async open(options: WarehouseOptions): Promise<Warehouse> {
    const objects = new LocalObjectStore()
    const warehouse = localLocation(join(resolve(options.directory), 'warehouse'))
    const location = `${warehouse}/${NAMESPACE}`
    const catalog = new FileCatalog(objects, location)
    const { clock, random, logger, fence, engine, flush } = options
    const manifests = new Manifests(objects)
    const context: CommitContext = { objects, manifests, catalog, clock, random, logger, fence }
    const index = new FileIndex(manifests)
    const open = async (layout: TableLayout, partitionCount: number, properties = {}) => {
      const made = {
        location: `${location}/${layout.name}`,
        uuid: randomUUID(),
        nowMs: clock.nowMs(),
        partitionCount,
        properties,
      }
      const { metadata } = await loadOrCreate(catalog, layout.name, newTableMetadata(layout, made))
      return new TableHead(layout.name, metadata, context)
    }
    const ofGaps = await open(SEQUENCE_GAPS, GAP_SOURCES.length)
    const gaps = new GapTable({ engine, head: ofGaps, logger })
    const heads = [ofGaps]
    const tables = new Map<TableName, StreamTable>()
    const corrections = new Map<TableName, RowCorrections>()
    for (const definition of TABLES) {
      const { name } = definition
      const head = await open(definition, options.partitionCount)
      heads.push(head)
      checkPartitions(definition, currentOffsets(head.metadata).length, options)
      const { partitionCount } = options
      tables.set(
        name,
        new IcebergStreamTable({ definition, head, partitionCount, engine, index, flush, logger }),
      )
      head.onChange(() => gaps.follow(head))
      if (definition !== TRADES && definition !== QUOTES) continue
      corrections.set(name, new RowCorrections({ head, layout: definition, engine, index }))
    }
    const layouts = new Map<string, TableLayout>(
      [SEQUENCE_GAPS, ...TABLES].map((layout) => [layout.name, layout]),
    )
    const unnumbered = new UnnumberedFiles(engine)
    const rollups: RollupTable[] = []
    for (const definition of options.rollups ?? []) {
      checkDefinition(definition)
      const layout = rollupLayout(definition)
      if (layouts.has(layout.name)) throw invalid('name', layout.name, 'a name that no other table has')
      layouts.set(layout.name, layout)
      const source = heads.find(({ name }) => name === definition.source)!
      const head = await open(layout, 1, { [ROLLUP_KEY]: formatDefinition(definition) })
      checkUnchanged(definition, head.metadata)
      heads.push(head)
      const rollup = new RollupTable({ definition, head, source, engine, index, unnumbered, logger })
      rollups.push(rollup)
      source.onChange(() => rollup.follow())
    }
    const own = heads.map((head) => ({
      head,
      layout: layouts.get(head.name)!,
      isDerived: head === ofGaps || rollups.some((rollup) => rollup.head === head),
    }))
    const catalogServer = new RestCatalog({ context, warehouse, namespace: NAMESPACE, own })
    const compactables = own.map(({ head, layout }): Compactable => {
      const derivation = rollups.find((rollup) => rollup.head === head)
      const followers = rollups.filter(({ definition }) => definition.source === head.name)
      const followed = async () => {
        for (const follower of followers) await follower.settled()
      }
      return { head, layout, engine, index, unnumbered, followed, ...(derivation && { derivation }) }
    })
    const committedGaps = new CommittedTable({ layout: SEQUENCE_GAPS, head: ofGaps, index, unnumbered })
    const committed = new Map([[SEQUENCE_GAPS.name, committedGaps]])
    return new Warehouse({
      tables,
      compactables,
      corrections,
      gaps,
      rollups,
      committed,
      catalog: catalogServer,
    })
  }

  async start(): Promise<void> {
    for (const table of this.tables.values()) await table.start()
    // What was committed before the last end, and is not derived yet.
    for (const { head } of this.compactables.values()) this.#gaps.follow(head)
    for (const rollup of this.rollups) rollup.follow()
  }

  async stop(): Promise<void> {
    for (const table of this.tables.values()) await table.stop()
    await this.#gaps.settled()
    for (const rollup of this.rollups) await rollup.settled()
  }
}

/** The columns of a rollup and what they mean follow from its definition: another one is another table. */
function checkUnchanged(definition: RollupDefinition, { properties }: TableMetadata): void {
  const made = properties[ROLLUP_KEY]
  if (made === formatDefinition(definition)) return
  const message = `${definition.name} is in this data folder already, by another definition: ${made ?? 'none'}`
  throw new TicklakeError('conflict', `${message}. Give the new one a name of its own`)
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
