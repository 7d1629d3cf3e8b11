import { type CommitContext, hasCommit, type TableChange } from '../commit.js'
import type { ManifestEntry } from '../iceberg/manifest.js'
import type { ManifestFile } from '../iceberg/manifest-list.js'
import { addSnapshot, specById, type TableMetadata } from '../iceberg/metadata.js'
import { COMMIT_ID_KEY, FENCE_KEY } from '../iceberg/snapshot.js'
import { inParallel } from '../in-parallel.js'
import { liveManifests, newSnapshotId, writeManifest, writeManifestList } from '../manifest-writer.js'
import type { TableHead } from '../table-head.js'

export interface ManifestReport {
  readonly before: number
  readonly after: number
  readonly files: number
}

/** Iceberg's default. */
const TARGET_BYTES = 8 * 2 ** 20

/**
 * Writes the manifests of data files anew, each with the files of neighbouring partitions, so that a plan opens few of
 * them. The files stay as they are.
 */
export async function rewriteManifests(head: TableHead): Promise<ManifestReport> {
  const change = new RewriteManifests(head.context)
  if (head.metadata.currentSnapshotId === null) return change.report
  await head.commit(change)
  return change.report
}

class RewriteManifests implements TableChange {
  readonly #context: CommitContext
  readonly #snapshotId: bigint
  report: ManifestReport = { before: 0, after: 0, files: 0 }

  constructor(context: CommitContext) {
    this.#context = context
    this.#snapshotId = BigInt(context.random.id())
  }

  id(): string {
    return `manifests-${this.#snapshotId}`
  }

  isApplied(metadata: TableMetadata): boolean {
    return hasCommit(metadata, this.id())
  }

  async apply(base: TableMetadata, attempt: number): Promise<TableMetadata> {
    const { clock, fence } = this.#context
    const snapshotId = newSnapshotId(base, this.#snapshotId)
    const live = await liveManifests(this.#context, base)
    const bySpec = new Map<number, ManifestFile[]>()
    for (const manifest of live.filter(({ content }) => content === 'data')) {
      bySpec.set(manifest.partitionSpecId, [...(bySpec.get(manifest.partitionSpecId) ?? []), manifest])
    }
    const written: ManifestFile[] = []
    for (const [specId, manifests] of bySpec) written.push(...(await this.#rewrite(base, specId, manifests)))
    const files = written.reduce((sum, { existingFiles }) => sum + existingFiles, 0)
    const replaced = live.filter(({ content }) => content === 'data').length
    this.report = { before: replaced, after: written.length, files }
    const kept = live.filter(({ content }) => content === 'deletes')
    return addSnapshot(base, {
      operation: 'replace',
      snapshotId,
      nowMs: clock.nowMs(),
      manifestList: await writeManifestList(this.#context, base, snapshotId, [...written, ...kept], attempt),
      added: [],
      removed: [],
      summary: {
        'manifests-created': String(written.length),
        'manifests-kept': String(kept.length),
        'manifests-replaced': String(replaced),
        'entries-processed': String(files),
        [COMMIT_ID_KEY]: this.id(),
        [FENCE_KEY]: String(fence),
      },
      properties: {},
    })
  }

  async #rewrite(
    base: TableMetadata,
    specId: number,
    manifests: readonly ManifestFile[],
  ): Promise<readonly ManifestFile[]> {
    const live = await inParallel(manifests, (manifest) => this.#context.manifests.live(manifest))
    const entries = live.flat().map((entry): ManifestEntry => ({ ...entry, status: 'existing' }))
    const ordered = entries
      .map((entry) => ({ entry, key: entry.file.partition.map(sortable).join('/') }))
      .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
      .map(({ entry }) => entry)
    const bytes = manifests.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0)
    const parts = Math.max(1, Math.ceil(bytes / TARGET_BYTES))
    const size = Math.ceil(ordered.length / parts)
    return inParallel(
      Array.from({ length: parts }, (_, part) => ordered.slice(part * size, (part + 1) * size)),
      (part) =>
        writeManifest(this.#context, base, {
          spec: specById(base, specId),
          content: 'data',
          entries: part,
          snapshotId: this.#snapshotId,
          name: this.id(),
        }),
    )
  }
}

/** Days and hours as text in their order. */
function sortable(value: unknown): string {
  return typeof value === 'number' ? String(value + 2 ** 31).padStart(10, '0') : String(value)
}
