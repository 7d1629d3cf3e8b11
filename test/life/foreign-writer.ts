import { join } from 'node:path'
import { type Clock, TicklakeError } from '#core'
import type { Engine } from '#engine'
import {
  currentSchema,
  type DataFile,
  fileColumns,
  type Json,
  parseTableCommit,
  type TableMetadata,
} from '#storage'
import { OwnTable } from '../../src/storage/catalog/own-table.js'
import type { CommitContext } from '../../src/storage/commit.js'
import { OFFSETS_KEY } from '../../src/storage/iceberg/snapshot.js'
import { LocalObjectStore } from '../../src/storage/objects/local.js'
import { prepareFiles } from '../../src/storage/prepare.js'
import { FileIndex } from '../../src/storage/prune.js'
import type { TableHead } from '../../src/storage/table-head.js'
import { commitContext } from '../support/commit-context.js'
import { type Deletes, DrawnDeletes, type Placed, placedIn } from '../support/drawn-deletes.js'
import { additionRequest, type ForeignAddition, type ForeignFiles } from '../support/foreign-commit.js'
import type { SeededRandom } from '../support/seeded-random.js'
import { createTyped, type TypedRow } from '../support/typed-table.js'
import { foreignRow, idOf, keyOf, LIVED } from './lived-rows.js'
import type { LivedTable } from './lived-table.js'
import type { Expected, ModelState } from './table-model.js'

export interface ForeignWriterOptions {
  readonly engine: Engine
  readonly clock: Clock
  readonly random: SeededRandom
  /** Of the warehouse. */
  readonly directory: string
}

/** New rows in files that no snapshot has yet. */
interface Written {
  readonly files: readonly ForeignFiles[]
  readonly rows: readonly TypedRow[]
}

/** Delete files that no snapshot has yet, and the keys of what they delete. */
interface Removed {
  readonly files: readonly ForeignFiles[]
  readonly keys: ReadonlySet<string>
}

const NONE_WRITTEN: Written = { files: [], rows: [] }
const NONE_REMOVED: Removed = { files: [], keys: new Set() }

/** Another engine: it writes files of its own, and asks the table's owner to commit them. */
export class ForeignWriter {
  readonly #engine: Engine
  readonly #context: CommitContext
  readonly #random: SeededRandom
  readonly #deletes: DrawnDeletes
  #names = 0

  constructor({ engine, clock, random, directory }: ForeignWriterOptions) {
    this.#engine = engine
    this.#random = random
    const objects = new LocalObjectStore()
    // Not asked: the owner tells what is current.
    this.#context = commitContext(objects, 'file:///nowhere', { clock, random, fence: 0 })
    const newPath = (kind: string) => join(directory, LIVED.name, 'data', `${this.#newName(kind)}.parquet`)
    this.#deletes = new DrawnDeletes(engine, random, newPath)
  }

  async append(table: LivedTable): Promise<void> {
    const { metadata } = table.head
    await this.#commit(table, metadata, await this.#write(metadata), NONE_REMOVED)
  }

  async deletePositions(table: LivedTable): Promise<void> {
    const { metadata } = table.head
    const placed = await this.#placed(table.head)
    await this.#commit(table, metadata, NONE_WRITTEN, removed(placed, await this.#deletes.byPosition(placed)))
  }

  async deleteValues(table: LivedTable): Promise<void> {
    const { metadata } = table.head
    await this.#commit(table, metadata, NONE_WRITTEN, await this.#removeValues(table.head))
  }

  /** New rows, and deletes of older ones, in one commit. */
  async upsert(table: LivedTable): Promise<void> {
    const { metadata } = table.head
    const gone = await this.#removeValues(table.head)
    await this.#commit(table, metadata, await this.#write(metadata), gone)
  }

