import { statSync } from 'node:fs'
import { type Engine, sqlString } from '#engine'
import type { DataFile } from '#storage'
import { FILE_PATH_ID, POSITION_ID } from '../../src/storage/deletes.js'
import type { ForeignFields } from '../../src/storage/iceberg/manifest.js'
import type { Value } from '../../src/storage/iceberg/values.js'
import { localLocation } from '../../src/storage/objects/local.js'
import { bareFile } from './data-file.js'

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
    ...bareFile(localLocation(path), partition, recordCount, statSync(path).size),
    foreign: { ...foreign, format: 'PARQUET', nanValueCounts: new Map(), keyMetadata: null },
  }
}
