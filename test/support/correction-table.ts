import { mkdtemp } from 'node:fs/promises'
import { join } from 'node:path'
import { formatDecimal, MICROS_PER_DAY, TRADES } from '#core'
import { type Engine, sqlString } from '#engine'
import { fileColumns, parquetRelation, RowCorrections } from '#storage'
import { Append } from '../../src/storage/append.js'
import { FileCatalog } from '../../src/storage/catalog/file-catalog.js'
import { currentSchema, newTableMetadata } from '../../src/storage/iceberg/metadata.js'
import { compact } from '../../src/storage/maintenance/compact.js'
import { LocalObjectStore, localLocation } from '../../src/storage/objects/local.js'
import { currentOffsets } from '../../src/storage/position.js'
import { prepareFiles } from '../../src/storage/prepare.js'
import { FileIndex } from '../../src/storage/prune.js'
import { TableHead } from '../../src/storage/table-head.js'
import { UnnumberedFiles } from '../../src/storage/unnumbered-files.js'
import { commitContext } from './commit-context.js'
import { type Fault, FaultyObjectStore } from './faulty-object-store.js'
import { ManualClock } from './manual-clock.js'
import { SeededRandom } from './seeded-random.js'

const objects = new LocalObjectStore()
const RUN = { signal: new AbortController().signal, progress: () => {} }
const FIRST_DAY = 16_000

export interface Trade {
  readonly offset: number
  readonly symbol: string
  readonly messageId: string | null
  readonly micros: bigint
  /** Scaled by 10^8. */
  readonly price: bigint
  readonly flags: number
}

/** A table of trades of one partition; its corrections are a plain list, as a topic would be. */
export class CorrectionTable {
  readonly location: string
  head: TableHead
  rows: RowCorrections
  readonly #engine: Engine
  readonly #index: FileIndex
  #fence = 1
  readonly #fault: () => Fault

  private constructor(engine: Engine, location: string, head: TableHead, fault: () => Fault) {
    this.#engine = engine
    this.location = location
    this.head = head
    this.#fault = fault
    this.#index = new FileIndex(head.context.manifests)
    this.rows = this.#corrections()
  }

  /** In a folder of its own, below `directory`. What the first process writes does not fail. */
  static async open(
    engine: Engine,
    directory: string,
    seed: number,
    fault: () => Fault = () => 'none',
  ): Promise<CorrectionTable> {
    const location = localLocation(await mkdtemp(join(directory, 'warehouse-')))
    const catalog = new FileCatalog(objects, location)
    const options = { location: `${location}/trades`, uuid: 'u', nowMs: 0, partitionCount: 1 }
    const { metadata } = await catalog.create(TRADES.name, newTableMetadata(TRADES, options))
    return new CorrectionTable(engine, location, headOver(location, objects, metadata, seed, 1), fault)
  }

  /** A process of its own, that knows what is committed and nothing else. Its writes may fail. */
  async restart(): Promise<void> {
    const store = new FaultyObjectStore(objects, this.#fault)
    const { metadata } = await new FileCatalog(objects, this.location).load(TRADES.name)
    this.#fence++
    this.head = headOver(this.location, store, metadata, this.#fence * 1000, this.#fence)
    this.rows = this.#corrections()
  }

  #corrections(): RowCorrections {
    return new RowCorrections({ head: this.head, layout: TRADES, engine: this.#engine, index: this.#index })
  }

  async append(trades: readonly Trade[]): Promise<void> {
    const { metadata, context } = this.head
    const cells = TRADES.columns.map(({ name }) => name)
    const values = trades.map((trade) => {
      const given: Readonly<Record<string, string>> = {
        symbol: sqlString(trade.symbol),
        exchange: `'ASX'`,
        exchange_timestamp: `make_timestamptz(${trade.micros})`,
        exchange_nanos: '0',
        price: `CAST('${formatDecimal(trade.price)}' AS DECIMAL(18,8))`,
        size: `CAST('1' AS DECIMAL(18,8))`,
        side: `'unknown'`,
        message_id: trade.messageId === null ? 'NULL' : sqlString(trade.messageId),
        quality_flags: String(trade.flags),
        ingest_timestamp: 'make_timestamptz(0)',
        source: `'feed'`,
        log_partition: '0',
        log_offset: String(trade.offset),
      }
      return `(${cells.map((name) => given[name] ?? 'NULL').join(', ')})`
    })
    const types = TRADES.columns.map(({ name, type }) => `${name}::${SQL_TYPES[type]} AS ${name}`)
    const relation = `(SELECT ${types.join(', ')} FROM (VALUES ${values.join(', ')}) AS v(${cells.join(', ')}))`
    const days = new Set(trades.map(({ micros }) => Number(micros / BigInt(MICROS_PER_DAY))))
    const { files, specId } = await prepareFiles(
      { layout: TRADES, engine: this.#engine, objects, metadata },
      { relation, rowCount: trades.length, days },
      this.head.claimNames().next(),
    )
    const from = currentOffsets(metadata)
    const to = [Math.max(...trades.map(({ offset }) => offset)) + 1]
    await this.head.commit(new Append(context, { files, specId, from, to, summary: {} }))
  }

  async compact(): Promise<void> {
    const unnumbered = new UnnumberedFiles(this.#engine)
    const { head } = this
    const options = { targetBytes: 1 << 20, minInputs: 2, patient: false }
    const engine = this.#engine
    await compact({ head, layout: TRADES, engine, index: this.#index, unnumbered }, options, RUN)
  }

  async trades(snapshotId = this.head.metadata.currentSnapshotId): Promise<readonly Trade[]> {
    const { metadata } = this.head
    const { files } = await this.#index.selectFiles(metadata, snapshotId, [])
    if (files.length === 0) return []
    const relation = parquetRelation(files, fileColumns(TRADES, currentSchema(metadata)))
    const { columns, rowCount } = await this.#engine.read(
      `SELECT log_offset::INTEGER, symbol, message_id, epoch_us(exchange_timestamp),
         (price * 100000000)::BIGINT, quality_flags FROM ${relation} ORDER BY log_offset`,
    )
    return Array.from({ length: rowCount }, (_, row) => ({
      offset: Number(columns[0]![row]),
      symbol: String(columns[1]![row]),
      messageId: columns[2]![row] === null ? null : String(columns[2]![row]),
      micros: BigInt(String(columns[3]![row])),
      price: BigInt(String(columns[4]![row])),
      flags: Number(columns[5]![row]),
    }))
  }
}

const SQL_TYPES = {
  string: 'VARCHAR',
  int: 'INTEGER',
  long: 'BIGINT',
  timestamptz: 'TIMESTAMPTZ',
  decimal: 'DECIMAL(18,8)',
  binary: 'BLOB',
} as const

function headOver(
  location: string,
  store: LocalObjectStore | FaultyObjectStore,
  metadata: ConstructorParameters<typeof TableHead>[1],
  seed: number,
  fence: number,
): TableHead {
  const [clock, random] = [new ManualClock(1_400_000_000_000), new SeededRandom(seed)]
  return new TableHead(TRADES.name, metadata, commitContext(store, location, { clock, random, fence }))
}

/** The trade at an offset of the log. */
export function trade(offset: number, cells: Partial<Trade> = {}): Trade {
  const micros = BigInt(FIRST_DAY) * BigInt(MICROS_PER_DAY) + BigInt(offset)
  const base = { symbol: 'BHP', messageId: `m${offset}`, micros, price: 10n ** 8n, flags: 0 }
  return { offset, ...base, ...cells }
}
