import { invalid, TicklakeError } from '#core'
import { type ColumnPredicate, fileMayMatch, manifestMayMatch } from './iceberg/evaluator.js'
import { type DataFile, PARQUET } from './iceberg/manifest.js'
import { ancestry, snapshotById, type TableMetadata } from './iceberg/metadata.js'
import { inParallel } from './in-parallel.js'
import type { Manifests } from './manifests.js'
import type { FileSelection } from './table.js'

/** A data file of a snapshot, and the partition spec that it was written by. */
export interface LiveFile {
  readonly specId: number
  readonly file: DataFile
}

/** Finds the data files of a snapshot. Serves every table and every reader; safe to call concurrently. */
export class FileIndex {
  readonly #manifests: Manifests

  constructor(manifests: Manifests) {
    this.#manifests = manifests
  }

  /**
   * The files of a snapshot that may hold rows that match: by the partitions of each manifest, then of each file, then
   * by the bounds of its columns. Snapshot null: no files. `conflict` when delete files apply: ticklake writes none
   * and reads none, and leaving them out would show deleted rows.
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
    const specs = new Map(metadata.partitionSpecs.map((spec) => [spec.specId, spec]))
    const listed = (await this.#manifests.list(snapshotById(metadata, snapshotId).manifestList)).filter(
      ({ addedFiles, existingFiles }) => addedFiles + existingFiles > 0,
    )
    const candidates = listed.filter((one) =>
      manifestMayMatch(one, specs.get(one.partitionSpecId), predicates),
    )
    const deletes = candidates.find(({ content }) => content === 'deletes')
    if (deletes) {
      const message = `snapshot ${snapshotId} of ${metadata.location} holds delete files of another engine (${deletes.path})`
      throw new TicklakeError('conflict', `${message}: rewrite the data files with that engine first`)
    }
    const files = await inParallel(candidates, async ({ path, partitionSpecId: specId }) => {
      const { spec, entries } = await this.#manifests.read(path)
      return entries
        .filter(({ status, file }) => status !== 'deleted' && fileMayMatch(file, spec, predicates))
        .map(({ file }) => ({ specId, file }))
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

  /**
   * The files that the append snapshots after `snapshotId` (null: from the first on) up to the current one added and
   * that may hold rows that match, oldest first. `gone` when it is no ancestor of the current snapshot (any more).
   */
  async appendedSince(
    metadata: TableMetadata,
    snapshotId: bigint | null,
    predicates: readonly ColumnPredicate[] = [],
  ): Promise<readonly DataFile[]> {
    const since: { snapshotId: bigint; manifestList: string }[] = []
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
    const added = await inParallel(since, async ({ snapshotId: by, manifestList }) => {
      const list = await this.#manifests.list(manifestList)
      const manifests = list.filter(
        ({ content, addedSnapshotId, addedFiles }) =>
          content === 'data' && addedSnapshotId === by && addedFiles > 0,
      )
      return inParallel(manifests, async (file) => {
        const { spec, entries } = await this.#manifests.read(file.path)
        return entries
          .filter(({ status, file }) => status === 'added' && fileMayMatch(file, spec, predicates))
          .map(({ file }) => file)
      })
    })
    return added.flat(2)
  }
}
