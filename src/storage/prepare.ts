import { assert, type TableLayout, TicklakeError } from '#core'
import type { FileEngine, ParquetFile } from '#engine'
import { allOrNothing } from './all-or-nothing.js'
import { type FileColumn, fileSchemaJson, layoutColumns } from './file-columns.js'
import { formatJson } from './iceberg/json.js'
import type { DataFile } from './iceberg/manifest.js'
import { defaultSpec, schemaOfSpec, type TableMetadata } from './iceberg/metadata.js'
import { isDayOnly, type PartitionSpec } from './iceberg/partition.js'
import { localPath } from './objects/local.js'
import type { ObjectStore } from './objects/object-store.js'
import { partitionsOf, type RowPartition } from './partitions.js'
import { type RowOrder, rowOrder } from './row-order.js'
import type { SettledRows } from './settled-rows.js'
import { boundOf } from './statistics.js'

/** Rows of a Parquet row group: DuckDB's default, and its unit of parallel reading. */
const ROW_GROUP_ROWS = 122_880

/** A flush writes at most so many files, unless its rows are of more days. Each takes milliseconds, and a look at all rows. */
const MAX_FILES = 32

/** Where Iceberg's own writers put the schema of a file: readers that do not look at field ids go by it after a rename. */
const FILE_SCHEMA_KEY = 'iceberg.schema'

export interface PrepareContext {
  readonly layout: TableLayout
  readonly engine: FileEngine
  readonly objects: ObjectStore
  /** Of the table as it is now: where its files are, how they are partitioned and sorted. */
  readonly metadata: TableMetadata
  /** More than these are written by days. Absent: 32, as many as a flush has time for. */
  readonly maxFiles?: number
  /** `conflict`, before anything is written, rather than files by days. Default: no. */
  readonly byDefaultOnly?: boolean
}

/** Files that are durable, and in no snapshot yet. */
export interface PreparedFiles {
  readonly files: readonly DataFile[]
  /** The partition spec that they are written by. */
  readonly specId: number
}

/**
 * Writes rows as one sorted Parquet file for each partition of the table's default spec, durable, and describes them for
 * a manifest. When that would take more than `maxFiles`, or the spec can't be followed (an unknown transform), they are
 * written by days instead, by a spec that the table had from the beginning: ingest goes on, and compaction moves them on.
 * `fileName` must be new: no path is ever used twice. When one file cannot be written, none is left.
 *
 * `conflict`: the spec of days has been removed, and the default one can't be followed.
 */
export async function prepareFiles(
  context: PrepareContext,
  rows: SettledRows,
  fileName: string,
): Promise<PreparedFiles> {
  const columns = rows.columns ?? layoutColumns(context.layout)
  const { spec, partitions } = await partition(context, rows, columns)
  const order = rowOrder(context.layout, columns, context.metadata)
  // Two partitions may have one folder: null and the text "null", or two names that are cut.
  const isDays = isDayOnly(context.layout, spec)
  return allOrNothing(context.objects, async (written) => {
    const files: DataFile[] = []
    for (const [index, one] of partitions.entries()) {
      const path = pathOf(context, one, isDays ? fileName : `${fileName}-${index}`)
      written.push(path)
      files.push(await writePartition(context, rows, columns, one, order, path))
    }
    const rowCount = files.reduce((sum, file) => sum + file.recordCount, 0)
    assert(rowCount === rows.rowCount, 'every row is in the file of its partition')
    return { files, specId: spec.specId }
  })
}

async function partition(
  { layout, engine, metadata, maxFiles = MAX_FILES, byDefaultOnly = false }: PrepareContext,
  rows: SettledRows,
  columns: readonly FileColumn[],
): Promise<{ readonly spec: PartitionSpec; readonly partitions: readonly RowPartition[] }> {
  const wanted = defaultSpec(metadata)
  if (rows.rowCount === 0) return { spec: wanted, partitions: [] }
  const by = (spec: PartitionSpec) =>
    partitionsOf(engine, layout, columns, { schema: schemaOfSpec(metadata, spec), spec }, rows, maxFiles)
  const partitions = await by(wanted)
  if (partitions !== null) return { spec: wanted, partitions }
  const spec = byDefaultOnly
    ? undefined
    : metadata.partitionSpecs.find((candidate) => isDayOnly(layout, candidate))
  const byDay = spec && (await by(spec))
  if (spec && byDay) return { spec, partitions: byDay }
  const fields = wanted.fields.map(({ name, transform }) => `${name} (${transform})`).join(', ')
  throw new TicklakeError(
    'conflict',
    `${metadata.location} is partitioned by ${fields}, which ${rows.rowCount} rows can't be written by in ${maxFiles} files, ` +
      (byDefaultOnly
        ? 'and they stay as they are'
        : `and has no spec of days to write them by: add one by ${layout.partitionColumn}`),
  )
}

function pathOf({ metadata }: PrepareContext, { folder }: RowPartition, fileName: string): string {
  return [metadata.location, 'data', ...(folder === '' ? [] : [folder]), `${fileName}.parquet`].join('/')
}

async function writePartition(
  { engine, objects }: PrepareContext,
  { relation }: SettledRows,
  columns: readonly FileColumn[],
  { values, where }: RowPartition,
  order: RowOrder,
  path: string,
): Promise<DataFile> {
  const written = await engine.writeParquet({
    select: `SELECT * FROM ${relation} ${where === null ? '' : `WHERE ${where}`} ORDER BY ${order.sql}`,
    path: localPath(path),
    fieldIds: new Map(columns.map(({ name, id }) => [name, id])),
    footer: new Map([[FILE_SCHEMA_KEY, formatJson(fileSchemaJson(columns))]]),
    rowGroupRows: ROW_GROUP_ROWS,
  })
  const { sizeBytes } = await objects.seal(path)
  return {
    path,
    partition: values,
    ...describe(columns, written),
    fileSizeBytes: sizeBytes,
    sortOrderId: order.id,
  }
}

function describe(
  columns: readonly FileColumn[],
  written: ParquetFile,
): Omit<DataFile, 'path' | 'partition' | 'fileSizeBytes' | 'sortOrderId'> {
  const known = columns.flatMap((column) => {
    const statistics = written.columns.get(column.name)
    return statistics ? [[column, statistics] as const] : []
  })
  const bounds = (side: 'min' | 'max') =>
    new Map(
      known.flatMap(([column, statistics]) => {
        const bound = boundOf(column, statistics, side)
        return bound === null ? [] : [[column.id, bound] as const]
      }),
    )
  return {
    recordCount: written.rowCount,
    columnSizes: new Map(known.map(([{ id }, { sizeBytes }]) => [id, sizeBytes])),
    valueCounts: new Map(known.map(([{ id }, { valueCount }]) => [id, valueCount])),
    nullValueCounts: new Map(known.map(([{ id }, { nullCount }]) => [id, nullCount])),
    lowerBounds: bounds('min'),
    upperBounds: bounds('max'),
    splitOffsets: written.splitOffsets,
  }
}
