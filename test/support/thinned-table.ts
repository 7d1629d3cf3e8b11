import { join } from 'node:path'
import { expect } from 'vitest'
import type { Engine } from '#engine'
import {
  changeSchema,
  changeSpec,
  currentSchema,
  type DataFile,
  fileColumns,
  type RowFilter,
  type TableMetadata,
} from '#storage'
import { specById } from '../../src/storage/iceberg/metadata.js'
import { setRef } from '../../src/storage/iceberg/snapshot-updates.js'
import { periodOfMicros } from '../../src/storage/iceberg/transform.js'
import { applyUpdates } from '../../src/storage/iceberg/updates.js'
import { compact } from '../../src/storage/maintenance/compact.js'
import { LocalObjectStore, localLocation } from '../../src/storage/objects/local.js'
import { predicatesOf } from '../../src/storage/predicates.js'
import { prepareFiles } from '../../src/storage/prepare.js'
import { FileIndex } from '../../src/storage/prune.js'
import { TableHead } from '../../src/storage/table-head.js'
import { UnnumberedFiles } from '../../src/storage/unnumbered-files.js'
import { commitContext } from './commit-context.js'
import { DrawnDeletes, type Placed, placedIn } from './drawn-deletes.js'
import { ForeignCommit, type ForeignFiles } from './foreign-commit.js'
import { SeededRandom } from './seeded-random.js'
import { createTyped, drawnRow, rowsOf, shownRow, TYPED, type TypedRow, typedTable } from './typed-table.js'

const HOUR = 3_600_000_000n
export const RUN = { signal: new AbortController().signal, progress: () => {} }
/** Small enough for files to be too large now and then. */
export const COMPACTION = { targetBytes: 20_000, minInputs: 3, patient: false }

/** A table on disk that other engines delete from, and what it should hold. */
export class ThinnedTable {
  rows: readonly Placed[] = []
  readonly head: TableHead
  readonly index: FileIndex
  readonly unnumbered: UnnumberedFiles
  readonly #engine: Engine
  readonly #random: SeededRandom
  readonly #folder: string
  readonly deletes: DrawnDeletes
  readonly #versions = new Map<bigint, readonly Placed[]>()
  #names = 0

  private constructor(engine: Engine, random: SeededRandom, head: TableHead, folder: string) {
    this.#engine = engine
    this.unnumbered = new UnnumberedFiles(engine)
    this.#random = random
    this.head = head
    this.#folder = folder
    this.index = new FileIndex(head.context.manifests)
    this.deletes = new DrawnDeletes(engine, random, (kind) => this.nameOf(kind))
  }

  /** Below a folder of its own. */
  static async create(engine: Engine, folder: string, seed: number): Promise<ThinnedTable> {
    const objects = new LocalObjectStore()
    const warehouse = localLocation(folder)
    const random = new SeededRandom(seed)
    const context = commitContext(objects, warehouse, { random })
    await context.catalog.create(TYPED.name, typedTable(`${warehouse}/${TYPED.name}`, []))
    return new ThinnedTable(engine, random, await TableHead.open(TYPED.name, context), folder)
  }

