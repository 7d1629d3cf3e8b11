import { TicklakeError } from '#core'
import { type ColumnPredicate, fileMayMatch, manifestMayMatch } from './iceberg/evaluator.js'
import { type DataFile, decodeManifest, type Manifest } from './iceberg/manifest.js'
import { decodeManifestList, type ManifestFile } from './iceberg/manifest-list.js'
import { ancestry, snapshotById, type TableMetadata } from './iceberg/metadata.js'
import type { ObjectStore } from './objects/object-store.js'
import type { FileSelection } from './table.js'

/** Manifests read at a time. */
const PARALLEL_READS = 8
/** A cached data file with its statistics takes about 4 KB. */
const MAX_CACHED_FILES = 50_000
/** Entries are one manifest each, and a list of a streaming table may hold thousands. */
const MAX_CACHED_LIST_ENTRIES = 200_000

/**
 * Finds the data files of a snapshot. Manifest lists and manifests never change once written, so what was read is
 * kept, within bounds. Serves every table and every reader; safe to call concurrently.
 */
export class FileIndex {
  readonly #objects: ObjectStore
  readonly #lists = new BoundedCache<readonly ManifestFile[]>(MAX_CACHED_LIST_ENTRIES)
  readonly #manifests = new BoundedCache<Manifest>(MAX_CACHED_FILES)

  constructor(objects: ObjectStore) {
    this.#objects = objects
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
    if (snapshotId === null) return { files: [], filesTotal: 0 }
    const specs = new Map(metadata.partitionSpecs.map((spec) => [spec.specId, spec]))
    const live = (await this.#list(snapshotById(metadata, snapshotId).manifestList)).filter(
      ({ addedFiles, existingFiles }) => addedFiles + existingFiles > 0,
    )
    const candidates = live.filter((one) => manifestMayMatch(one, specs.get(one.partitionSpecId), predicates))
    const deletes = candidates.find(({ content }) => content === 'deletes')
    if (deletes) {
      const message = `snapshot ${snapshotId} of ${metadata.location} holds delete files of another engine (${deletes.path})`
      throw new TicklakeError('conflict', `${message}: rewrite the data files with that engine first`)
    }
    const manifests = await inParallel(candidates, (manifest) => this.#manifest(manifest))
    const files = manifests.flatMap(({ spec, entries }) =>
      entries
        .filter(({ status, file }) => status !== 'deleted' && fileMayMatch(file, spec, predicates))
        .map(({ file }) => file),
    )
    const filesTotal = live
      .filter(({ content }) => content === 'data')
      .reduce((sum, { addedFiles, existingFiles }) => sum + addedFiles + existingFiles, 0)
    return { files, filesTotal }
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
      const list = await this.#list(manifestList)
      const manifests = list.filter(
        ({ content, addedSnapshotId, addedFiles }) =>
          content === 'data' && addedSnapshotId === by && addedFiles > 0,
      )
      return inParallel(manifests, async (file) => {
        const { spec, entries } = await this.#manifest(file)
        return entries
          .filter(({ status, file }) => status === 'added' && fileMayMatch(file, spec, predicates))
          .map(({ file }) => file)
      })
    })
    return added.flat(2)
  }

  #list(path: string): Promise<readonly ManifestFile[]> {
    return this.#lists.get(path, async () => {
      const manifests = decodeManifestList(await this.#objects.read(path), path)
      return { value: manifests, weight: manifests.length + 1 }
    })
  }

  #manifest({ path }: ManifestFile): Promise<Manifest> {
    return this.#manifests.get(path, async () => {
      const manifest = decodeManifest(await this.#objects.read(path), path)
      return { value: manifest, weight: manifest.entries.length + 1 }
    })
  }
}

/** Least recently used values leave first. Who asks while a value is being read gets the same read. */
class BoundedCache<T> {
  readonly #maxWeight: number
  readonly #values = new Map<string, { readonly value: Promise<T>; weight: number }>()
  #weight = 0

  constructor(maxWeight: number) {
    this.#maxWeight = maxWeight
  }

  get(key: string, read: () => Promise<{ value: T; weight: number }>): Promise<T> {
    const known = this.#values.get(key)
    if (known) {
      this.#values.delete(key)
      this.#values.set(key, known)
      return known.value
    }
    const entry = { value: read().then(({ value, weight }) => this.#weigh(key, value, weight)), weight: 0 }
    this.#values.set(key, entry)
    // The caller sees the failure; the next one reads again.
    entry.value.catch(() => this.#values.delete(key))
    return entry.value
  }

  #weigh(key: string, value: T, weight: number): T {
    const entry = this.#values.get(key)
    if (entry) {
      entry.weight = weight
      this.#weight += weight
    }
    for (const [oldest, { weight: freed }] of this.#values) {
      if (this.#weight <= this.#maxWeight || oldest === key) break
      if (freed === 0) continue
      this.#values.delete(oldest)
      this.#weight -= freed
    }
    return value
  }
}

/** Maps in the given order, with a bound on what runs at a time. */
async function inParallel<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<readonly R[]> {
  const results = new Array<R>(items.length)
  let next = 0
  const worker = async () => {
    while (next < items.length) {
      const index = next++
      results[index] = await work(items[index]!)
    }
  }
  await Promise.all(Array.from({ length: Math.min(PARALLEL_READS, items.length) }, worker))
  return results
}
