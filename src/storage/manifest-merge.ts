import type { CommitContext } from './commit.js'
import type { ManifestFile } from './iceberg/manifest-list.js'
import { specById, type TableMetadata } from './iceberg/metadata.js'
import { inParallel } from './in-parallel.js'
import { writeManifest } from './manifest-writer.js'

/** So many manifests of one size become one of the next size. */
const FAN_IN = 10
/** A manifest of more bytes is merged no further: Iceberg's default target. */
const TARGET_BYTES = 8 * 2 ** 20

/**
 * Keeps the manifests of a table few while it grows by small ones: ten of about the same number of files become one, as
 * levels of a log-structured merge tree do. Of n appends there are at most nine a level, so about 9·log10(n); each file's
 * entry is written once a level; most commits merge nothing. `written` keeps what was merged for the next attempt.
 */
export async function mergeManifests(
  context: CommitContext,
  metadata: TableMetadata,
  manifests: readonly ManifestFile[],
  written: Map<string, Promise<ManifestFile>>,
  snapshotId: bigint,
): Promise<readonly ManifestFile[]> {
  let kept = manifests
  for (const group of groupsToMerge(manifests)) {
    const key = group.map(({ path }) => path).join('\n')
    let merged = written.get(key)
    if (!merged) {
      merged = merge(context, metadata, group, snapshotId)
      written.set(key, merged)
    }
    const gone = new Set(group)
    kept = [await merged, ...kept.filter((manifest) => !gone.has(manifest))]
  }
  return kept
}

/** The manifests that become one, group by group. */
export function groupsToMerge(manifests: readonly ManifestFile[]): readonly (readonly ManifestFile[])[] {
  const kinds = new Map<string, ManifestFile[]>()
  for (const manifest of manifests) {
    if (manifest.lengthBytes >= TARGET_BYTES) continue
    const kind = `${manifest.partitionSpecId} ${manifest.content}`
    kinds.set(kind, [...(kinds.get(kind) ?? []), manifest])
  }
  return [...kinds.values()].flatMap(fullLevels)
}

function fullLevels(manifests: readonly ManifestFile[]): readonly (readonly ManifestFile[])[] {
  const levels: ManifestFile[][] = []
  for (const manifest of manifests) {
    const level = levelOf(manifest)
    levels[level] = [...(levels[level] ?? []), manifest]
  }
  const groups: ManifestFile[][] = []
  // What one level makes counts on the next: a commit that fills both writes each entry once.
  let made: ManifestFile[] = []
  for (let level = 0; level <= levels.length; level++) {
    const own = levels[level] ?? []
    const isFull = own.length + (made.length > 0 ? 1 : 0) >= FAN_IN
    if (isFull) made = [...made, ...own]
    else if (made.length > 0) {
      groups.push(made)
      made = []
    }
  }
  return groups
}

/** By live files: 0 up to 9, 1 up to 99, and so on. */
function levelOf({ addedFiles, existingFiles }: ManifestFile): number {
  return String(addedFiles + existingFiles).length - 1
}

async function merge(
  context: CommitContext,
  metadata: TableMetadata,
  group: readonly ManifestFile[],
  snapshotId: bigint,
): Promise<ManifestFile> {
  const { partitionSpecId, content } = group[0]!
  const entries = await inParallel(group, (manifest) => context.manifests.live(manifest))
  return writeManifest(context, metadata, {
    spec: specById(metadata, partitionSpecId),
    content,
    entries: entries.flat().map((entry) => ({ ...entry, status: 'existing' })),
    snapshotId,
    name: `${snapshotId}-merged`,
  })
}
