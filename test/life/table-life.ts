import { currentSchema, fileColumns, type TableMetadata } from '#storage'
import { snapshotById } from '../../src/storage/iceberg/metadata.js'
import { Manifests } from '../../src/storage/manifests.js'
import { LocalObjectStore } from '../../src/storage/objects/local.js'
import { FileIndex } from '../../src/storage/prune.js'
import type { SeededRandom } from '../support/seeded-random.js'
import { rowsIn } from '../support/typed-table.js'
import { LIVED, shownIn } from './lived-rows.js'
import { LivedTable, type LivedTableOptions } from './lived-table.js'
import { StampBook, type StampCounts } from './stamp-book.js'
import { STEPS } from './steps.js'
import { type ModelState, summaryProblem } from './table-model.js'

const HOUR_MS = 3_600_000
/** Besides the newest one. */
const VERSIONS = 3
/** So many operations of a step that it may die of go well at most. */
const LONGEST_AGONY = 40

/** Years of one table: everything that is done to it, in any order, held against plain rows. */
export class TableLife {
  readonly #random: SeededRandom
  readonly #table: LivedTable
  readonly #stamps: StampBook

  private constructor({ random, broken }: LivedTableOptions, table: LivedTable) {
    this.#random = random
    this.#table = table
    this.#stamps = new StampBook(broken === 'stamps')
  }

  static async begin(options: LivedTableOptions, nowMs: number): Promise<TableLife> {
    return new TableLife(options, await LivedTable.begin(options, nowMs))
  }

  get done(): readonly string[] {
    return this.#table.done
  }

  get stamps(): StampCounts {
    return this.#stamps.counts
  }

  /** One thing that may happen; the process may die of it. */
  async step(): Promise<void> {
    const [random, table] = [this.#random, this.#table]
    const { process } = table.owner
    const step = random.pick(STEPS)
    const mayDie = random.oneIn(4)
    if (mayDie) process.dieAfter(random.below(LONGEST_AGONY))
    table.done.push(step.name)
    table.clock.advance(random.below(3) * HOUR_MS)
    try {
      await step(table, random)
    } catch (error) {
      if (!process.isDead) throw error
    }
    process.dieAfter(Number.POSITIVE_INFINITY)
    if (!process.isDead) return
    table.note('and dies of it')
    await table.restart(random)
  }

  /**
   * What is wrong with the table, or null: the newest version, three older ones, what readers have pinned, and the stamps of
   * the days of all that is there.
   */
  async problem(): Promise<string | null> {
    const { head, readers } = this.#table
    const { metadata } = head
    const { currentSnapshotId: newest, snapshots } = metadata
    if (newest === null) return null
    const known = snapshots.filter(({ snapshotId }) => this.#table.model.at(snapshotId))
    const older = Array.from({ length: VERSIONS }, () => this.#random.pick(known).snapshotId)
    const versions = [
      { metadata, snapshotId: newest, what: 'the newest version' },
      ...older.map((snapshotId) => ({ metadata, snapshotId, what: `snapshot ${snapshotId}` })),
      ...readers.all.map((reader) => ({ ...reader, what: 'what a reader has pinned' })),
    ]
    for (const version of versions) {
      const problem = await this.#problemOf(version.metadata, version.snapshotId)
      if (problem !== null) return `${version.what} ${problem}`
    }
    return this.#stamps.problem(metadata, this.#table.model)
  }

  /** Ends it: every reader lets go. */
  end(): void {
    this.#table.readers.endAll()
  }

  async #problemOf(metadata: TableMetadata, snapshotId: bigint): Promise<string | null> {
    const state = this.#table.model.at(snapshotId)
    if (state === null) return 'has come from nowhere'
    try {
      const difference = await this.#difference(metadata, snapshotId, state)
      return difference ?? summaryProblem(snapshotById(metadata, snapshotId), state)
    } catch (error) {
      return `cannot be read: ${String(error)}`
    }
  }

  /** Of all columns that the table has by this metadata, whoever writes them. */
  async #difference(
    metadata: TableMetadata,
    snapshotId: bigint,
    { rows }: ModelState,
  ): Promise<string | null> {
    const columns = fileColumns(LIVED, currentSchema(metadata))
    const shown = shownIn(columns)
    const index = new FileIndex(new Manifests(new LocalObjectStore()))
    const { files } = await index.selectFiles(metadata, snapshotId, [])
    const found = files.length === 0 ? [] : await rowsIn(this.#table.engine, files, columns)
    const [has, wanted] = [found, [...rows.values()]].map((all) => all.map(shown).sort())
    const at = wanted!.findIndex((row, position) => row !== has![position])
    if (at === -1 && has!.length === wanted!.length) return null
    return `has ${has!.length} rows, ${wanted!.length} expected; ${has![at]} is not ${wanted![at]}`
  }
}
