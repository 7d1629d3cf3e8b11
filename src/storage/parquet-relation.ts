import { sqlString } from '#engine'
import type { DataFile } from './iceberg/manifest.js'
import { localPath } from './objects/local.js'

/** The rows of data files, of which there is at least one: DuckDB SQL for use after FROM. */
export function parquetRelation(files: readonly DataFile[]): string {
  // The folder names of partitions look like columns to DuckDB; every column is in the files themselves.
  return `read_parquet([${files.map((file) => sqlString(localPath(file.path))).join(', ')}], hive_partitioning = false)`
}
