import { createLogger } from '#core'
import type { Engine } from '#engine'
import { changeSchema, changeSpec, type SpecChange, type TableMetadata } from '#storage'
import { Append } from '../../src/storage/append.js'
import { FileCatalog } from '../../src/storage/catalog/file-catalog.js'
import type { CommitContext, TableChange } from '../../src/storage/commit.js'
import { currentSchema, defaultSpec } from '../../src/storage/iceberg/metadata.js'
import { partitionFieldName } from '../../src/storage/iceberg/spec-change.js'
import { periodOfMicros } from '../../src/storage/iceberg/transform.js'
import { type Compactable, type CompactionOptions, compact } from '../../src/storage/maintenance/compact.js'
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
import { SeededRandom } from '../support/seeded-random.js'
import {
  createTyped,
  drawnRow,
  rowsOf,
  shownRow,
  TYPED,
  type TypedRow,
  typedTable,
} from '../support/typed-table.js'
import { Mortal, MortalObjects, mortalEngine } from './mortal.js'

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

/** One owner of the table. */
interface Run {
  readonly fence: number
  readonly process: Mortal
  readonly head: TableHead
}

const DAY_MS = 86_400_000
const RUN = { signal: new AbortController().signal, progress: () => {} }
const SILENT = createLogger({ level: 'silent', format: 'text' })
const STEPS = [
  'append',
  'append',
  'append',
  'appendLate',
  'compact',
  'compact',
  'compactWhileAppending',
  'rewriteManifests',
  'expire',
  'expireWhileAppending',
  'removeOrphans',
  'changeSchema',
  'widen',
  'changeSpec',
  'beginToRead',
  'endReading',
] as const
/** Fields that come and go. */
const FIELDS = [
  ['moment', 'day'],
  ['moment', 'hour'],
  ['symbol', 'bucket[3]'],
  ['exchange', 'identity'],
] as const
const TIMES: readonly string[] = ['day', 'hour']

/** Years of one table: everything that is done to it, in any order, held against plain lists of rows. */
export class TableLife {
  readonly done: string[] = []
  readonly #options: TableLifeOptions
  readonly #clock: ManualClock
  readonly #warehouse: string
  /** What each snapshot holds. */
  readonly #versions = new Map<bigint, Rows>()
  #rows: Rows = []
  #names = 0
  #run: Run
  #readers: Reader[] = []
  #appending: Promise<void> = Promise.resolve()
  /** Rows that are being appended, by their position in the log. */
  readonly #onTheWay = new Map<number, Rows>()

  private constructor(options: TableLifeOptions, clock: ManualClock, warehouse: string, first: Run) {
    this.#options = options
    this.#clock = clock
    this.#warehouse = warehouse
    this.#run = first
    this.#follow()
  }

  static async begin(options: TableLifeOptions, nowMs: number): Promise<TableLife> {
    const warehouse = localLocation(options.directory)
    const catalog = new FileCatalog(new LocalObjectStore(), warehouse)
    await catalog.create(TYPED.name, typedTable(`${warehouse}/${TYPED.name}`, [['moment', 'day']]))
    const clock = new ManualClock(nowMs)
    return new TableLife(options, clock, warehouse, await openRun(options, clock, warehouse, 1))
  }

