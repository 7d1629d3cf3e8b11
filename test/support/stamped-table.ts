import { TRADES } from '#core'
import { type DataFile, type DayStamps, type Json, parseTableCommit } from '#storage'
import { Append } from '../../src/storage/append.js'
import { OwnTable } from '../../src/storage/catalog/own-table.js'
import { DayStamping } from '../../src/storage/day-stamps.js'
import type { ManifestEntry } from '../../src/storage/iceberg/manifest.js'
import type { ManifestFile } from '../../src/storage/iceberg/manifest-list.js'
import { currentSnapshot, newTableMetadata, specById } from '../../src/storage/iceberg/metadata.js'
import { OVERWRITTEN_KEY } from '../../src/storage/iceberg/overwritten.js'
import type { Snapshot } from '../../src/storage/iceberg/snapshot.js'
import { writeManifest, writeManifestList } from '../../src/storage/manifest-writer.js'
import { MemoryObjectStore } from '../../src/storage/objects/memory.js'
import { FileIndex } from '../../src/storage/prune.js'
import { Rewrite, type RewriteRequest } from '../../src/storage/rewrite.js'
import { TableHead } from '../../src/storage/table-head.js'
import { commitContext } from './commit-context.js'
import { tradesFile } from './data-file.js'
import { ManualClock } from './manual-clock.js'
import { setMain } from './table-metadata.js'

const LOCATION = 'memory:///w/trades'
const DAY_MICROS = 86_400_000_000n

/** A file as a manifest of another engine lists it: new, unless something else is said. */
export type ForeignEntry = Partial<ManifestEntry> & Pick<ManifestEntry, 'file'>

/** A file of trades with a row of each of these days; null: one without a time. */
export function fileOf(name: string, ...days: readonly (number | null)[]): DataFile {
  const rows = days.map((day) => ({
    symbol: 'BHP',
    micros: day === null ? null : BigInt(day) * DAY_MICROS + 5n,
  }))
  return tradesFile(`${LOCATION}/data/${name}.parquet`, rows)
}

/** A table of trades, of whose files there is what manifests say of them, and nothing else. */
export class StampedTable {
  readonly head: TableHead
  readonly #objects: MemoryObjectStore
  readonly #stamping: DayStamping
  #offset = 0

  private constructor(objects: MemoryObjectStore, head: TableHead) {
    this.#objects = objects
    this.head = head
    this.#stamping = new DayStamping(new FileIndex(head.context.manifests), TRADES)
  }

  static async make(): Promise<StampedTable> {
    const clock = new ManualClock()
    const objects = new MemoryObjectStore(clock)
    const context = commitContext(objects, 'memory:///w', { clock })
    const of = { location: LOCATION, uuid: 'u', nowMs: clock.nowMs(), partitionCount: 1 }
    await context.catalog.create('trades', newTableMetadata(TRADES, of))
    return new StampedTable(objects, await TableHead.open('trades', context))
  }

  get snapshot(): Snapshot {
    return currentSnapshot(this.head.metadata)!
  }

  async append(...files: readonly DataFile[]): Promise<void> {
    const [from, to] = [[this.#offset], [++this.#offset]]
    await this.head.commit(new Append(this.head.context, { files, from, to, summary: {} }))
  }

  async rewrite(
    request: Omit<RewriteRequest, 'snapshotId' | 'added'>,
    added: readonly DataFile[],
  ): Promise<void> {
    const { snapshotId } = this.snapshot
    await this.head.commit(
      new Rewrite(this.head.context, { ...request, snapshotId, added: [{ files: added, specId: 0 }] }),
    )
  }

  /** A snapshot of another engine on top of main, of these files and no others, which calls itself what it likes. */
  async foreign(operation: string, ...entries: readonly ForeignEntry[]): Promise<void> {
    const { context, metadata } = this.head
    const snapshotId = BigInt(context.random.id())
    const manifests: ManifestFile[] = []
    for (const content of ['data', 'deletes'] as const) {
      const own = entries.filter(({ file }) => (file.foreign === undefined) === (content === 'data'))
      if (own.length > 0) manifests.push(await this.#manifest(snapshotId, content, own))
    }
    const snapshot = {
      'snapshot-id': snapshotId,
      'parent-snapshot-id': this.snapshot.snapshotId,
      'sequence-number': metadata.lastSequenceNumber + 1,
      'timestamp-ms': context.clock.nowMs(),
      'manifest-list': await writeManifestList(context, metadata, snapshotId, manifests, 0),
      'schema-id': metadata.currentSchemaId,
      summary: { operation, [OVERWRITTEN_KEY]: '{}' },
    }
    await this.commit({ action: 'add-snapshot', snapshot }, setMain(snapshotId))
  }

  /** What another engine asks for. */
  async commit(...updates: readonly Json[]): Promise<void> {
    await new OwnTable(this.head, TRADES).commit(parseTableCommit({ requirements: [], updates }, 'body'))
  }

  /** Of these days, then of the rest. */
  async stamps(...days: readonly number[]): Promise<readonly (string | null)[]> {
    const all = await this.allStamps()
    return [...days.map((day) => all.days.get(day) ?? null), all.rest]
  }

  allStamps(snapshotId = this.snapshot.snapshotId): Promise<DayStamps> {
    return this.#stamping.of(this.head.metadata, snapshotId, {})
  }

  async #manifest(snapshotId: bigint, content: ManifestFile['content'], entries: readonly ForeignEntry[]) {
    const { context, metadata } = this.head
    for (const { file, status = 'added' } of entries) {
      if (status === 'added') await this.#objects.create(file.path, new Uint8Array(file.fileSizeBytes))
    }
    const inherited = { status: 'added', snapshotId, sequenceNumber: null, fileSequenceNumber: null } as const
    return writeManifest(context, metadata, {
      spec: specById(metadata, 0),
      content,
      entries: entries.map((entry) => ({ ...inherited, ...entry })),
      snapshotId,
      name: `foreign-${snapshotId}-${content}`,
    })
  }
}
