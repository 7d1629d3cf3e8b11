import { assert } from '#core'
import { sqlString } from '#engine'
import { duckdbType, type FileColumn } from './file-columns.js'
import type { DataFile } from './iceberg/manifest.js'
import { localPath } from './objects/local.js'

/**
 * The rows of data files, of which there is at least one, in these columns: DuckDB SQL for use after FROM. Columns are
 * found by field id, so files of all schemas of a table are read together: a column that a file lacks is null there,
 * a renamed one has the reader's name, a widened one the reader's type. Filters and projections reach into the files as
 * they do without; it costs about 0.3 ms a statement, so ask only for the columns that are read.
 *
 * A file without field ids would be all nulls: ticklake writes none.
 */
export function parquetRelation(files: readonly DataFile[], columns: readonly FileColumn[]): string {
  assert(files.length > 0 && columns.length > 0, 'there are files and columns to read')
  const paths = files.map((file) => sqlString(localPath(file.path)))
  const fields = columns.map((column) => {
    const type = sqlString(duckdbType(column))
    return `${column.id}: {name: ${sqlString(column.name)}, type: ${type}, default_value: NULL}`
  })
  // The folder names of partitions look like columns to DuckDB; every column is in the files themselves.
  return `read_parquet([${paths.join(', ')}], hive_partitioning = false, schema = MAP {${fields.join(', ')}})`
}
