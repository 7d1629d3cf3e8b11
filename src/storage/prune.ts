import { invalid, TicklakeError } from '#core'
import { deletesOf } from './deletes.js'
import { type ColumnPredicate, fileMayMatch, manifestMayMatch } from './iceberg/evaluator.js'
import { type DataFile, type Manifest, PARQUET } from './iceberg/manifest.js'
import { type ManifestFile, settled } from './iceberg/manifest-list.js'
import { ancestry, snapshotById, type TableMetadata } from './iceberg/metadata.js'
import type { Snapshot } from './iceberg/snapshot.js'
import { inParallel } from './in-parallel.js'
import type { Manifests } from './manifests.js'
import type { FileSelection } from './table.js'
import type { ReadableFile } from './unnumbered-files.js'

/** A data file of a snapshot, with the deletes that apply to it, and the partition spec that it was written by. */
export interface LiveFile {
  readonly specId: number
  readonly file: ReadableFile
}

/** A manifest, and its place in the list of a snapshot. */
export interface ListedManifest {
  readonly listed: ManifestFile
  readonly manifest: Manifest
}

/** Finds the data files of a snapshot. Serves every table and every reader; safe to call concurrently. */
export class FileIndex {
  readonly #manifests: Manifests

  constructor(manifests: Manifests) {
    this.#manifests = manifests
  }

  /**
   * The files of a snapshot that may hold rows that match: by the partitions of each manifest, then of each file, then
   * by the bounds of its columns; each with the delete files that apply to it. Snapshot null: no files. An error when one
   * of those cannot be read: leaving it out would show deleted rows.
   */
  async selectFiles(
    metadata: TableMetadata,
    snapshotId: bigint | null,
    predicates: readonly ColumnPredicate[],
  ): Promise<FileSelection> {
    const { live, filesTotal } = await this.liveFiles(metadata, snapshotId, predicates)
    return { files: live.map(({ file }) => file), filesTotal }
  }

  /** The same, each with the partition spec that it was written by. */
  async liveFiles(
    metadata: TableMetadata,
    snapshotId: bigint | null,
    predicates: readonly ColumnPredicate[],
  ): Promise<{ readonly live: readonly LiveFile[]; readonly filesTotal: number }> {
    if (snapshotId === null) return { live: [], filesTotal: 0 }
    const listed = await this.#live(metadata, snapshotId)
    const candidates = candidatesOf(metadata, listed, predicates)
    // A delete is about rows of its own partition, so what leaves data out leaves it out as well.
    const deletes = await deletesOf(this.#manifests, metadata, candidates)
    const ofData = candidates.filter(({ content }) => content === 'data')
    const files = await inParallel(ofData, async (manifest) => {
      const { partitionSpecId: specId, path } = manifest
      const { spec, entries } = await this.#manifests.read(path)
      return entries
        .filter(({ status, file }) => status !== 'deleted' && fileMayMatch(file, spec, predicates))
        .map((entry) => {
          const applied = deletes?.of(specId, settled(entry, manifest)) ?? []
          return { specId, file: applied.length === 0 ? entry.file : { ...entry.file, deletes: applied } }
        })
    })
    const live = files.flat()
    const unreadable = live.find(({ file: { foreign } }) => foreign && foreign.format !== PARQUET)
    if (unreadable) {
      const expected = `${PARQUET}, the one format that ticklake reads; found in ${unreadable.file.path}`
      throw invalid('file_format', unreadable.file.foreign?.format, expected)
    }
    const filesTotal = listed
      .filter(({ content }) => content === 'data')
      .reduce((sum, { addedFiles, existingFiles }) => sum + addedFiles + existingFiles, 0)
    return { live, filesTotal }
  }

  /** The manifests of the data files of a snapshot that may hold rows that match, as its list has them, and what they say. */
  async dataManifests(
    metadata: TableMetadata,
    snapshotId: bigint,
    predicates: readonly ColumnPredicate[],
  ): Promise<readonly ListedManifest[]> {
    const candidates = candidatesOf(metadata, await this.#live(metadata, snapshotId), predicates)
    const ofData = candidates.filter(({ content }) => content === 'data')
    return inParallel(ofData, async (listed) => ({
      listed,
      manifest: await this.#manifests.read(listed.path),
    }))
  }

  /** The delete files of the current snapshot that apply to none of its data files: they came too late, or all is rewritten. */
  async idleDeletes(metadata: TableMetadata): Promise<readonly DataFile[]> {
    const { currentSnapshotId: snapshotId } = metadata
    if (snapshotId === null) return []
    const deletes = await deletesOf(this.#manifests, metadata, await this.#live(metadata, snapshotId))
    if (deletes === null) return []
    const { live } = await this.liveFiles(metadata, snapshotId, [])
    const applied = new Set(live.flatMap(({ file }) => (file.deletes ?? []).map(({ path }) => path)))
    return deletes.files.filter(({ path }) => !applied.has(path))
  }

  async #live(metadata: TableMetadata, snapshotId: bigint): Promise<readonly ManifestFile[]> {
    const listed = await this.#manifests.list(snapshotById(metadata, snapshotId).manifestList)
    return listed.filter(({ addedFiles, existingFiles }) => addedFiles + existingFiles > 0)
  }

  /**
   * The files that the append snapshots after `snapshotId` (null: from the first on) up to the current one added and
   * that may hold rows that match, oldest first; what was deleted of them since is no matter of theirs. `gone` when it is no ancestor of the current snapshot (any more).
   */
  async appendedSince(
    metadata: TableMetadata,
    snapshotId: bigint | null,
    predicates: readonly ColumnPredicate[] = [],
  ): Promise<readonly DataFile[]> {
    const since: Snapshot[] = []
    let parent = metadata.currentSnapshotId
    for (const snapshot of ancestry(metadata, metadata.currentSnapshotId)) {
      if (snapshot.snapshotId === snapshotId) break
      if (snapshot.summary.operation === 'append') since.unshift(snapshot)
      parent = snapshot.parentSnapshotId
    }
    if (parent !== snapshotId) {
      const message = `snapshot ${snapshotId ?? 0} of ${metadata.location} has expired or was never an ancestor of the current one`
      throw new TicklakeError('gone', message)
    }
    return (await inParallel(since, (snapshot) => this.addedBy(snapshot, predicates))).flat()
  }

  /** The files that an append snapshot added and that may hold rows that match. */
  async addedBy(
    { snapshotId: by, manifestList }: Snapshot,
    predicates: readonly ColumnPredicate[],
  ): Promise<readonly DataFile[]> {
    const list = await this.#manifests.list(manifestList)
    const manifests = list.filter(
      ({ content, addedSnapshotId, addedFiles }) =>
        content === 'data' && addedSnapshotId === by && addedFiles > 0,
    )
    const added = await inParallel(manifests, async ({ path }) => {
      const { spec, entries } = await this.#manifests.read(path)
      return entries
        .filter(({ status, file }) => status === 'added' && fileMayMatch(file, spec, predicates))
        .map(({ file }) => file)
    })
    return added.flat()
  }
}

function candidatesOf(
  { partitionSpecs }: TableMetadata,
  listed: readonly ManifestFile[],
  predicates: readonly ColumnPredicate[],
): readonly ManifestFile[] {
  const specs = new Map(partitionSpecs.map((spec) => [spec.specId, spec]))
  return listed.filter((one) => manifestMayMatch(one, specs.get(one.partitionSpecId), predicates))
}
