import { assert } from '#core'
import { sqlName, sqlString } from '#engine'
import { duckdbType, type FileColumn } from './file-columns.js'
import { localPath } from './objects/local.js'
import type { ReadableFile } from './unnumbered-files.js'

/**
 * The rows of data files, of which there is at least one, in these columns: DuckDB SQL for use after FROM. Columns are
 * found by field id, so files of all schemas of a table are read together: a column that a file lacks is null there,
 * a renamed one has the reader's name, a widened one the reader's type. Filters and projections reach into the files as
 * they do without; it costs about 0.3 ms a statement, so ask only for the columns that are read.
 */
export function parquetRelation(files: readonly ReadableFile[], columns: readonly FileColumn[]): string {
  assert(files.length > 0 && columns.length > 0, 'there are files and columns to read')
  const numbered = files.filter(({ columnNames }) => columnNames === undefined)
  if (numbered.length === files.length) return byId(files, columns)
  const selects = files.flatMap((file) => (file.columnNames ? [byName(file, file.columnNames, columns)] : []))
  if (numbered.length > 0) {
    const names = columns.map(({ name }) => sqlName(name)).join(', ')
    selects.push(`SELECT ${names} FROM ${byId(numbered, columns)}`)
  }
  return `(${selects.join(' UNION ALL ')})`
}

function byId(files: readonly ReadableFile[], columns: readonly FileColumn[]): string {
  const fields = columns.map((column) => {
    const type = sqlString(duckdbType(column))
    return `${column.id}: {name: ${sqlString(column.name)}, type: ${type}, default_value: NULL}`
  })
  return readParquet(files, `, schema = MAP {${fields.join(', ')}}`)
}

/** A statement over one file without field ids. */
function byName(
  file: ReadableFile,
  names: ReadonlyMap<number, string>,
  columns: readonly FileColumn[],
): string {
  const cells = columns.map((column) => {
    const name = names.get(column.id)
    const cell = name === undefined ? 'NULL' : sqlName(name)
    return `CAST(${cell} AS ${duckdbType(column)}) AS ${sqlName(column.name)}`
  })
  return `SELECT ${cells.join(', ')} FROM ${readParquet([file], '')}`
}

function readParquet(files: readonly ReadableFile[], options: string): string {
  const paths = files.map((file) => sqlString(localPath(file.path)))
  // The folder names of partitions look like columns to DuckDB; every column is in the files themselves.
  return `read_parquet([${paths.join(', ')}], hive_partitioning = false${options})`
}
