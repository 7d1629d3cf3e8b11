import { createLogger } from '#core'
import type { Engine } from '#engine'
import { changeSchema, changeSpec, fileColumns, parquetRelation, type TableMetadata } from '#storage'
import { Append } from '../../src/storage/append.js'
import { FileCatalog } from '../../src/storage/catalog/file-catalog.js'
import type { CommitContext, TableChange } from '../../src/storage/commit.js'
import { currentSchema } from '../../src/storage/iceberg/metadata.js'
import { periodOfMicros } from '../../src/storage/iceberg/transform.js'
import { compact } from '../../src/storage/maintenance/compact.js'
import { expireSnapshots } from '../../src/storage/maintenance/expire.js'
import { removeOrphans } from '../../src/storage/maintenance/orphans.js'
import { rewriteManifests } from '../../src/storage/maintenance/rewrite-manifests.js'
import { Manifests } from '../../src/storage/manifests.js'
import { LocalObjectStore, localLocation } from '../../src/storage/objects/local.js'
import { currentOffsets } from '../../src/storage/position.js'
import { prepareFiles } from '../../src/storage/prepare.js'
import { FileIndex } from '../../src/storage/prune.js'
import { TableHead } from '../../src/storage/table-head.js'
import { UnnumberedFiles } from '../../src/storage/unnumbered-files.js'
import { ManualClock } from '../support/manual-clock.js'
import type { SeededRandom } from '../support/seeded-random.js'
import { createTyped, drawnRow, rowsOf, shownRow, TYPED, type TypedRow, typedTable } from '../support/typed-table.js'
import { Died, Mortal, MortalObjects, mortalEngine } from './mortal.js'

export interface TableLifeOptions {
  readonly random: SeededRandom
  readonly engine: Engine
  /** The table's own. */
  readonly directory: string
  /** A reader's hold is not heard of: expiry takes what is being read. */
  readonly isHoldBroken?: boolean
}

/** The rows of a snapshot, as text, in no order. */
type Rows = readonly string[]

/** A reader that has pinned a version and reads on. */
interface Reader {
  readonly metadata: TableMetadata
  readonly snapshotId: bigint
  readonly release: () => void
}

const DAY_MS = 86_400_000
/** Files of some hundred bytes, so that a handful of them is one. */
const TARGET_BYTES = 6_000
const RUN = { signal: new AbortController().signal, progress: () => {} }
const SILENT = createLogger({ level: 'silent', format: 'text' })
const SPECS = [
  [{ kind: 'add', column: 'moment', transform: 'hour' }],
  [{ kind: 'add', column: 'symbol', transform: 'bucket[3]' }],
  [{ kind: 'add', column: 'exchange', transform: 'identity' }],
] as const

/** Years of one table: everything that is done to it, in any order, held against plain lists of rows. */
export class TableLife {
  readonly done: string[] = []
  readonly #options: TableLifeOptions
  readonly #clock: ManualClock
  readonly #warehouse: string
  /** What each snapshot holds. */
  readonly #versions = new Map<bigint, Rows>()
  #rows: Rows = []
  #owners = 0
  #names = 0
  #process: Mortal
  #head: TableHead
  #readers: Reader[] = []

  private constructor(options: TableLifeOptions, clock: ManualClock, warehouse: string) {
    this.#options = options
    this.#clock = clock
    this.#warehouse = warehouse
    this.#process = new Mortal(options.random)
    // Replaced by `begin` before anybody sees it.
    this.#head = undefined as unknown as TableHead
  }

  static async begin(options: TableLifeOptions, nowMs: number): Promise<TableLife> {
    const warehouse = localLocation(options.directory)
    const catalog = new FileCatalog(new LocalObjectStore(), warehouse)
    await catalog.create(TYPED.name, typedTable(`${warehouse}/${TYPED.name}`, [['moment', 'day']]))
    const life = new TableLife(options, new ManualClock(nowMs), warehouse)
    await life.#restart()
    return life
  }

