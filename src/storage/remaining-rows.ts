import { TicklakeError } from '#core'
import { sqlName, sqlString } from '#engine'
import { type DeleteFile, FILE_PATH_ID, POSITION_ID } from './deletes.js'
import type { FileColumn } from './file-columns.js'
import { localPath } from './objects/local.js'
import { numberedFiles, type ReadOptions, unnumberedFile } from './parquet-files.js'
import type { ReadableFile } from './unnumbered-files.js'

/** Where a row is, for deletes by position. Not made without need: it costs a scan a little. */
const PLACE: ReadOptions = {
  parameters: ', filename = true, file_row_number = true',
  columns: ['filename', 'file_row_number'],
}
const POSITION_COLUMNS: readonly FileColumn[] = [
  { id: FILE_PATH_ID, name: 'file_path', type: 'string' },
  { id: POSITION_ID, name: 'pos', type: 'long' },
]
/** A statement names each delete file once for each set of files that it applies to: so often, and no more. */
const MAX_NAMED_DELETES = 50_000

/**
 * Statements over those of the files that have deletes, without the rows that these delete: one for each set of delete
 * files. `conflict` when there are too many of them for a statement.
 */
export function remainingRows(
  files: readonly ReadableFile[],
  columns: readonly FileColumn[],
): readonly string[] {
  const groups = new Map<string, ReadableFile[]>()
  let named = 0
  for (const file of files) {
    if (!file.deletes) continue
    // A file that is read by its names has a statement of its own.
    const own = file.columnNames ? [file.path] : []
    const key = [...file.deletes.map(({ path }) => path), '', ...own].join('\n')
    const group = groups.get(key)
    if (group) group.push(file)
    else {
      groups.set(key, [file])
      named += file.deletes.length
    }
  }
  if (named > MAX_NAMED_DELETES) {
    const message = `${named} delete files to apply, file by file, where ${MAX_NAMED_DELETES} are taken at once`
    throw new TicklakeError('conflict', `${message}: read a shorter time, or rewrite the data files`)
  }
  return [...groups.values()].map((group) => remainingOf(group, group[0]!.deletes ?? [], columns))
}

function remainingOf(
  files: readonly ReadableFile[],
  deletes: readonly DeleteFile[],
  columns: readonly FileColumn[],
): string {
  const byPosition = deletes.filter(({ keyColumns }) => keyColumns === null)
  const byValue = new Map<string, DeleteFile[]>()
  for (const one of deletes) {
    if (one.keyColumns === null) continue
    const key = one.keyColumns.map(({ id }) => id).join()
    byValue.set(key, [...(byValue.get(key) ?? []), one])
  }
  const keys = [...byValue.values()].map((same) => ({ same, columns: same[0]!.keyColumns ?? [] }))
  // By id: a column of a key may have been dropped, and another have its name, or that of a column that DuckDB makes.
  const read = new Map(
    [...keys.flatMap((key) => key.columns), ...columns].map((column) => [column.id, column]),
  )
  const rows = numbered('c', [...read.values()])
  const joins = [
    ...(byPosition.length === 0 ? [] : [positionsOf(byPosition, files)]),
    ...keys.map((key, index) => valuesOf(key.same, key.columns, `k${index}`)),
  ]
  const list = columns.map(({ id, name }) => `c${id} AS ${sqlName(name)}`)
  const source = sourceOf(files, rows, byPosition.length === 0 ? undefined : PLACE)
  return `SELECT ${list.join(', ')} FROM ${source} ${joins.join(' ')}`
}

function sourceOf(
  files: readonly ReadableFile[],
  rows: readonly FileColumn[],
  options: ReadOptions | undefined,
): string {
  const [file] = files
  return file?.columnNames
    ? `(${unnumberedFile(file, file.columnNames, rows, options)})`
    : numberedFiles(files, rows, options)
}

/** Leaves out what is listed by path, spelled as in the manifest, and position. */
function positionsOf(deletes: readonly DeleteFile[], files: readonly ReadableFile[]): string {
  const places = files.map(({ path }) => `(${sqlString(path)}, ${sqlString(localPath(path))})`)
  const listed = numberedFiles(deletes, POSITION_COLUMNS)
  return `ANTI JOIN (SELECT place.name, pos FROM ${listed} JOIN (VALUES ${places.join(', ')}) AS place(path, name)
    ON file_path = place.path) AS gone ON gone.name = filename AND gone.pos = file_row_number`
}

/** Leaves out what has the same values as a row of the delete files, null being like null. */
function valuesOf(deletes: readonly DeleteFile[], columns: readonly FileColumn[], name: string): string {
  const listed = numberedFiles(deletes, numbered('d', columns))
  const same = columns.map(({ id }) => `${name}.d${id} IS NOT DISTINCT FROM c${id}`)
  return `ANTI JOIN ${listed} AS ${name} ON ${same.join(' AND ')}`
}

function numbered(letter: string, columns: readonly FileColumn[]): readonly FileColumn[] {
  return columns.map((column) => ({ ...column, name: `${letter}${column.id}` }))
}
