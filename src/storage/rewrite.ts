import { TicklakeError } from '#core'
import { type CommitContext, hasCommit, type TableChange } from './commit.js'
import { type DeleteIndex, deletesOf } from './deletes.js'
import type { DataFile } from './iceberg/manifest.js'
import type { ManifestFile } from './iceberg/manifest-list.js'
import {
  addSnapshot,
  currentSnapshot,
  snapshotById,
  specById,
  type TableMetadata,
} from './iceberg/metadata.js'
import { overwrittenBy } from './iceberg/overwritten.js'
import { COMMIT_ID_KEY, FENCE_KEY, type Operation, type Summary } from './iceberg/snapshot.js'
import { inParallel } from './in-parallel.js'
import {
  liveManifests,
  newSnapshotId,
  writeAdded,
  writeManifest,
  writeManifestList,
} from './manifest-writer.js'

/** Files in the place of others, durable already. */
export interface RewriteRequest {
  readonly operation: Exclude<Operation, 'append'>
  /** The snapshot that `removed` was read at. */
  readonly snapshotId: bigint
  readonly removed: readonly DataFile[]
  readonly added: readonly DataFile[]
  /** Delete files that leave, since they apply to no data file. Default: none. */
  readonly removedDeletes?: readonly DataFile[]
  /** The partition spec that `added` is written by; the default one when it is not given. */
  readonly specId?: number
  /** UTC days (from 1970-01-01) of the rows that change; null: not known. Of a replace none do. */
  readonly days?: ReadonlySet<number> | null
  /** More ticklake.* keys for the snapshot's summary, over those that are carried forward. */
  readonly summary?: Summary
  /** Throws when the change must not be made to this metadata. */
  readonly check?: (base: TableMetadata) => void
}

/**
 * Puts files in the place of others in one atomic step. Appends since the files were read are kept, and never wait.
 * `conflict` when one of the files is not live any more, or rows may have been deleted from it since: read again.
 */
export class Rewrite implements TableChange {
  readonly #context: CommitContext
  readonly #request: RewriteRequest
  readonly #snapshotId: bigint
  /** By the data sequence number of the files. */
  readonly #added = new Map<number | null, Promise<ManifestFile>>()
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
    const { operation, removed, added, removedDeletes = [], days = null, summary, check } = this.#request
    check?.(base)
    const snapshotId = newSnapshotId(base, this.#snapshotId)
    const live = await liveManifests(this.#context, base)
    const { sequenceNumber: readAt } = snapshotById(base, this.#request.snapshotId)
    const later = await deletesOf(this.#context.manifests, base, live, readAt)
    const kept = await this.#without(base, live, later)
    const own = added.length === 0 ? [] : [await this.#write(base, await this.#sequenceNumber(live))]
    const overwritten =
      operation === 'replace' ? {} : overwrittenBy(currentSnapshot(base)?.summary ?? {}, snapshotId, days)
    return addSnapshot(base, {
      operation,
      snapshotId,
      nowMs: clock.nowMs(),
      manifestList: await writeManifestList(this.#context, base, snapshotId, [...own, ...kept], attempt),
      added,
      removed,
      removedDeletes,
      summary: { ...summary, ...overwritten, [COMMIT_ID_KEY]: this.id(), [FENCE_KEY]: String(fence) },
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
   * Of the same rows in other files: the newest of those that they were in, so that the rows are known to be no newer than
   * they are. Where the table has deletes they would take rows that they were not about: then a number of their own.
   */
  async #sequenceNumber(live: readonly ManifestFile[]): Promise<number | null> {
    const { operation, removed } = this.#request
    if (operation !== 'replace' || live.some(({ content }) => content === 'deletes')) return null
    const leaving = new Set(removed.map(({ path }) => path))
    const entries = await inParallel(live, (manifest) => this.#context.manifests.live(manifest))
    const numbers = entries
      .flat()
      .filter(({ file }) => leaving.has(file.path))
      .map(({ sequenceNumber }) => sequenceNumber ?? 0)
    return Math.max(0, ...numbers)
  }

  #write(base: TableMetadata, sequenceNumber: number | null): Promise<ManifestFile> {
    const { added: files, specId } = this.#request
    let written = this.#added.get(sequenceNumber)
    if (!written) {
      written = writeAdded(this.#context, base, {
        files,
        specId,
        snapshotId: this.#snapshotId,
        name: this.id(),
        sequenceNumber,
      })
      this.#added.set(sequenceNumber, written)
    }
    return written
  }
}