  /** One thing that may happen; the process may die of it. */
  async step(): Promise<void> {
    const { random } = this.#options
    const mayDie = random.oneIn(4)
    const step = random.pick(STEPS)
    if (mayDie) this.#run.process.dieAfter(random.below(25))
    this.done.push(`${step}${mayDie ? ', and may die of it' : ''}`)
    this.#clock.advance(random.below(3) * 3_600_000)
    try {
      await this[step]()
    } catch (error) {
      if (!this.#run.process.isDead) throw error
    }
    this.#run.process.dieAfter(Number.POSITIVE_INFINITY)
    if (this.#run.process.isDead) await this.#restart()
  }

  /** What is wrong with the table, or null: the newest version, three older ones, and what readers have pinned. */
  async problem(): Promise<string | null> {
    const { random } = this.#options
    const { metadata } = this.#run.head
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
    const { targetBytes, minInputs, ...table } = this.#compactable()
    await compact(table, { targetBytes, minInputs, patient: this.#options.random.oneIn(2) }, RUN)
  }

  async compactWhileAppending(): Promise<void> {
    await this.#together([this.compact(), this.append(), this.append()])
  }

  async rewriteManifests(): Promise<void> {
    await rewriteManifests(this.#run.head)
  }

  async expire(): Promise<void> {
    const { random } = this.#options
    const maxAgeMs = random.pick([0, 3_600_000, DAY_MS])
    await expireSnapshots(this.#run.head, { maxAgeMs, minToKeep: 1 + random.below(4), maxCount: 12 }, RUN)
  }

  async expireWhileAppending(): Promise<void> {
    await this.#together([this.expire(), this.append(), this.append()])
  }

  async removeOrphans(): Promise<void> {
    // Files are as old as the disk says, so that what was written until now is old enough to go.
    this.#clock.advance(2 * 3_600_000)
    await removeOrphans(
      this.#run.head,
      { olderThanMs: 3_600_000, dryRun: this.#options.random.oneIn(4) },
      RUN,
    )
  }

  async changeSchema(): Promise<void> {
    const { random } = this.#options
    const own = currentSchema(this.#run.head.metadata).fields.filter(({ id }) => id > TYPED.columns.length)
    const name = `column_${this.#names++}`
    const change =
      own.length === 0 || random.oneIn(2)
        ? ({ change: 'add', name, type: random.pick(['string', 'double', 'long', 'decimal(9, 2)']) } as const)
        : random.oneIn(2)
          ? ({ change: 'rename', name: random.pick(own).name, to: name } as const)
          : ({ change: 'drop', name: random.pick(own).name } as const)
    await this.#change((base) => changeSchema(base, [change], this.#clock.nowMs()))
  }

  async widen(): Promise<void> {
    await this.#change((base) =>
      changeSchema(base, [{ change: 'widen', name: 'flags', type: 'long' }], this.#clock.nowMs()),
    )
  }

  async changeSpec(): Promise<void> {
    const [column, transform] = this.#options.random.pick(FIELDS)
    await this.#change((base) => {
      const { fields } = defaultSpec(base)
      const had = fields.find((field) => field.name === partitionFieldName(column, transform))
      if (had) return changeSpec(base, [{ change: 'remove', name: had.name }], this.#clock.nowMs())
      // A table is partitioned by one length of time.
      const others = TIMES.includes(transform)
        ? fields.filter((field) => TIMES.includes(field.transform))
        : []
      const changes: SpecChange[] = [
        ...others.map(({ name }) => ({ change: 'remove', name }) as const),
        { change: 'add', column, transform },
      ]
      return changeSpec(base, changes, this.#clock.nowMs())
    })
  }

  async beginToRead(): Promise<void> {
    const { metadata } = this.#run.head
    const snapshotId = metadata.currentSnapshotId
    if (snapshotId === null || this.#readers.length > 3) return
    const release = this.#options.isHoldBroken ? () => {} : this.#run.head.hold(snapshotId)
    this.#readers.push({ metadata, snapshotId, release })
  }

  async endReading(): Promise<void> {
    this.#readers.shift()?.release()
  }

  /** A new owner of what is on the disk. What the dead one was about to do is done, or is not. */
  async #restart(): Promise<void> {
    // Its readers have died with it.
    this.#readers = []
    this.#run = await openRun(this.#options, this.#clock, this.#warehouse, this.#run.fence + 1)
    this.#follow()
  }

  #follow(): void {
    const { head } = this.#run
    head.onChange((metadata) => this.#committed(metadata))
    this.#committed(head.metadata)
    this.#onTheWay.clear()
  }

  /** Rows that were on the way are there once the vector covers them. */
  #committed(metadata: TableMetadata): void {
    const [committed] = currentOffsets(metadata)
    for (const [offset, rows] of this.#onTheWay) {
      if (offset >= committed!) continue
      this.#rows = [...this.#rows, ...rows]
      this.#onTheWay.delete(offset)
    }
    if (metadata.currentSnapshotId !== null) this.#versions.set(metadata.currentSnapshotId, this.#rows)
  }

  /** Appends follow each other, as those of one reader of the log do. */
  #append(rows: readonly TypedRow[]): Promise<void> {
    const appended = this.#appending.then(() => this.#appendNow(rows))
    this.#appending = appended.catch(() => {})
    return appended
  }

  async #appendNow(rows: readonly TypedRow[]): Promise<void> {
    const { engine } = this.#options
    const relation = `life_${this.#names++}`
    await createTyped(engine, relation, rows)
    try {
      const days = new Set(rows.map(([moment]) => periodOfMicros('day', BigInt(String(moment)))))
      const { metadata, context } = this.#run.head
      const { files, specId } = await prepareFiles(
        {
          layout: TYPED,
          engine: mortalEngine(engine, this.#run.process),
          objects: context.objects,
          metadata,
        },
        { relation, rowCount: rows.length, days },
        this.#run.head.claimNames().next(),
      )
      const [from] = currentOffsets(this.#run.head.metadata)
      this.#onTheWay.set(from!, rows.map(shownRow))
      await this.#run.head.commit(
        new Append(context, { files, specId, from: [from!], to: [from! + 1], summary: {} }),
      )
    } finally {
      await engine.run(`DROP TABLE ${relation}`)
    }
  }

  /** All of it ends before anything else begins; the first failure is what is heard of. */
  async #together(work: readonly Promise<void>[]): Promise<void> {
    const outcomes = await Promise.allSettled(work)
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  }

  async #change(apply: (base: TableMetadata) => TableMetadata): Promise<void> {
    let next: TableMetadata | null = null
    const change: TableChange = {
      id: () => 'a change of metadata',
      isApplied: (metadata) => next !== null && apply(metadata) === metadata,
      apply: async (base) => {
        next = apply(base)
        return next
      },
    }
    await this.#run.head.commit(change)
  }

  #compactable(): Compactable & Pick<CompactionOptions, 'targetBytes' | 'minInputs'> {
    const { engine, random } = this.#options
    const own = mortalEngine(engine, this.#run.process)
    const { manifests } = this.#run.head.context
    return {
      head: this.#run.head,
      layout: TYPED,
      engine: own,
      index: new FileIndex(manifests),
      unnumbered: new UnnumberedFiles(own),
      targetBytes: random.pick([3_000, 12_000]),
      minInputs: 2,
    }
  }

  #row(): TypedRow {
    return drawnRow(this.#options.random, 30)
  }

  async #difference(metadata: TableMetadata, snapshotId: bigint, what: string): Promise<string | null> {
    const expected = [...(this.#versions.get(snapshotId) ?? [])].sort()
    try {
      const objects = new LocalObjectStore()
      const { live } = await new FileIndex(new Manifests(objects)).liveFiles(metadata, snapshotId, [])
      const files = live.map(({ file }) => file)
      const rows = files.length === 0 ? [] : await rowsOf(this.#options.engine, files, metadata)
      const found = rows.map(shownRow).sort()
      const at = expected.findIndex((row, index) => row !== found[index])
      if (at === -1 && found.length === expected.length) return null
      return `${what} has ${found.length} rows, ${expected.length} expected; ${found[at]} is not ${expected[at]}`
    } catch (error) {
      return `${what} cannot be read: ${String(error)}`
    }
  }
}

async function openRun(
  { random }: TableLifeOptions,
  clock: ManualClock,
  warehouse: string,
  fence: number,
): Promise<Run> {
  // Of their own, so that the order in which threads come back does not change what happens next.
  const [forProcess, forNames] = [random.uint32(), random.uint32()].map((seed) => new SeededRandom(seed))
  const process = new Mortal(forProcess!)
  const objects = new MortalObjects(new LocalObjectStore(), process)
  const context: CommitContext = {
    objects,
    manifests: new Manifests(objects),
    catalog: new FileCatalog(objects, warehouse),
    clock,
    random: forNames!,
    fence,
    logger: SILENT,
  }
  return { fence, process, head: await TableHead.open(TYPED.name, context) }
}
