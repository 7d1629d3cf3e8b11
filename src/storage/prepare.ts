import {
  assert,
  type ColumnDefinition,
  type ColumnType,
  formatDay,
  MICROS_PER_DAY,
  parseDecimal,
  parseTimeNanos,
  type TableDefinition,
} from '#core'
import type { ColumnStatistics, ParquetFile, TableEngine } from '#engine'
import type { DataFile } from './iceberg/manifest.js'
import { lowerBound, upperBound, type Value } from './iceberg/values.js'
import { localPath } from './objects/local.js'
import type { ObjectStore } from './objects/object-store.js'
import { type TailSegment, tableColumnsSql } from './tail-segment.js'

/** Rows of a Parquet row group: DuckDB's default, and its unit of parallel reading. */
const ROW_GROUP_ROWS = 122_880

export interface PrepareContext {
  readonly definition: TableDefinition
  readonly engine: TableEngine
  readonly objects: ObjectStore
  /** The table's location, with scheme and without a trailing slash. */
  readonly location: string
  /** Id of the sort order in which the files are written. */
  readonly sortOrderId: number
}

/**
 * Writes a sealed segment as one sorted Parquet file for each UTC day, durable, and describes them for a manifest.
 * The files are in no snapshot yet. `fileName` must be new: no path is ever used twice.
 */
export async function prepareFiles(
  context: PrepareContext,
  segment: TailSegment,
  fileName: string,
): Promise<readonly DataFile[]> {
  const files: DataFile[] = []
  for (const day of [...segment.days].sort((a, b) => a - b)) {
    files.push(await writeDay(context, segment, day, fileName))
  }
  const rowCount = files.reduce((sum, file) => sum + file.recordCount, 0)
  assert(rowCount === segment.rowCount, 'every row of a segment is in the file of its day')
  return files
}

async function writeDay(
  { definition, engine, objects, location, sortOrderId }: PrepareContext,
  segment: TailSegment,
  day: number,
  fileName: string,
): Promise<DataFile> {
  const { partitionColumn, sortColumns, columns } = definition
  const path = `${location}/data/${partitionColumn}_day=${formatDay(day)}/${fileName}.parquet`
  const dayStart = BigInt(day) * BigInt(MICROS_PER_DAY)
  const inDay = `${partitionColumn} >= make_timestamptz(${dayStart})
    AND ${partitionColumn} < make_timestamptz(${dayStart + BigInt(MICROS_PER_DAY)})`
  const written = await engine.writeParquet({
    select: `SELECT ${tableColumnsSql(definition)} FROM ${segment.name}
      ${segment.days.size > 1 ? `WHERE ${inDay}` : ''} ORDER BY ${sortColumns.join(', ')}`,
    path: localPath(path),
    fieldIds: new Map(columns.map(({ name, id }) => [name, id])),
    rowGroupRows: ROW_GROUP_ROWS,
  })
  const { sizeBytes } = await objects.seal(path)
  return { path, partition: [day], ...describe(columns, written), fileSizeBytes: sizeBytes, sortOrderId }
}

function describe(
  columns: readonly ColumnDefinition[],
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

function boundOf(
  column: ColumnDefinition,
  statistics: ColumnStatistics,
  side: 'min' | 'max',
): Uint8Array | null {
  const text = statistics[side]
  // DuckDB prints a binary minimum as hex without saying where it cut it off: no bound is safe.
  if (text === undefined || column.type === 'binary') return null
  const value = parseStatistic(column, text)
  const type = column.type === 'decimal' ? 'decimal(18, 8)' : column.type
  return side === 'min' ? lowerBound(type, value) : upperBound(type, value)
}

function parseStatistic(column: ColumnDefinition, text: string): Value {
  const parse: Record<Exclude<ColumnType, 'binary'>, () => Value> = {
    string: () => text,
    int: () => Number(text),
    long: () => BigInt(text),
    decimal: () => parseDecimal(column.name, text),
    timestamptz: () => parseTimeNanos(column.name, text.replace(/\+00$/, 'Z')) / 1000n,
  }
  // The caller has left out binary columns.
  return parse[column.type as Exclude<ColumnType, 'binary'>]()
}
