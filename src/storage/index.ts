export { type FileColumn, fileColumns } from './file-columns.js'
export type { DataFile } from './iceberg/manifest.js'
export type { TableMetadata } from './iceberg/metadata.js'
export type { Snapshot } from './iceberg/snapshot.js'
export { localPath } from './objects/local.js'
export { parquetRelation } from './parquet-relation.js'
export type {
  AppendedFiles,
  FileSelection,
  FlushCounts,
  LogRows,
  PinnedVersion,
  RowFilter,
  StreamTable,
  TableStatus,
  TailSlice,
} from './table.js'
export type { ReadableFile } from './unnumbered-files.js'
export { Warehouse } from './warehouse.js'
