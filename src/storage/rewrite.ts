import { TicklakeError } from '#core'
import { type CommitContext, hasCommit, type TableChange } from './commit.js'
import { type DeleteIndex, deletesOf } from './deletes.js'
import type { DataFile, ManifestEntry } from './iceberg/manifest.js'
import type { ManifestFile } from './iceberg/manifest-list.js'
import { addSnapshot, ancestry, specById, type TableMetadata } from './iceberg/metadata.js'
import { COMMIT_ID_KEY, FENCE_KEY, type Operation, type Snapshot, type Summary } from './iceberg/snapshot.js'
import { inParallel } from './in-parallel.js'
import {
  liveManifests,
  newSnapshotId,
  requireSpec,
  writeAdded,
  writeManifest,
  writeManifestList,
} from './manifest-writer.js'
import type { PreparedFiles } from './prepare.js'

/** Files in the place of others, durable already. */
export interface RewriteRequest {
  readonly operation: Exclude<Operation, 'append'>
  /** The snapshot that `removed` was read at. */
  readonly snapshotId: bigint
  readonly removed: readonly DataFile[]
  /** By each of their partition specs. */
  readonly added: readonly PreparedFiles[]
  /** Delete files that leave, since they apply to no data file. Default: none. */
  readonly removedDeletes?: readonly DataFile[]
  /** UTC days (from 1970-01-01) of rows that leave and whose days no added file is of; null: any. Default: none of a replace, else any. */
  readonly overwritten?: ReadonlySet<number> | null
  /** More ticklake.* keys for the snapshot's summary, over those that are carried forward. */
  readonly summary?: Summary
  /** Throws when the change must not be made to this metadata. */
  readonly check?: (base: TableMetadata) => void
}

/** The manifests of the new files, which a lost race changes only if their number does. */
interface Written {
  readonly sequenceNumber: number | null
  readonly manifests: readonly ManifestFile[]
}

/**
 * Puts files in the place of others in one atomic step. Appends since the files were read are kept, and never wait.
 * `conflict` when one of the files is not live any more, or rows may have been deleted from it since: read again.
 * `gone` when the spec of the new ones has been removed: write them anew.
 */
export class Rewrite implements TableChange {
  readonly #context: CommitContext
  readonly #request: RewriteRequest
  readonly #snapshotId: bigint
  #written: Written | null = null
  /** What has become of a manifest with files that leave, by its path: a lost race changes none of it. */
  readonly #rewritten = new Map<string, Promise<ManifestFile>>()

  constructor(context: CommitContext, request: RewriteRequest) {
    this.#context = context
    this.#request = request
    this.#snapshotId = BigInt(context.random.id())
  }

  id(): string {
    return `rewrite-${this.#snapshotId}`
  }

  isApplied(metadata: TableMetadata): boolean {
    return hasCommit(metadata, this.id())
  }

