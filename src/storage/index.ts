export type { LoadedTable } from './catalog/catalog.js'
export type { CatalogServer, Properties, TableCommit, TableIdentifier } from './catalog/catalog-server.js'
export { parseIdentifier, parseNamespace, parseTableCommit } from './catalog/requests.js'
export type { RowChange } from './corrected-rows.js'
export { type DayRanges, without as withoutDays } from './derived/day-ranges.js'
export {
  AGGREGATES,
  type Aggregate,
  BUCKET_COLUMN,
  checkDefinition,
  PLACE,
  type RollupColumn,
  type RollupDefinition,
} from './derived/definition.js'
export type { RollupStatus, RollupTable } from './derived/rollup-table.js'
export type { RollupView } from './derived/rollup-view.js'
export { mergedStates, placeOfRow, placeOfState, sourceColumns, statesOfRows } from './derived/states.js'
export { ROLLUP_SOURCES } from './derived/values.js'
export type { Evolution } from './evolution.js'
export { duckdbType, type FileColumn, fileColumns } from './file-columns.js'
export { timesOf } from './file-days.js'
export { type CreateTable, createdTable, parseCreateTable } from './iceberg/create-table.js'
export type { EmptyTable } from './iceberg/draft.js'
export { type Expiry, type ExpiryPolicy, expirable, expired } from './iceberg/expiry.js'
export { foreignCommit } from './iceberg/foreign-commit.js'
export { asRequest, Fields, formatJson, type Json, parseJson } from './iceberg/json.js'
export type { DataFile } from './iceberg/manifest.js'
export { currentSchema, defaultOrder, defaultSpec, type TableMetadata } from './iceberg/metadata.js'
export { formatMetadata } from './iceberg/metadata-file.js'
export { changeOrder, type SortBy } from './iceberg/order-change.js'
export { dropRef, makeRef, type NewRef } from './iceberg/ref-change.js'
export { type AsOf, refNamed, snapshotAsOf } from './iceberg/refs.js'
export { checkRequirements, parseRequirements } from './iceberg/requirements.js'
export { changeSchema, type SchemaChange } from './iceberg/schema-change.js'
export type { Snapshot } from './iceberg/snapshot.js'
export { changeSpec, type SpecChange } from './iceberg/spec-change.js'
export { applyUpdates, createByUpdates, parseUpdates } from './iceberg/updates.js'
export type { Compactable } from './maintenance/compact.js'
export { JOB_KINDS, type Job, type JobKind } from './maintenance/jobs.js'
export { type JobRequest, Maintenance, type MaintenancePolicy } from './maintenance/maintenance.js'
export { localPath } from './objects/local.js'
export { parquetRelation } from './parquet-relation.js'
export type { RecordColumn, RecordColumns } from './record-columns.js'
export {
  appliedOffsets,
  appliedOffsetsAt,
  type CorrectionPlan,
  cancelledRows,
  type RowCorrection,
  RowCorrections,
} from './row-corrections.js'
export type { RowTarget } from './row-target.js'
export type {
  AppendedFiles,
  DayStamps,
  FileSelection,
  FlushCounts,
  LogRows,
  PinnedVersion,
  RowFilter,
  StreamTable,
  TableStatus,
  TailSlice,
  TimeRange,
  VersionedTable,
} from './table.js'
export { AFTER_TIME, ORDER_COLUMNS } from './total-order.js'
export type { ReadableFile } from './unnumbered-files.js'
export { Warehouse } from './warehouse.js'