  /** Takes main back to another version, which is as far in the log as the table is, or on again. */
  async takeBack(table: LivedTable): Promise<void> {
    const { metadata } = table.head
    const { currentSnapshotId, snapshots, properties } = metadata
    const others = snapshots.filter(
      ({ snapshotId, summary }) =>
        snapshotId !== currentSnapshotId &&
        summary[OFFSETS_KEY] === properties[OFFSETS_KEY] &&
        table.model.at(snapshotId),
    )
    if (others.length === 0) return
    const { snapshotId } = this.#random.pick(others)
    const expected = {
      isIn: (now: TableMetadata) => now.currentSnapshotId === snapshotId,
      after: () => table.model.at(snapshotId)!,
    }
    const update = {
      action: 'set-snapshot-ref',
      'ref-name': 'main',
      type: 'branch',
      'snapshot-id': snapshotId,
    }
    await this.#request(table, metadata, { requirements: [], updates: [update] }, expected)
  }

  async #commit(table: LivedTable, base: TableMetadata, added: Written, gone: Removed): Promise<void> {
    if (added.files.length + gone.files.length === 0) return
    const snapshotId = 2n ** 62n + BigInt(this.#random.id())
    const addition: ForeignAddition = { data: added.files, deletes: gone.files, snapshotId }
    const request = await additionRequest(this.#context, base, addition)
    const expected = {
      isIn: ({ snapshots }: TableMetadata) => snapshots.some((one) => one.snapshotId === snapshotId),
      after: (state: ModelState) => ({ ...state, rows: rowsAfter(state.rows, added, gone) }),
    }
    await this.#request(table, base, request, expected)
  }

  async #request(table: LivedTable, base: TableMetadata, request: Json, expected: Expected): Promise<void> {
    try {
      await table.commit(expected, () =>
        new OwnTable(table.head, LIVED).commit(parseTableCommit(request, 'commit')),
      )
    } catch (error) {
      // Somebody else was faster. Other engines read then what there is, and begin anew.
      const isLost = error instanceof TicklakeError && error.code === 'conflict'
      if (!isLost || table.head.metadata.currentSnapshotId === base.currentSnapshotId) throw error
    }
  }

  async #removeValues(head: TableHead): Promise<Removed> {
    const { metadata } = head
    const placed = await this.#placed(head)
    return removed(placed, await this.#deletes.byValue(placed, metadata))
  }

  async #write(metadata: TableMetadata): Promise<Written> {
    const columns = fileColumns(LIVED, currentSchema(metadata))
    const rows = Array.from({ length: 1 + this.#random.below(10) }, () =>
      foreignRow(this.#random, this.#newName('message'), columns),
    )
    const relation = this.#newName('foreign')
    await createTyped(this.#engine, relation, rows, columns)
    const { files, specId } = await prepareFiles(
      { layout: LIVED, engine: this.#engine, objects: this.#context.objects, metadata },
      { relation, columns, rowCount: rows.length, days: null },
      relation,
    )
    await this.#engine.run(`DROP TABLE ${relation}`)
    return { files: [{ specId, files: files.map((file) => this.#described(file)) }], rows }
  }

  /** Some engines say of a file what times it has, and some do not. */
  #described(file: DataFile): DataFile {
    if (!this.#random.oneIn(4)) return file
    const known = [...file.lowerBounds].filter(([id]) => id !== idOf(LIVED.partitionColumn))
    return { ...file, lowerBounds: new Map(known) }
  }

  /** All rows of the files that are current, those too that are deleted. */
  async #placed(head: TableHead): Promise<readonly Placed[]> {
    const { metadata } = head
    const columns = fileColumns(LIVED, currentSchema(metadata))
    // Other engines cannot hold what they read; those whose files are gone meanwhile are not told of here.
    const release = head.hold(metadata.currentSnapshotId)
    try {
      const index = new FileIndex(this.#context.manifests)
      const { live } = await index.liveFiles(metadata, metadata.currentSnapshotId, [])
      const placed: Placed[] = []
      for (const one of live) placed.push(...(await placedIn(this.#engine, one, columns)))
      return placed
    } finally {
      release()
    }
  }

  #newName(kind: string): string {
    return `${kind}_${this.#names++}`
  }
}

function removed(placed: readonly Placed[], { files, deleted }: Deletes): Removed {
  return { files, keys: new Set(placed.filter(deleted).map(({ row }) => keyOf(row))) }
}

function rowsAfter(rows: ModelState['rows'], added: Written, gone: Removed): ModelState['rows'] {
  const kept = [...rows].filter(([key]) => !gone.keys.has(key))
  return new Map([...kept, ...added.rows.map((row) => [keyOf(row), row] as const)])
}
