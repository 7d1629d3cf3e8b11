import { TicklakeError } from '#core'
import type { CommitContext } from '../commit.js'
import { type DataFile, encodeManifest, type ManifestEntry, PARQUET } from '../iceberg/manifest.js'
import { type ManifestFile, settled, summarisePartitions } from '../iceberg/manifest-list.js'
import { schemaOfSpec, type TableMetadata } from '../iceberg/metadata.js'
import type { PartitionSpec } from '../iceberg/partition.js'
import { refused } from '../iceberg/refusal.js'
import type { Snapshot } from '../iceberg/snapshot.js'
import { isEquivalent } from '../iceberg/spec-rules.js'
import { inParallel } from '../in-parallel.js'

/**
 * Reads the manifests that the new snapshots of `next` bring, and looks for the files that they add. What can't be read,
 * can't be written again or is not there would stop every query or every flush of the table, a file elsewhere would be
 * lost to those that look after its folder, one that comes again would be read twice: `invalid_input`. What was read here is cached, so a plan of the next query
 * finds it. The files of data and deletes are not opened, but their sizes are compared, and they are made durable.
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
    await inParallel(untrusted, (manifest) =>
      reading(snapshot, () => checkManifest(context, next, snapshot, manifest)),
    )
    await checkListedOnce(context, manifests, untrusted)
    for (const { path } of untrusted) trusted.add(path)
  }
  await checkSpecsStay(context, base, next)
}

async function checkManifest(
  context: CommitContext,
  table: TableMetadata,
  snapshot: Snapshot,
  manifest: ManifestFile,
): Promise<void> {
  const { path, partitionSpecId } = manifest
  checkPlace(table, path)
  const spec = table.partitionSpecs.find(({ specId }) => specId === partitionSpecId)
  if (!spec) throw refused(`${path} is of partition spec ${partitionSpecId}, which the table does not have`)
  const read = await context.manifests.read(path)
  if (!partitionsAlike(read.spec, spec)) {
    throw refused(`${path} is not partitioned as partition spec ${partitionSpecId} of the table`)
  }
  const live = read.entries.filter(({ status }) => status !== 'deleted')
  if (live.length > 0 && manifest.addedFiles + manifest.existingFiles === 0) {
    throw refused(`${path} has ${live.length} live files, and the manifest list says that it has none`)
  }
  for (const entry of live) checkFile(table, snapshot, manifest, settled(entry, manifest))
  checkWritable(table, spec, path, live)
  const added = live.filter(({ status }) => status === 'added')
  await inParallel(added, ({ file }) => checkIsThere(context, file))
}

function checkFile(
  table: TableMetadata,
  { snapshotId, sequenceNumber: newest }: Snapshot,
  manifest: ManifestFile,
  { file, sequenceNumber }: ManifestEntry,
): void {
  const { path, foreign } = file
  checkPlace(table, path)
  if (foreign && foreign.format !== PARQUET) {
    throw refused(`${path} is ${foreign.format}: tables here are of ${PARQUET} files`)
  }
  if (foreign?.keyMetadata) throw refused(`${path} is encrypted: ticklake could not read it`)
  const content = foreign?.content ?? 'data'
  if ((content === 'data') !== (manifest.content === 'data')) {
    throw refused(`${path} is of ${content}, in a manifest of ${manifest.content}`)
  }
  // A delete that comes after rows which are not there yet would take them away once they are.
  if (sequenceNumber !== null && sequenceNumber > newest) {
    throw refused(
      `${path} has sequence number ${sequenceNumber}, and its snapshot ${snapshotId} has ${newest}`,
    )
  }
}

/** Manifests are merged while rows come in: one that could not be written again would stop that. */
function checkWritable(
  table: TableMetadata,
  spec: PartitionSpec,
  path: string,
  live: readonly ManifestEntry[],
): void {
  const schema = schemaOfSpec(table, spec)
  try {
    encodeManifest(schema, spec, live)
    summarisePartitions(
      schema,
      spec,
      live.map(({ file }) => file),
    )
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new TicklakeError(
      'invalid_input',
      `${path} has partition values that its spec does not have, or that ticklake cannot write: ${why}`,
      { cause },
    )
  }
}

/** A file that is listed twice would be read twice: each of its rows would be there two times. */
async function checkListedOnce(
  { manifests }: CommitContext,
  listed: readonly ManifestFile[],
  brought: readonly ManifestFile[],
): Promise<void> {
  const paths = new Set<string>()
  for (const manifest of brought) {
    for (const { file } of await manifests.live(manifest)) {
      if (paths.has(file.path)) throw refused(`${file.path} is brought twice: a snapshot lists a file once`)
      paths.add(file.path)
    }
  }
  if (paths.size === 0) return
  const others = listed.filter((manifest) => !brought.includes(manifest))
  await inParallel(others, async (manifest) => {
    const again = (await manifests.live(manifest)).find(({ file }) => paths.has(file.path))
    if (again) throw refused(`${again.file.path} is in the table already: a snapshot lists a file once`)
  })
}

/** A file that is missing would make each query of the table an error. It is made durable, as our own files are. */
async function checkIsThere({ objects }: CommitContext, { path, fileSizeBytes }: DataFile): Promise<void> {
  const { sizeBytes } = await objects.seal(path)
  if (sizeBytes === fileSizeBytes) return
  throw refused(`${path} has ${sizeBytes} bytes, and its manifest says ${fileSizeBytes}`)
}

/** A spec stays while a manifest is of it: without it none could be read, merged or written anew, and no flush committed. */
async function checkSpecsStay(
  { manifests }: CommitContext,
  base: TableMetadata,
  next: TableMetadata,
): Promise<void> {
  const kept = new Set(next.partitionSpecs.map(({ specId }) => specId))
  if (base.partitionSpecs.every(({ specId }) => kept.has(specId))) return
  for (const { snapshotId, manifestList } of next.snapshots) {
    const lost = (await manifests.list(manifestList)).find(
      ({ partitionSpecId }) => !kept.has(partitionSpecId),
    )
    if (!lost) continue
    const message = `remove-partition-specs: ${lost.path} of snapshot ${snapshotId} is of partition spec ${lost.partitionSpecId}`
    throw refused(`${message}: rewrite its files, and let the snapshot expire, first`)
  }
}

function partitionsAlike({ fields: a }: PartitionSpec, { fields: b }: PartitionSpec): boolean {
  return a.length === b.length && a.every((field, index) => isEquivalent(field, b[index]!))
}

function checkPlace({ location }: TableMetadata, path: string): void {
  const isWithin = path.startsWith(`${location}/`) && !path.split('/').some((part) => /^\.{1,2}$/.test(part))
  if (/[*?[]/.test(path))
    throw refused(`${path} would be read as a pattern of paths: *, ? and [ are not for names`)
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
