import { statSync } from 'node:fs'
import { type Engine, sqlString } from '#engine'
import type { DataFile } from '#storage'
import type { CommitContext, TableChange } from '../../src/storage/commit.js'
import { FILE_PATH_ID, POSITION_ID } from '../../src/storage/deletes.js'
import type { ForeignFields } from '../../src/storage/iceberg/manifest.js'
import { addSnapshot, specById, type TableMetadata } from '../../src/storage/iceberg/metadata.js'
import type { Value } from '../../src/storage/iceberg/values.js'
import {
  liveManifests,
  newSnapshotId,
  writeManifest,
  writeManifestList,
} from '../../src/storage/manifest-writer.js'
import { localLocation } from '../../src/storage/objects/local.js'

/** A delete file to write. */
interface NewDeletes {
  readonly path: string
  readonly partition: readonly (Value | null)[]
}

/** Writes a file of deletes by position as other engines do: sorted by path and position. */
export async function positionDeletes(
  engine: Pick<Engine, 'run'>,
  { path, partition }: NewDeletes,
  rows: readonly { readonly path: string; readonly position: number }[],
  known: 'nothing' | 'bounds' | 'the file',
): Promise<DataFile> {
  const tuples = rows.map((row) => `(${sqlString(row.path)}, ${row.position})`)
  await engine.run(
    `COPY (SELECT file_path, pos::BIGINT AS pos FROM (VALUES ${tuples.join(', ')}) AS deleted(file_path, pos) ORDER BY ALL)
     TO ${sqlString(path)} (FORMAT parquet, FIELD_IDS {file_path: ${FILE_PATH_ID}, pos: ${POSITION_ID}})`,
  )
  const paths = rows.map((row) => Buffer.from(row.path)).sort(Buffer.compare)
  const bounds = (bound: Uint8Array | undefined) =>
    new Map(known === 'bounds' && bound ? [[FILE_PATH_ID, bound]] : [])
  return {
    ...deleteFile(path, partition, rows.length, {
      content: 'position-deletes',
      equalityIds: null,
      referencedDataFile: known === 'the file' ? rows[0]!.path : null,
    }),
    lowerBounds: bounds(paths[0]),
    upperBounds: bounds(paths.at(-1)),
  }
}

/** Writes a file of deletes by value: what a SELECT yields, in columns with these field ids. */
export async function equalityDeletes(
  engine: Pick<Engine, 'run'>,
  { path, partition }: NewDeletes,
  select: string,
  ids: Readonly<Record<string, number>>,
  rowCount: number,
): Promise<DataFile> {
  const fields = Object.entries(ids).map(([name, id]) => `${name}: ${id}`)
  await engine.run(
    `COPY (${select}) TO ${sqlString(path)} (FORMAT parquet, FIELD_IDS {${fields.join(', ')}})`,
  )
  return deleteFile(path, partition, rowCount, {
    content: 'equality-deletes',
    equalityIds: Object.values(ids),
    referencedDataFile: null,
  })
}

function deleteFile(
  path: string,
  partition: readonly (Value | null)[],
  recordCount: number,
  foreign: Pick<ForeignFields, 'content' | 'equalityIds' | 'referencedDataFile'>,
): DataFile {
  return {
    path: localLocation(path),
    partition,
    recordCount,
    fileSizeBytes: statSync(path).size,
    columnSizes: new Map(),
    valueCounts: new Map(),
    nullValueCounts: new Map(),
    lowerBounds: new Map(),
    upperBounds: new Map(),
    splitOffsets: [],
    sortOrderId: null,
    foreign: { ...foreign, format: 'PARQUET', nanValueCounts: new Map(), keyMetadata: null },
  }
}

/** Files of one partition spec. */
export interface ForeignFiles {
  readonly specId: number
  readonly files: readonly DataFile[]
}

/** A commit of another engine, that adds data files and delete files at once. */
export class ForeignDeletes implements TableChange {
  readonly #context: CommitContext
  readonly #data: readonly ForeignFiles[]
  readonly #deletes: readonly ForeignFiles[]
  readonly #snapshotId: bigint
  #isDone = false

  constructor(context: CommitContext, data: readonly ForeignFiles[], deletes: readonly ForeignFiles[]) {
    this.#context = context
    this.#data = data
    this.#deletes = deletes
    // Ids of other engines have 63 bits.
    this.#snapshotId = 2n ** 62n + BigInt(context.random.id())
  }

  id(): string {
    return `foreign-${this.#snapshotId}`
  }

  isApplied(): boolean {
    return this.#isDone
  }

  async apply(base: TableMetadata, attempt: number): Promise<TableMetadata> {
    const snapshotId = newSnapshotId(base, this.#snapshotId)
    const manifests = await Promise.all([
      ...this.#data.map((files) => this.#write(base, 'data', files)),
      ...this.#deletes.map((files) => this.#write(base, 'deletes', files)),
    ])
    const kept = await liveManifests(this.#context, base)
    const list = await writeManifestList(this.#context, base, snapshotId, [...manifests, ...kept], attempt)
    this.#isDone = true
    return addSnapshot(base, {
      operation: 'overwrite',
      snapshotId,
      nowMs: this.#context.clock.nowMs(),
      manifestList: list,
      added: this.#data.flatMap(({ files }) => files),
      removed: [],
      summary: this.#totals(base),
      properties: {},
    })
  }

  #write(base: TableMetadata, content: 'data' | 'deletes', { specId, files }: ForeignFiles) {
    const { context, snapshotId } = { context: this.#context, snapshotId: this.#snapshotId }
    return writeManifest(context, base, {
      spec: specById(base, specId),
      content,
      entries: files.map((file) => ({
        status: 'added',
        snapshotId,
        sequenceNumber: null,
        fileSequenceNumber: null,
        file,
      })),
      snapshotId,
      name: `${this.id()}-${content}-${specId}`,
    })
  }

  /** What our own summaries, which add no deletes, do not count. */
  #totals(base: TableMetadata): Record<string, string> {
    const before =
      base.snapshots.find(({ snapshotId }) => snapshotId === base.currentSnapshotId)?.summary ?? {}
    const files = this.#deletes.flatMap((one) => one.files)
    const total = (key: string, more: number) => ({ [key]: String(Number(before[key] ?? 0) + more) })
    const rows = (content: ForeignFields['content']) =>
      files
        .filter(({ foreign }) => foreign?.content === content)
        .reduce((sum, { recordCount }) => sum + recordCount, 0)
    const bytes = [...files, ...this.#data.flatMap((one) => one.files)].reduce(
      (sum, { fileSizeBytes }) => sum + fileSizeBytes,
      0,
    )
    return {
      ...total('total-delete-files', files.length),
      ...total('total-position-deletes', rows('position-deletes')),
      ...total('total-equality-deletes', rows('equality-deletes')),
      ...total('total-files-size', bytes),
    }
  }
}
