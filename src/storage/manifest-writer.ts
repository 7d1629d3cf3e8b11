import { TicklakeError } from '#core'
import type { CommitContext } from './commit.js'
import { type DataFile, encodeManifest, type Manifest, type ManifestEntry } from './iceberg/manifest.js'
import { encodeManifestList, type ManifestFile, summarisePartitions } from './iceberg/manifest-list.js'
import {
  currentSnapshot,
  nextSequenceNumber,
  schemaOfSpec,
  specById,
  type TableMetadata,
} from './iceberg/metadata.js'
import type { PartitionSpec } from './iceberg/partition.js'

/** A manifest to write: of one spec, and all data or all deletes. */
export interface NewManifest {
  readonly spec: PartitionSpec
  readonly content: Manifest['content']
  readonly entries: readonly ManifestEntry[]
  /** The snapshot that makes it. */
  readonly snapshotId: bigint
  /** Begins the file's name. */
  readonly name: string
}

/** The current snapshot's manifests that still hold live files. */
export async function liveManifests(
  { manifests }: CommitContext,
  metadata: TableMetadata,
): Promise<readonly ManifestFile[]> {
  const current = currentSnapshot(metadata)
  const all = current ? await manifests.list(current.manifestList) : []
  return all.filter(({ addedFiles, existingFiles }) => addedFiles + existingFiles > 0)
}

/** New data files, all of one partition spec: of the default one when it is not given. */
export interface AddedFiles extends Pick<NewManifest, 'snapshotId' | 'name'> {
  readonly files: readonly DataFile[]
  readonly specId: number | undefined
  /** Data sequence number of the files; null: that of the snapshot. */
  readonly sequenceNumber?: number | null
}

/** `gone` when the spec that files were written by is no longer one of the table: they must be written anew. */
export function requireSpec({ partitionSpecs, location }: TableMetadata, specId: number): void {
  if (partitionSpecs.some((spec) => spec.specId === specId)) return
  const message = `the partition spec ${specId}, by which files of ${location} were written, has been removed since`
  throw new TicklakeError('gone', `${message}: write them anew`)
}

/** Writes the manifest of files that a snapshot adds. Before each commit of it, `requireSpec`. */
export function writeAdded(
  context: CommitContext,
  metadata: TableMetadata,
  { files, specId = metadata.defaultSpecId, snapshotId, name, sequenceNumber = null }: AddedFiles,
): Promise<ManifestFile> {
  const entries = files.map(
    (file): ManifestEntry => ({
      status: 'added',
      snapshotId,
      // What is null is inherited from the list, so that a rebase need not write the manifest again.
      sequenceNumber,
      fileSequenceNumber: null,
      file,
    }),
  )
  const spec = specById(metadata, specId)
  return writeManifest(context, metadata, { spec, content: 'data', entries, snapshotId, name })
}

/** Writes a manifest, under a new name. What its entries leave open, a list that takes it in settles. */
export async function writeManifest(
  { objects, random }: CommitContext,
  metadata: TableMetadata,
  { spec, content, entries, snapshotId, name }: NewManifest,
): Promise<ManifestFile> {
  const schema = schemaOfSpec(metadata, spec)
  const bytes = encodeManifest(schema, spec, entries, content)
  const path = `${metadata.location}/metadata/${name}-${random.id().toString(16)}-m0.avro`
  await objects.create(path, bytes)
  const of = (status: ManifestEntry['status']) => entries.filter((entry) => entry.status === status)
  const rows = (some: readonly ManifestEntry[]) => some.reduce((sum, { file }) => sum + file.recordCount, 0)
  const [added, existing, deleted] = [of('added'), of('existing'), of('deleted')]
  const sequences = [...added, ...existing].flatMap(({ sequenceNumber }) => sequenceNumber ?? [])
  return {
    path,
    lengthBytes: bytes.length,
    partitionSpecId: spec.specId,
    content,
    // Set when a list takes it in.
    sequenceNumber: 0,
    minSequenceNumber: sequences.length === 0 ? Number.POSITIVE_INFINITY : Math.min(...sequences),
    addedSnapshotId: snapshotId,
    addedFiles: added.length,
    existingFiles: existing.length,
    deletedFiles: deleted.length,
    addedRows: rows(added),
    existingRows: rows(existing),
    deletedRows: rows(deleted),
    partitions: summarisePartitions(
      schema,
      spec,
      entries.map(({ file }) => file),
    ),
    keyMetadata: null,
  }
}

/** Writes the list of a new snapshot on main, and gives its location. The manifests of that snapshot get its number. */
export async function writeManifestList(
  { objects, random }: CommitContext,
  metadata: TableMetadata,
  snapshotId: bigint,
  manifests: readonly ManifestFile[],
  attempt: number,
): Promise<string> {
  const sequenceNumber = nextSequenceNumber(metadata)
  const numbered = manifests.map((manifest) =>
    manifest.addedSnapshotId === snapshotId
      ? {
          ...manifest,
          sequenceNumber,
          minSequenceNumber: Math.min(manifest.minSequenceNumber, sequenceNumber),
        }
      : manifest,
  )
  const owner = { snapshotId, parentSnapshotId: metadata.currentSnapshotId, sequenceNumber }
  const path = `${metadata.location}/metadata/snap-${snapshotId}-${attempt}-${random.id().toString(16)}.avro`
  await objects.create(path, encodeManifestList(owner, numbered))
  return path
}

/** The id, which was drawn by chance. `unavailable` in the rare case that the table has it. */
export function newSnapshotId(metadata: TableMetadata, drawn: bigint): bigint {
  const isTaken = metadata.snapshots.some((snapshot) => snapshot.snapshotId === drawn)
  if (isTaken) throw new TicklakeError('unavailable', `snapshot id ${drawn} is taken: try again`)
  return drawn
}
