import { TicklakeError } from '#core'
import type { CommitContext } from '../commit.js'
import { type ManifestEntry, PARQUET } from '../iceberg/manifest.js'
import type { ManifestFile } from '../iceberg/manifest-list.js'
import type { TableMetadata } from '../iceberg/metadata.js'
import { refused } from '../iceberg/refusal.js'
import type { Snapshot } from '../iceberg/snapshot.js'
import { inParallel } from '../in-parallel.js'

/**
 * Reads the manifests that the new snapshots of `next` bring. A list or manifest that can't be read would stop every query
 * and every flush of the table, a file elsewhere would be lost to those that look after its folder: `invalid_input`.
 * What was read here is cached, so a plan of the next query finds it.
 */
export async function checkBroughtFiles(
  context: CommitContext,
  base: TableMetadata,
  next: TableMetadata,
): Promise<void> {
  const known = new Set(base.snapshots.map(({ snapshotId }) => snapshotId))
  const brought = next.snapshots.filter(({ snapshotId }) => !known.has(snapshotId))
  const trusted = new Set<string>()
  const parents = new Set(brought.map(({ parentSnapshotId }) => parentSnapshotId))
  for (const parent of base.snapshots.filter(({ snapshotId }) => parents.has(snapshotId))) {
    for (const { path } of await context.manifests.list(parent.manifestList)) trusted.add(path)
  }
  for (const snapshot of brought) {
    const manifests = await reading(snapshot, () => {
      checkPlace(next, snapshot.manifestList)
      return context.manifests.list(snapshot.manifestList)
    })
    const untrusted = manifests.filter(({ path }) => !trusted.has(path))
    await inParallel(untrusted, (manifest) => reading(snapshot, () => checkManifest(context, next, manifest)))
    for (const { path } of untrusted) trusted.add(path)
  }
}

/**
 * A spec that goes must be one that no manifest of a snapshot has: without it none could be merged or written anew, and
 * no flush could be committed. `conflict`: files by it have been committed since whoever asks looked, or are there still.
 */
export async function checkRemovedSpecs(
  { manifests }: CommitContext,
  base: TableMetadata,
  next: TableMetadata,
): Promise<void> {
  const left = new Set(next.partitionSpecs.map(({ specId }) => specId))
  if (base.partitionSpecs.every(({ specId }) => left.has(specId))) return
  await inParallel(next.snapshots, async ({ snapshotId, manifestList }) => {
    const orphaned = (await manifests.list(manifestList)).find((one) => !left.has(one.partitionSpecId))
    if (!orphaned) return
    const message = `partition spec ${orphaned.partitionSpecId} cannot be removed: snapshot ${snapshotId} has files by it`
    throw new TicklakeError('conflict', message)
  })
}

async function checkManifest(
  { manifests }: CommitContext,
  table: TableMetadata,
  { path, partitionSpecId }: ManifestFile,
): Promise<void> {
  checkPlace(table, path)
  if (!table.partitionSpecs.some(({ specId }) => specId === partitionSpecId)) {
    throw refused(`${path} is of partition spec ${partitionSpecId}, which the table does not have`)
  }
  for (const entry of (await manifests.read(path)).entries) checkFile(table, entry)
}

function checkFile(table: TableMetadata, { status, file }: ManifestEntry): void {
  if (status === 'deleted') return
  checkPlace(table, file.path)
  if (file.foreign && file.foreign.format !== PARQUET) {
    throw refused(`${file.path} is ${file.foreign.format}: tables here are of ${PARQUET} files`)
  }
}

function checkPlace({ location }: TableMetadata, path: string): void {
  const isWithin = path.startsWith(`${location}/`) && !path.split('/').some((part) => /^\.{1,2}$/.test(part))
  if (!isWithin) throw refused(`${path} is not below ${location}, where all files of the table lie`)
}

/** What is wrong with the files of a snapshot is wrong with the request that brings it. */
async function reading<T>({ snapshotId }: Snapshot, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (cause) {
    if (!(cause instanceof TicklakeError) || (cause.code !== 'corrupt' && cause.code !== 'not_found'))
      throw cause
    throw new TicklakeError('invalid_input', `snapshot ${snapshotId}: ${cause.message}`, { cause })
  }
}
