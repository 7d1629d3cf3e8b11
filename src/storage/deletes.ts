import { invalid, TicklakeError } from '#core'
import type { FileColumn } from './file-columns.js'
import { hasValues, isBelow } from './iceberg/evaluator.js'
import { type DataFile, type ForeignFields, type ManifestEntry, PARQUET } from './iceberg/manifest.js'
import { type ManifestFile, settled } from './iceberg/manifest-list.js'
import { currentSchema, type TableMetadata } from './iceberg/metadata.js'
import type { PartitionSpec } from './iceberg/partition.js'
import { baseType } from './iceberg/values.js'
import { inParallel } from './in-parallel.js'
import type { Manifests } from './manifests.js'

/** A file of another engine that takes rows out of a data file. */
export interface DeleteFile {
  readonly path: string
  /** Rows with the same values in these columns are deleted, null being like null; null: rows at the listed positions. */
  readonly keyColumns: readonly FileColumn[] | null
}

/** Field ids of a position delete's columns (spec: Reserved Field IDs). */
export const FILE_PATH_ID = 2_147_483_546
export const POSITION_ID = 2_147_483_545

/** A delete file with what it is found by. */
interface Candidate extends DeleteFile {
  readonly file: DataFile
  readonly foreign: ForeignFields
  readonly specId: number
  readonly sequenceNumber: number
}

/** The deletes of these manifests, or of those of them that came after a sequence number; null when there are none. */
export async function deletesOf(
  manifests: Manifests,
  metadata: TableMetadata,
  listed: readonly ManifestFile[],
  after = -1,
): Promise<DeleteIndex | null> {
  const ofDeletes = listed.filter(
    ({ content, sequenceNumber }) => content === 'deletes' && sequenceNumber > after,
  )
  if (ofDeletes.length === 0) return null
  const candidates = await inParallel(ofDeletes, async (manifest) => {
    const { spec, entries } = await manifests.read(manifest.path)
    return entries
      .filter(({ status }) => status !== 'deleted')
      .map((entry) => ({ spec, candidate: candidateOf(metadata, manifest, entry) }))
      .filter(({ candidate }) => candidate.sequenceNumber > after)
  })
  const all = candidates.flat()
  return all.length === 0 ? null : new DeleteIndex(all)
}

/**
 * Which delete files apply to which data file (spec: Scan Planning): of its partition, those by position that name it and
 * are not older, and those by value that are newer and, by their bounds, may have a value of its; those by value
 * without a partition are about all partitions.
 */
export class DeleteIndex {
  readonly #byPath = new Map<string, Candidate[]>()
  readonly #byPartition = new Map<string, Candidate[]>()
  readonly #everywhere: Candidate[] = []
  readonly #all: Candidate[] = []

