import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createLogger, formatDecimal, type OffsetVector, SessionCalendars } from '#core'
import { Engine } from '#engine'
import { AnswerCache, QueryRouter, type QueryRouterOptions } from '#query'
import {
  type ExpiryPolicy,
  localPath,
  parseTableCommit,
  type RollupDefinition,
  type RollupTable,
  type RowChange,
  type StreamTable,
  Warehouse,
} from '#storage'
import { loadRollups } from '../../src/cli/rollups.js'
import { compact } from '../../src/storage/maintenance/compact.js'
import { expireSnapshots } from '../../src/storage/maintenance/expire.js'
import { LocalObjectStore } from '../../src/storage/objects/local.js'
import { prepareFiles } from '../../src/storage/prepare.js'
import { FileIndex } from '../../src/storage/prune.js'
import { Rewrite } from '../../src/storage/rewrite.js'
import type { TableHead } from '../../src/storage/table-head.js'
import { DUCKDB_TYPES } from '../../src/storage/tail-segment.js'
import { commitContext } from './commit-context.js'
import { CountedInstruments } from './counted-instruments.js'
import { EVENTS_SPAN_MICROS, EVENTS_START_MICROS, eventRows } from './event-rows.js'
import { literal } from './fixture-table.js'
import { additionRequest } from './foreign-commit.js'
import { logRows } from './log-rows.js'
import { ManualClock } from './manual-clock.js'
import { queryLimits } from './query-limits.js'
import type { Row } from './row-batch.js'
import { SeededRandom } from './seeded-random.js'
import { type TextRouter, textRouter } from './text-router.js'

export const PARTITION_COUNT = 2
/** Of trades; what they let count is up to the tables of conditions. */
const CONDITIONS = [null, '', 'V', 'V R', 'H', 'C', 'H C', '?', 'H,V']
export const RUN = { signal: new AbortController().signal, progress: () => {} }
export const SHIPPED = await loadRollups([new URL('../../config/rollups', import.meta.url).pathname])

/** After all other events, from 1970-01-01. */
export const LARGEST_DAY = 20_000

export type EventTable = 'trades' | 'quotes'

/** A row that was cancelled, or was given another price in a column. */
export interface MadeCorrection {
  readonly partition: number
  readonly offset: number
  /** Scaled by 10^8; null: cancelled. */
  readonly price: bigint | null
  readonly column: string
}

/** Tables of events with rollups, filled with rows that collide as much as they can, and changed in all ways there are. */
export class RolledLake {
  readonly random: SeededRandom
  readonly clock = new ManualClock()
  readonly #seed: number
  readonly #directory: string
  readonly engine: Engine
  readonly #next: Record<EventTable, number[]> = { trades: [0, 0], quotes: [0, 0] }
  readonly #instruments = { trades: new CountedInstruments(), quotes: new CountedInstruments() }
  #fence = 0
  #foreign = 0
  #named = 0
  warehouse!: Warehouse

  private constructor(seed: number, directory: string, engine: Engine) {
    this.random = new SeededRandom(seed)
    this.#seed = seed
    this.#directory = directory
    this.engine = engine
  }

  static async open(seed: number, rollups: readonly RollupDefinition[] = SHIPPED): Promise<RolledLake> {
    const directory = await mkdtemp(join(tmpdir(), 'ticklake-rolled-'))
    const bounds = { memoryLimit: '1GB', threads: 2, connections: 4 }
    const lake = new RolledLake(seed, directory, await Engine.open({ ...bounds, tempDirectory: directory }))
    await lake.start(rollups)
    return lake
  }