  get compactable() {
    const { head, index, unnumbered } = this
    return { head, layout: TYPED, engine: this.#engine, index, unnumbered }
  }

  get snapshotId(): bigint {
    return this.head.metadata.currentSnapshotId!
  }

  async append(rows = this.#drawn()): Promise<void> {
    const { files, placed } = await this.#written(rows)
    await this.commit([files], [])
    this.rows = [...this.rows, ...placed]
  }

  /** New data, and deletes of old and of new rows, in one commit. */
  async upsert(): Promise<void> {
    const { files, placed } = await this.#written(this.#drawn())
    const byValue = await this.deletes.byValue(this.rows, this.head.metadata)
    const left = [...this.rows.filter((row) => !byValue.deleted(row)), ...placed]
    const byPosition = await this.deletes.byPosition(left)
    await this.commit([files], [...byValue.files, ...byPosition.files])
    this.rows = left.filter((row) => !byPosition.deleted(row))
  }

  async deletePositions(): Promise<void> {
    const { files, deleted } = await this.deletes.byPosition(this.rows)
    await this.commit([], files)
    this.rows = this.rows.filter((row) => !deleted(row))
  }

  async deleteValues(): Promise<void> {
    const { files, deleted } = await this.deletes.byValue(this.rows, this.head.metadata)
    await this.commit([], files)
    this.rows = this.rows.filter((row) => !deleted(row))
  }

  /** Nothing that readers see changes, and nothing is left to delete. */
  async compact(): Promise<void> {
    const { passedOver } = await compact(this.compactable, COMPACTION, RUN)
    expect(passedOver).toBe(0)
    const { live } = await this.index.liveFiles(this.head.metadata, this.head.metadata.currentSnapshotId, [])
    expect(live.filter(({ file }) => file.deletes)).toEqual([])
    expect(await this.index.idleDeletes(this.head.metadata)).toEqual([])
    await this.#checkTotals(live.map(({ file }) => file))
    this.rows = (
      await Promise.all(live.map((one) => placedIn(this.#engine, one, columnsOf(this.head.metadata))))
    ).flat()
  }

  async changeSpec(): Promise<void> {
    const changes = this.#random.pick([
      [{ change: 'add', column: 'moment', transform: 'day' }],
      [{ change: 'add', column: 'symbol', transform: 'bucket[2]' }],
      [{ change: 'add', column: 'exchange', transform: 'identity' }],
    ] as const)
    // Only from the spec without partitions to one of them, and back.
    const { fields } = specById(this.head.metadata, this.head.metadata.defaultSpecId)
    const back = fields.map(({ name }) => ({ change: 'remove', name }) as const)
    await this.change((base) => changeSpec(base, fields.length === 0 ? changes : back, 0))
  }

  async changeSchema(): Promise<void> {
    const column = this.#random.pick(this.head.metadata.schemas.at(-1)!.fields)
    await this.change((base) =>
      column.type === 'int'
        ? changeSchema(base, [{ change: 'widen', name: column.name, type: 'long' }], 0)
        : changeSchema(base, [{ change: 'rename', name: column.name, to: `renamed_${this.#names++}` }], 0),
    )
  }

  async change(apply: (base: TableMetadata) => TableMetadata): Promise<void> {
    let isDone = false
    await this.head.commit({
      id: () => 'change',
      isApplied: () => isDone,
      apply: async (base) => {
        isDone = true
        return apply(base)
      },
    })
  }

  /** As another engine does it: main is a snapshot of before again. */
  async rollBack(snapshotId: bigint): Promise<void> {
    const main = { snapshotId, type: 'branch', extra: {} } as const
    await this.change((base) => applyUpdates(base, [(draft) => setRef(draft, 'main', main)], 0))
  }

  async commit(data: readonly ForeignFiles[], deletes: readonly ForeignFiles[]): Promise<void> {
    await this.head.commit(new ForeignCommit(this.head.context, data, deletes))
  }

  nameOf(kind: string): string {
    return join(this.#folder, TYPED.name, 'data', `${kind}-${this.#names++}.parquet`)
  }

  /** The newest version, whole and by a filter, and older ones. */
  async check(): Promise<void> {
    const { snapshots } = this.head.metadata
    if (snapshots.length === 0) return
    this.#versions.set(this.snapshotId, this.rows)
    await this.#checkVersion(this.snapshotId, {})
    await this.#checkVersion(this.snapshotId, drawnFilter(this.#random))
    const older = snapshots.filter(({ snapshotId }) => this.#versions.has(snapshotId))
    await this.#checkVersion(this.#random.pick(older).snapshotId, {})
    await this.#checkVersion(this.#random.pick(older).snapshotId, drawnFilter(this.#random))
  }

  async read(snapshotId: bigint, filter: RowFilter = {}): Promise<readonly TypedRow[]> {
    const { metadata } = this.head
    const { files } = await this.index.selectFiles(metadata, snapshotId, predicatesOf(TYPED, filter))
    return files.length === 0
      ? []
      : rowsOf(this.#engine, await this.unnumbered.named(metadata, files), metadata)
  }

  async #checkVersion(snapshotId: bigint, filter: RowFilter): Promise<void> {
    const wanted = (this.#versions.get(snapshotId) ?? []).map(({ row }) => row)
    const found = await this.read(snapshotId, filter)
    const shown = (rows: readonly TypedRow[]) =>
      rows
        .filter((row) => matches(row, filter))
        .map(shownRow)
        .sort()
    expect(shown(found)).toEqual(shown(wanted))
  }

  /** The summary's totals are those of what is listed. */
  async #checkTotals(live: readonly DataFile[]): Promise<void> {
    const { summary } = this.head.metadata.snapshots.at(-1)!
    const sum = (of: (file: DataFile) => number) => String(live.reduce((all, file) => all + of(file), 0))
    expect(summary).toMatchObject({
      'total-delete-files': '0',
      'total-position-deletes': '0',
      'total-equality-deletes': '0',
      'total-records': sum(({ recordCount }) => recordCount),
      'total-data-files': String(live.length),
    })
  }

  #drawn(): readonly TypedRow[] {
    return Array.from({ length: 1 + this.#random.below(40) }, () => drawnRow(this.#random, 60))
  }

  async #written(rows: readonly TypedRow[]) {
    const { metadata, context } = this.head
    const relation = `thinned_${this.#names++}`
    await createTyped(this.#engine, relation, rows)
    const days = new Set(rows.map(([moment]) => periodOfMicros('day', BigInt(String(moment)))))
    const { files, specId } = await prepareFiles(
      { layout: TYPED, engine: this.#engine, objects: context.objects, metadata },
      { relation, rowCount: rows.length, days },
      this.head.claimNames().next(),
    )
    await this.#engine.run(`DROP TABLE ${relation}`)
    const placed = await Promise.all(
      files.map((file) => placedIn(this.#engine, { specId, file }, columnsOf(metadata))),
    )
    return { files: { specId, files }, placed: placed.flat() }
  }
}

const columnsOf = (metadata: TableMetadata) => fileColumns(TYPED, currentSchema(metadata))

function matches([moment, symbol]: TypedRow, { symbols, startMicros, endMicros }: RowFilter): boolean {
  if (symbols && !symbols.some((one) => one === symbol)) return false
  const micros = BigInt(String(moment))
  return (
    (startMicros === undefined || micros >= startMicros) && (endMicros === undefined || micros < endMicros)
  )
}

function drawnFilter(random: SeededRandom): RowFilter {
  const startMicros = BigInt(random.below(60) - 2) * HOUR
  return {
    ...(random.oneIn(2) && { symbols: random.pick([['BHP'], ['CBA', 'a/b']]) }),
    ...(random.oneIn(2) && { startMicros, endMicros: startMicros + BigInt(random.below(30)) * HOUR }),
  }
}