  constructor(candidates: readonly { readonly spec: PartitionSpec; readonly candidate: Candidate }[]) {
    for (const { spec, candidate } of candidates) {
      this.#all.push(candidate)
      const path = onlyPath(candidate)
      if (path !== null) add(this.#byPath, path, candidate)
      else if (candidate.keyColumns && isUnpartitioned(spec)) this.#everywhere.push(candidate)
      else add(this.#byPartition, partitionKey(candidate.specId, candidate.file), candidate)
    }
  }

  /** All of them, as the manifests have them. */
  get files(): readonly DataFile[] {
    return this.#all.map(({ file }) => file)
  }

  /** Those that apply to a live data file of a manifest. `invalid_input` when one of them has a format that we do not read. */
  of(specId: number, { file, sequenceNumber }: ManifestEntry): readonly DeleteFile[] {
    const key = partitionKey(specId, file)
    const named = (this.#byPath.get(file.path) ?? []).filter(
      (candidate) => partitionKey(candidate.specId, candidate.file) === key,
    )
    const applied = [...named, ...(this.#byPartition.get(key) ?? []), ...this.#everywhere].filter(
      (candidate) => appliesTo(candidate, file, sequenceNumber ?? 0),
    )
    const unreadable = applied.find(({ foreign }) => foreign.format !== PARQUET)
    if (unreadable) {
      const expected = `${PARQUET}, the one format of delete files that ticklake reads; found in ${unreadable.path}`
      throw invalid('file_format', unreadable.foreign.format, expected)
    }
    return applied.map(({ path, keyColumns }) => ({ path, keyColumns }))
  }
}

function candidateOf(metadata: TableMetadata, manifest: ManifestFile, entry: ManifestEntry): Candidate {
  const { file } = entry
  const { foreign } = file
  if (!foreign || foreign.content === 'data') {
    throw new TicklakeError('corrupt', `${manifest.path}: a manifest of deletes lists data (${file.path})`)
  }
  return {
    path: file.path,
    keyColumns: foreign.content === 'equality-deletes' ? keyColumns(metadata, file) : null,
    file,
    foreign,
    specId: manifest.partitionSpecId,
    sequenceNumber: settled(entry, manifest).sequenceNumber ?? 0,
  }
}

/** The columns that an equality delete compares, those too that have been dropped since: as wide as they have become. */
function keyColumns(metadata: TableMetadata, { path, foreign }: DataFile): readonly FileColumn[] {
  const ids = foreign?.equalityIds ?? []
  if (ids.length === 0) throw new TicklakeError('corrupt', `${path}: an equality delete compares no column`)
  const schemas = [...metadata.schemas, currentSchema(metadata)].reverse()
  return ids.map((id) => {
    const field = schemas.flatMap(({ fields }) => fields).find((candidate) => candidate.id === id)
    if (field && typeof field.type === 'string') return { id, name: field.name, type: field.type }
    const message = `${path}: an equality delete compares field ${id}, which is no column at the top of the table`
    throw new TicklakeError('conflict', `${message}, and ticklake compares no others`)
  })
}

function appliesTo(candidate: Candidate, file: DataFile, sequenceNumber: number): boolean {
  if (candidate.keyColumns === null) {
    return sequenceNumber <= candidate.sequenceNumber && mayName(candidate, file.path)
  }
  return sequenceNumber < candidate.sequenceNumber && mayShareKey(file, candidate.file, candidate.keyColumns)
}

/** The data file that a position delete is about, when it is about one only. */
function onlyPath({ keyColumns, file, foreign }: Candidate): string | null {
  if (keyColumns !== null) return null
  if (foreign.referencedDataFile !== null) return foreign.referencedDataFile
  const lower = file.lowerBounds.get(FILE_PATH_ID)
  const upper = file.upperBounds.get(FILE_PATH_ID)
  if (!lower || !upper || Buffer.compare(lower, upper) !== 0) return null
  return Buffer.from(lower).toString('utf8')
}

function mayName({ file }: Candidate, path: string): boolean {
  const bytes = Buffer.from(path, 'utf8')
  const lower = file.lowerBounds.get(FILE_PATH_ID) ?? null
  const upper = file.upperBounds.get(FILE_PATH_ID) ?? null
  return !isBelow('string', bytes, lower) && !isBelow('string', upper, bytes)
}

/** False only if no row of the one file has the same values in these columns as one of the other. */
function mayShareKey(data: DataFile, deletes: DataFile, columns: readonly FileColumn[]): boolean {
  return columns.every(({ id, type }) => {
    // NaN is in no bound, and equals itself.
    if (['float', 'double'].includes(baseType(type))) return true
    if (mayHaveNulls(data, id) && mayHaveNulls(deletes, id)) return true
    if (!hasValues(data, id) || !hasValues(deletes, id)) return false
    const bound = (bounds: ReadonlyMap<number, Uint8Array>) => bounds.get(id) ?? null
    return (
      !isBelow(type, bound(data.upperBounds), bound(deletes.lowerBounds)) &&
      !isBelow(type, bound(deletes.upperBounds), bound(data.lowerBounds))
    )
  })
}

/** A file that does not count them may be older than the column, and have nothing but nulls. */
function mayHaveNulls({ nullValueCounts }: DataFile, id: number): boolean {
  return nullValueCounts.get(id) !== 0
}

function isUnpartitioned({ fields }: PartitionSpec): boolean {
  return fields.every(({ transform }) => transform === 'void')
}

/** The same for the same spec and values: an int and the long that it was widened to are alike. */
function partitionKey(specId: number, { partition }: DataFile): string {
  const texts = partition.map((value) =>
    value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value === null ? null : String(value),
  )
  return JSON.stringify([specId, ...texts])
}

function add(map: Map<string, Candidate[]>, key: string, candidate: Candidate): void {
  const others = map.get(key)
  if (others) others.push(candidate)
  else map.set(key, [candidate])
}