  /** A process of its own, with these rollups. */
  async start(rollups: readonly RollupDefinition[]): Promise<void> {
    this.#fence++
    this.warehouse = await Warehouse.open({
      directory: this.#directory,
      engine: this.engine,
      clock: this.clock,
      random: new SeededRandom(this.#seed * 1000 + this.#fence),
      logger: createLogger({ level: 'silent', format: 'text' }),
      partitionCount: PARTITION_COUNT,
      flush: { rows: 1e6, bytes: 2 ** 30, ageMs: 1e9 },
      rollups,
      fence: this.#fence,
    })
    await this.warehouse.start()
  }

  async restart(rollups: readonly RollupDefinition[] = SHIPPED): Promise<void> {
    await this.warehouse.stop()
    await this.start(rollups)
  }

  async close(): Promise<void> {
    await this.warehouse.stop()
    await this.engine.close()
    await rm(this.#directory, { recursive: true })
  }

  table(name: EventTable): StreamTable {
    return this.warehouse.tables.get(name)!
  }

  rollup(name: string): RollupTable {
    return this.warehouse.rollups.find(({ definition }) => definition.name === name)!
  }

  /** A router that reads bars from rollups where it can, or never; what it has read may be kept. */
  router(rollups: readonly RollupTable[], cache = new AnswerCache([])): TextRouter {
    return this.routerWith({ rollups, cache })
  }

  /** A router with other parts than those of the lake. */
  routerWith(differing: Partial<QueryRouterOptions>): TextRouter {
    return textRouter(
      new QueryRouter({
        cache: new AnswerCache([]),
        tables: this.warehouse.tables,
        engine: this.engine,
        sessions: new SessionCalendars([]),
        limits: queryLimits(),
        clock: this.clock,
        tempDirectory: this.#directory,
        ...differing,
      }),
    )
  }

  /** `cells` are those that are not drawn. */
  async append(name: EventTable, count: number, cells: Row = {}): Promise<readonly Row[]> {
    const next = this.#next[name]
    const rows: Row[] = eventRows(this.random, count, 0, name).map((row) => {
      const partition = this.random.below(PARTITION_COUNT)
      const offset = next[partition]!++
      return {
        ...row,
        exchange_nanos: row.exchange_nanos ?? 0,
        message_id: null,
        conditions: name === 'trades' ? this.random.pick(CONDITIONS) : null,
        source_row: BigInt(offset),
        log_partition: partition,
        log_offset: BigInt(offset),
        ...cells,
      }
    })
    await this.#take(name, rows)
    return rows
  }

  /** Trades of one minute of `LARGEST_DAY`, of the largest price and size that there are. */
  async appendLargest(count: number): Promise<void> {
    const [row] = eventRows(this.random, 1, 0, 'trades')
    const largest = 10n ** 18n - 1n
    const rows = Array.from({ length: count }, (): Row => {
      const offset = this.#next.trades[0]!++
      const place = { source_row: BigInt(offset), log_partition: 0, log_offset: BigInt(offset) }
      const time = BigInt(LARGEST_DAY) * 86_400_000_000n
      return { ...row, exchange_nanos: 0, exchange_timestamp: time, price: largest, size: largest, ...place }
    })
    await this.#take('trades', rows)
  }

  async #take(name: EventTable, rows: readonly Row[]): Promise<void> {
    const table = this.table(name)
    const end: OffsetVector = [...this.#next[name]]
    await table.append(logRows(table.definition, rows, this.#instruments[name].take(rows)), end, false)
    this.clock.advance(20)
    await table.visible(end, new AbortController().signal)
  }

  /** Commits the tail; what is derived from it follows, unless somebody waits for it. */
  async flush(name: EventTable): Promise<void> {
    await this.table(name).flush()
  }

  /** Rows of both tables, in files and in the rollups. */
  async fill(count: number): Promise<void> {
    for (const table of ['trades', 'quotes'] as const) {
      await this.append(table, count)
      await this.flush(table)
    }
    await this.settled()
    await this.backfilled()
  }

  async settled(): Promise<void> {
    for (const rollup of this.warehouse.rollups) await rollup.settled()
  }

  async backfilled(): Promise<void> {
    for (const rollup of this.warehouse.rollups) await rollup.backfill(RUN)
  }

  /** Cancels a committed row, or gives it another price. Null when the place that was drawn has none. */
  async correct(name: EventTable): Promise<MadeCorrection | null> {
    const { partition, offset } = this.#place(name)
    const price = this.random.bigBelow(10n ** 10n) + 1n
    const column = name === 'trades' ? 'price' : 'bid_price'
    const isCancelled = this.random.oneIn(2)
    const values = new Map(isCancelled ? [] : [[column, formatDecimal(price)]])
    const isMade = await this.#change(name, { partition, offset }, { isCancelled, values, flags: 0 })
    return isMade ? { partition, offset, price: isCancelled ? null : price, column } : null
  }

  /** Gives a committed row another time, if the place that was drawn has one. */
  async retime(name: EventTable): Promise<void> {
    const values = new Map([['exchange_timestamp', String(this.nanos() / 1000n)]])
    await this.#change(name, this.#place(name), { isCancelled: false, values, flags: 0 })
  }

  #place(name: EventTable) {
    const partition = this.random.below(PARTITION_COUNT)
    return { partition, offset: this.random.below(Math.max(1, this.#next[name][partition]!)) }
  }

  /** False when there is no such row. */
  async #change(
    name: EventTable,
    place: { readonly partition: number; readonly offset: number },
    change: RowChange,
  ): Promise<boolean> {
    const rows = this.warehouse.corrections.get(name)!
    const target = { kind: 'place', ...place, symbol: null, exchange: null } as const
    const plan = await rows.plan([{ target, change }])
    if (plan.refused.size > 0) return false
    const from = rows.position(1)
    await rows.commit(plan, from, [from[0]! + 1])
    return true
  }

  /**
   * Another engine appends rows, which have no place in the log; of several days at once if the table has no spec of days.
   * Those that are named have a message id that no other row has, and no other's nanoseconds: they do not tie.
   */
  async foreign(name: EventTable, count: number, areNamed = false): Promise<readonly Row[]> {
    const { definition } = this.table(name)
    const { metadata } = this.#head(name)
    const rows = eventRows(this.random, count, 0, name).map((row) => ({
      ...row,
      ...(areNamed && this.#nextName()),
      log_partition: null,
      log_offset: null,
      // Nothing is required of other engines.
      ...(this.random.oneIn(6) && { [name === 'trades' ? 'price' : 'bid_price']: null }),
      ...(this.random.oneIn(6) && { exchange: null }),
    }))
    const values = rows.map(
      (row: Row) => `(${definition.columns.map((c) => literal(c.type, row[c.name] ?? null)).join(', ')})`,
    )
    const cells = definition.columns.map(
      ({ name: cell, type }) => `${cell}::${DUCKDB_TYPES[type]} AS ${cell}`,
    )
    const names = definition.columns.map((column) => column.name).join(', ')
    const relation = `(SELECT ${cells.join(', ')} FROM (VALUES ${values.join(', ')}) AS v(${names}))`
    const objects = new LocalObjectStore()
    const written = await prepareFiles(
      { layout: definition, engine: this.engine, objects, metadata },
      { relation, rowCount: count, days: null },
      `foreign-${this.#foreign++}`,
    )
    const context = commitContext(objects, 'file:///nowhere', { clock: this.clock, random: this.random })
    const snapshotId = 2n ** 62n + BigInt(this.random.id())
    const request = await additionRequest(context, metadata, { data: [written], deletes: [], snapshotId })
    const identifier = { namespace: 'market_data', name }
    await this.warehouse.catalog.commit(identifier, parseTableCommit(request, 'commit'))
    return rows
  }

  #nextName(): Row {
    const number = this.#named++
    return { message_id: `foreign ${number}`, exchange_nanos: 2 + (number % 998) }
  }

  /** Some files leave the table, with their rows. Where they lie. */
  async drop(name: EventTable): Promise<readonly string[]> {
    const head = this.#head(name)
    const { metadata, context } = head
    const { currentSnapshotId: snapshotId } = metadata
    const index = new FileIndex(context.manifests)
    const { live } = await index.liveFiles(metadata, snapshotId, [])
    const removed = live.map(({ file }) => file).filter(() => this.random.oneIn(4))
    if (snapshotId === null || removed.length === 0) return []
    await head.commit(new Rewrite(context, { operation: 'delete', snapshotId, removed, added: [] }))
    return removed.map(({ path }) => localPath(path))
  }

  #head(name: string): TableHead {
    return this.warehouse.compactables.get(name)!.head
  }

  /** Of a table of events, or of a rollup. */
  async compact(name: string): Promise<void> {
    const options = { targetBytes: 1 << 20, minInputs: 2, patient: false }
    await compact(this.warehouse.compactables.get(name)!, options, RUN)
  }

  /** Lets old snapshots go, of a table of events or of a rollup, and their files. */
  async expire(name: string, policy: ExpiryPolicy): Promise<void> {
    await expireSnapshots(this.#head(name), policy, RUN)
  }

  /** A time in or around those that have events. */
  nanos(): bigint {
    const micros = EVENTS_START_MICROS + this.random.bigBelow(EVENTS_SPAN_MICROS)
    const unit = this.random.pick([1n, 1000n, 60_000_000_000n, 3_600_000_000_000n])
    return ((micros * 1000n + this.random.bigBelow(1000n)) / unit) * unit
  }
}