  /** One thing that may happen; the process may die of it. */
  async step(): Promise<void> {
    const { random } = this.#options
    const mayDie = random.oneIn(4)
    const step = random.pick(STEPS)
    if (mayDie) this.#process.dieAfter(random.below(25))
    this.done.push(`${step}${mayDie ? ', and may die of it' : ''}`)
    this.#clock.advance(random.below(3) * 3_600_000)
    try {
      await this[step]()
    } catch (error) {
      if (!this.#process.isDead) throw error
    }
    this.#process.dieAfter(Number.POSITIVE_INFINITY)
    if (this.#process.isDead) await this.#restart()
  }

  /** What is wrong with the table, or null: the newest version, three older ones, and what readers have pinned. */
  async problem(): Promise<string | null> {
    const { random } = this.#options
    const { metadata } = this.#head
    const problems: (string | null)[] = []
    if (metadata.currentSnapshotId !== null) {
      this.#versions.set(metadata.currentSnapshotId, this.#rows)
      problems.push(await this.#difference(metadata, metadata.currentSnapshotId, 'the newest version'))
    }
    const older = metadata.snapshots.filter(({ snapshotId }) => this.#versions.has(snapshotId))
    for (let count = 0; count < 3 && older.length > 0; count++) {
      const { snapshotId } = random.pick(older)
      problems.push(await this.#difference(metadata, snapshotId, `snapshot ${snapshotId}`))
    }
    for (const reader of this.#readers) {
      problems.push(await this.#difference(reader.metadata, reader.snapshotId, 'what a reader has pinned'))
    }
    return problems.find((problem) => problem !== null) ?? null
  }

  /** Ends it: every reader lets go. */
  end(): void {
    for (const { release } of this.#readers.splice(0)) release()
  }

  async append(): Promise<void> {
    await this.#append(Array.from({ length: 1 + this.#options.random.below(30) }, () => this.#row()))
  }

  /** Rows of days that were long over. */
  async appendLate(): Promise<void> {
    const [row] = [this.#row()]
    await this.#append([[-1n * BigInt(this.#options.random.below(1000)), ...row.slice(1)]])
  }

  async compact(): Promise<void> {
    await compact(this.#compactable(), this.#compaction(), RUN)
  }

  async compactWhileAppending(): Promise<void> {
    await this.#together([this.compact(), this.append(), this.append()])
  }

  async rewriteManifests(): Promise<void> {
    await rewriteManifests(this.#head)
  }

  async expire(): Promise<void> {
    const { random } = this.#options
    const maxAgeMs = random.pick([0, 3_600_000, DAY_MS])
    await expireSnapshots(this.#head, { maxAgeMs, minToKeep: 1 + random.below(4), maxCount: 12 }, RUN)
  }

  async expireWhileAppending(): Promise<void> {
    await this.#together([this.expire(), this.append(), this.append()])
  }

  async removeOrphans(): Promise<void> {
    // Files are as old as the disk says, so that what was written until now is old enough to go.
    this.#clock.advance(2 * 3_600_000)
    await removeOrphans(this.#head, { olderThanMs: 3_600_000, dryRun: this.#options.random.oneIn(4) }, RUN)
  }

  async changeSchema(): Promise<void> {
    const { random } = this.#options
    const own = currentSchema(this.#head.metadata).fields.filter(({ id }) => id > TYPED.columns.length)
    const name = `column_${this.#names++}`
    const change =
      own.length === 0 || random.oneIn(2)
        ? ({ kind: 'add', name, type: random.pick(['string', 'double', 'long', 'decimal(9, 2)']) } as const)
        : random.oneIn(2)
          ? ({ kind: 'rename', column: random.pick(own).name, to: name } as const)
          : ({ kind: 'drop', column: random.pick(own).name } as const)
    await this.#change((base) => changeSchema(base, [change], this.#clock.nowMs()))
  }

  async widen(): Promise<void> {
    await this.#change((base) =>
      changeSchema(base, [{ kind: 'widen', column: 'flags', type: 'long' }], this.#clock.nowMs()),
    )
  }

  async changeSpec(): Promise<void> {
    const changes = this.#options.random.pick(SPECS)
    await this.#change((base) => changeSpec(base, changes, this.#clock.nowMs())).catch(ifRefused)
  }

  async beginToRead(): Promise<void> {
    const { metadata } = this.#head
    const snapshotId = metadata.currentSnapshotId
    if (snapshotId === null || this.#readers.length > 3) return
    const release = this.#options.isHoldBroken ? () => {} : this.#head.hold(snapshotId)
    this.#readers.push({ metadata, snapshotId, release })
  }

  async endReading(): Promise<void> {
    this.#readers.shift()?.release()
  }

  /** A new owner of what is on the disk. What the dead one was about to do is done, or is not. */
  async #restart(): Promise<void> {
    const { random } = this.#options
    // Its readers have died with it.
    this.#readers = []
    this.#process = new Mortal(random)
    const objects = new MortalObjects(new LocalObjectStore(), this.#process)
    const context: CommitContext = {
      objects,
      manifests: new Manifests(objects),
      catalog: new FileCatalog(objects, this.#warehouse),
      clock: this.#clock,
      random,
      fence: ++this.#owners,
      logger: SILENT,
    }
    this.#head = await TableHead.open(TYPED.name, context)
    this.#head.onChange((metadata) => this.#committed(metadata))
    this.#committed(this.#head.metadata)
  }

  /** Rows that were on the way are there once the vector covers them. */
  readonly #onTheWay = new Map<number, Rows>()
  #committed(metadata: TableMetadata): void {
    const [offset] = currentOffsets(metadata)
    for (const [at, rows] of this.#onTheWay) {
      if (at < offset!) this.#rows = [...this.#rows, ...rows]
      if (at < offset!) this.#onTheWay.delete(at)
    }
    if (metadata.currentSnapshotId !== null) this.#versions.set(metadata.currentSnapshotId, this.#rows)
  }
}
