import { invalid, TicklakeError } from '#core'
import { type ColumnPredicate, fileMayMatch, manifestMayMatch } from './iceberg/evaluator.js'
import { type DataFile, PARQUET } from './iceberg/manifest.js'
import { ancestry, currentSchema, snapshotById, type TableMetadata } from './iceberg/metadata.js'
import { encodeValue } from './iceberg/values.js'
import { inParallel } from './in-parallel.js'
import type { Manifests } from './manifests.js'
import type { FileSelection, RowFilter } from './table.js'

/** Finds the data files of a snapshot. Serves every table and every reader; safe to call concurrently. */
export class FileIndex {
  readonly #manifests: Manifests

  constructor(manifests: Manifests) {
    this.#manifests = manifests
  }

  /**
   * The files of a snapshot that may hold rows of the filter: by the days of each manifest, then of each file, then
   * by the bounds of its columns. Snapshot null: no files. `conflict` when delete files apply: ticklake writes none
   * and reads none, and leaving them out would show deleted rows.
   */
  async selectFiles(
    metadata: TableMetadata,
    snapshotId: bigint | null,
    filter: RowFilter,
  ): Promise<FileSelection> {
    if (snapshotId === null) return { files: [], filesTotal: 0 }
    const predicates = predicatesOf(metadata, filter)
    const specs = new Map(metadata.partitionSpecs.map((spec) => [spec.specId, spec]))
    const live = (await this.#manifests.list(snapshotById(metadata, snapshotId).manifestList)).filter(
      ({ addedFiles, existingFiles }) => addedFiles + existingFiles > 0,
    )
    const candidates = live.filter((one) => manifestMayMatch(one, specs.get(one.partitionSpecId), predicates))
    const deletes = candidates.find(({ content }) => content === 'deletes')
    if (deletes) {
      const message = `snapshot ${snapshotId} of ${metadata.location} holds delete files of another engine (${deletes.path})`
      throw new TicklakeError('conflict', `${message}: rewrite the data files with that engine first`)
    }
    const manifests = await inParallel(candidates, (manifest) => this.#manifests.read(manifest.path))
    const files = manifests.flatMap(({ spec, entries }) =>
      entries
        .filter(({ status, file }) => status !== 'deleted' && fileMayMatch(file, spec, predicates))
        .map(({ file }) => file),
    )
    const unreadable = files.find(({ foreign }) => foreign && foreign.format !== PARQUET)
    if (unreadable) {
      const expected = `${PARQUET}, the one format that ticklake reads; found in ${unreadable.path}`
      throw invalid('file_format', unreadable.foreign?.format, expected)
    }
    const filesTotal = live
      .filter(({ content }) => content === 'data')
      .reduce((sum, { addedFiles, existingFiles }) => sum + addedFiles + existingFiles, 0)
    return { files, filesTotal }
  }

  /**
   * The files that the append snapshots after `snapshotId` (null: from the first on) up to the current one added and
   * that may hold rows of the filter, oldest first. `gone` when it is no ancestor of the current snapshot (any more).
   */
  async appendedSince(
    metadata: TableMetadata,
    snapshotId: bigint | null,
    filter: RowFilter = {},
  ): Promise<readonly DataFile[]> {
    const predicates = predicatesOf(metadata, filter)
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

function predicatesOf(metadata: TableMetadata, filter: RowFilter): readonly ColumnPredicate[] {
  const { fields } = currentSchema(metadata)
  const predicates: ColumnPredicate[] = []
  const addTexts = (column: string, texts: readonly string[] | undefined) => {
    const field = fields.find(({ name, type }) => name === column && type === 'string')
    if (!field || !texts) return
    const values = texts.map((text) => encodeValue('string', text))
    predicates.push({ kind: 'in', fieldId: field.id, type: 'string', values })
  }
  addTexts('symbol', filter.symbols)
  addTexts('exchange', filter.exchange === undefined ? undefined : [filter.exchange])
  const timeId = metadata.partitionSpecs
    .flatMap((spec) => spec.fields)
    .find(({ transform }) => transform === 'day')?.sourceId
  const time = fields.find(({ id, type }) => id === timeId && type === 'timestamptz')
  const { startMicros, endMicros } = filter
  if (time && (startMicros !== undefined || endMicros !== undefined)) {
    predicates.push({
      kind: 'range',
      fieldId: time.id,
      type: 'timestamptz',
      from: startMicros === undefined ? null : encodeValue('timestamptz', startMicros),
      before: endMicros === undefined ? null : encodeValue('timestamptz', endMicros),
    })
  }
  return predicates
}