  async apply(base: TableMetadata, attempt: number): Promise<TableMetadata> {
    const { clock, fence } = this.#context
    const { operation, removed, removedDeletes = [], added, overwritten, summary, check } = this.#request
    check?.(base)
    for (const { specId } of added) requireSpec(base, specId)
    const { sequenceNumber: readAt } = readSnapshot(base, this.#request.snapshotId)
    const snapshotId = newSnapshotId(base, this.#snapshotId)
    const live = await liveManifests(this.#context, base)
    const later = await deletesOf(this.#context.manifests, base, live, readAt)
    const kept = await this.#without(base, live, later)
    const own = await this.#write(base, operation === 'replace' ? await this.#inherited(live) : null)
    return addSnapshot(base, {
      operation,
      snapshotId,
      nowMs: clock.nowMs(),
      manifestList: await writeManifestList(this.#context, base, snapshotId, [...own, ...kept], attempt),
      added: added.flatMap(({ files }) => files),
      removed,
      removedDeletes,
      ...(overwritten !== undefined && { overwritten }),
      summary: { ...summary, [COMMIT_ID_KEY]: this.id(), [FENCE_KEY]: String(fence) },
      properties: {},
    })
  }

  /** The manifests without the files that leave: those that list some are written anew. `later`: see above. */
  async #without(
    base: TableMetadata,
    manifests: readonly ManifestFile[],
    later: DeleteIndex | null,
  ): Promise<readonly ManifestFile[]> {
    const { removed, removedDeletes = [] } = this.#request
    const leaving = new Set([...removed, ...removedDeletes].map(({ path }) => path))
    let found = 0
    const kept = await inParallel(manifests, async (manifest) => {
      if (manifest.content === 'deletes' && removedDeletes.length === 0) return manifest
      const live = await this.#context.manifests.live(manifest)
      const left = live.filter(({ file }) => leaving.has(file.path))
      if (left.length === 0) return manifest
      const hurt =
        manifest.content === 'data' &&
        left.find((entry) => later && later.of(manifest.partitionSpecId, entry).length > 0)
      if (hurt) {
        const message = `rows of ${hurt.file.path} were deleted since it was read`
        throw new TicklakeError('conflict', `${message}: read again`)
      }
      found += left.length
      let rewritten = this.#rewritten.get(manifest.path)
      if (!rewritten) {
        rewritten = this.#rewrite(base, manifest, leaving)
        this.#rewritten.set(manifest.path, rewritten)
      }
      return rewritten
    })
    if (found === leaving.size) return kept
    const message = `${leaving.size - found} of ${leaving.size} files of ${base.location} are not live any more`
    throw new TicklakeError('conflict', `${message}: somebody else has rewritten them; read again`)
  }

  async #rewrite(
    base: TableMetadata,
    manifest: ManifestFile,
    leaving: ReadonlySet<string>,
  ): Promise<ManifestFile> {
    const live = await this.#context.manifests.live(manifest)
    return writeManifest(this.#context, base, {
      spec: specById(base, manifest.partitionSpecId),
      content: manifest.content,
      entries: live.map((entry) =>
        leaving.has(entry.file.path)
          ? { ...entry, status: 'deleted', snapshotId: this.#snapshotId }
          : { ...entry, status: 'existing' },
      ),
      snapshotId: this.#snapshotId,
      name: this.id(),
    })
  }

  /**
   * The data sequence number of files that hold the same rows as those that leave: the newest of theirs, so that the rows
   * are not newer than they are (see day-stamps.ts), but below no delete, which would take rows that it was not about. Null:
   * one of its own, since a delete by position of the newest number may be about any file up to that.
   */
  async #inherited(manifests: readonly ManifestFile[]): Promise<number | null> {
    const leaving = new Set(this.#request.removed.map(({ path }) => path))
    const entries = await inParallel(manifests, async (manifest) => {
      const live = await this.#context.manifests.live(manifest)
      return live.filter(({ file }) => manifest.content === 'deletes' || leaving.has(file.path))
    })
    const newestOf = (some: readonly ManifestEntry[]) =>
      some.reduce((newest, { sequenceNumber }) => Math.max(newest, sequenceNumber ?? 0), 0)
    const all = entries.flat()
    const newest = newestOf(all)
    const ofPositions = newestOf(all.filter(({ file }) => file.foreign?.content === 'position-deletes'))
    return ofPositions > 0 && ofPositions === newest ? null : newest
  }

  async #write(base: TableMetadata, sequenceNumber: number | null): Promise<readonly ManifestFile[]> {
    if (this.#written?.sequenceNumber === sequenceNumber) return this.#written.manifests
    const of = { snapshotId: this.#snapshotId, name: this.id(), sequenceNumber }
    const manifests = await inParallel(this.#request.added, ({ files, specId }) =>
      writeAdded(this.#context, base, { ...of, files, specId }),
    )
    this.#written = { sequenceNumber, manifests }
    return manifests
  }
}

/**
 * The snapshot that was read, if main has come from it. Taken back, or put on a branch that left it before, main has
 * other deletes than those that were read, and sequence numbers do not tell which.
 */
function readSnapshot(base: TableMetadata, snapshotId: bigint): Snapshot {
  for (const snapshot of ancestry(base, base.currentSnapshotId)) {
    if (snapshot.snapshotId === snapshotId) return snapshot
  }
  const message = `snapshot ${snapshotId}, which was read, is no longer one that main of ${base.location} has come from`
  throw new TicklakeError('conflict', `${message}: read again`)
}
