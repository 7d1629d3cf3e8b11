import { sqlName, sqlString } from '#engine'
import { duckdbType, type FileColumn } from './file-columns.js'
import { localPath } from './objects/local.js'

/** A file, wherever it is listed. */
interface StoredFile {
  readonly path: string
}

/** More named parameters of DuckDB's read_parquet, and the columns that they make. */
export interface ReadOptions {
  readonly parameters: string
  readonly columns: readonly string[]
}

const NO_OPTIONS: ReadOptions = { parameters: '', columns: [] }

/** Files with field ids in these columns: DuckDB SQL for use after FROM. */
export function numberedFiles(
  files: readonly StoredFile[],
  columns: readonly FileColumn[],
  { parameters }: ReadOptions = NO_OPTIONS,
): string {
  const fields = columns.map((column) => {
    const type = sqlString(duckdbType(column))
    return `${column.id}: {name: ${sqlString(column.name)}, type: ${type}, default_value: NULL}`
  })
  return readParquet(files, `, schema = MAP {${fields.join(', ')}}${parameters}`)
}

/** A statement over one file without field ids, whose columns have these names by the ids that they stand for. */
export function unnumberedFile(
  file: StoredFile,
  names: ReadonlyMap<number, string>,
  columns: readonly FileColumn[],
  options: ReadOptions = NO_OPTIONS,
): string {
  const cells = columns.map((column) => {
    const name = names.get(column.id)
    const cell = name === undefined ? 'NULL' : sqlName(name)
    return `CAST(${cell} AS ${duckdbType(column)}) AS ${sqlName(column.name)}`
  })
  return `SELECT ${[...cells, ...options.columns].join(', ')} FROM ${readParquet([file], options.parameters)}`
}

function readParquet(files: readonly StoredFile[], parameters: string): string {
  const paths = files.map((file) => sqlString(localPath(file.path)))
  // The folder names of partitions look like columns to DuckDB; every column is in the files themselves.
  return `read_parquet([${paths.join(', ')}], hive_partitioning = false${parameters})`
}
