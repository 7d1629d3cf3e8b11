import {
  assert,
  dayOfMicros,
  formatDay,
  type LayoutColumn,
  MICROS_PER_DAY,
  parseDecimal,
  parseTimeNanos,
  type TableLayout,
} from '#core'
import type { ColumnStatistics, ParquetFile, TableEngine } from '#engine'
import type { DataFile } from './iceberg/manifest.js'
import { lowerBound, upperBound, type Value } from './iceberg/values.js'
import { localPath } from './objects/local.js'
import type { ObjectStore } from './objects/object-store.js'

/** Rows of a Parquet row group: DuckDB's default, and its unit of parallel reading. */
const ROW_GROUP_ROWS = 122_880

export interface PrepareContext {
  readonly layout: TableLayout
  readonly engine: TableEngine
  readonly objects: ObjectStore
  /** The table's location, with scheme and without a trailing slash. */
  readonly location: string
  /** Id of the sort order in which the files are written. */
  readonly sortOrderId: number
}

/** Rows that do not change any more. */
export interface SettledRows {
  /** DuckDB SQL for use after FROM, that yields them in the table's columns. */
  readonly relation: string
  readonly rowCount: number
  /** UTC days (from 1970-01-01) of the partition column. */
  readonly days: ReadonlySet<number>
}

/**
 * Writes rows as one sorted Parquet file for each UTC day, durable, and describes them for a manifest.
 * The files are in no snapshot yet. `fileName` must be new: no path is ever used twice.
 */
export async function prepareFiles(
  context: PrepareContext,
  rows: SettledRows,
  fileName: string,
): Promise<readonly DataFile[]> {
  const files: DataFile[] = []
  for (const day of [...rows.days].sort((a, b) => a - b)) {
    files.push(await writeDay(context, rows, day, fileName))
  }
  const rowCount = files.reduce((sum, file) => sum + file.recordCount, 0)
  assert(rowCount === rows.rowCount, 'every row is in the file of its day')
  return files
}

async function writeDay(
  { layout, engine, objects, location, sortOrderId }: PrepareContext,
  rows: SettledRows,
  day: number,
  fileName: string,
): Promise<DataFile> {
  const { partitionColumn, sortColumns, columns } = layout
  const path = `${location}/data/${partitionColumn}_day=${formatDay(day)}/${fileName}.parquet`
  const dayStart = BigInt(day) * BigInt(MICROS_PER_DAY)
  const inDay = `${partitionColumn} >= make_timestamptz(${dayStart})
    AND ${partitionColumn} < make_timestamptz(${dayStart + BigInt(MICROS_PER_DAY)})`
  const written = await engine.writeParquet({
    select: `SELECT * FROM ${rows.relation}
      ${rows.days.size > 1 ? `WHERE ${inDay}` : ''} ORDER BY ${sortColumns.join(', ')}`,
    path: localPath(path),
    fieldIds: new Map(columns.map(({ name, id }) => [name, id])),
    rowGroupRows: ROW_GROUP_ROWS,
  })
  const { sizeBytes } = await objects.seal(path)
  return { path, partition: [day], ...describe(columns, written), fileSizeBytes: sizeBytes, sortOrderId }
}

function describe(
  columns: readonly LayoutColumn[],
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

function boundOf(column: LayoutColumn, statistics: ColumnStatistics, side: 'min' | 'max'): Uint8Array | null {
  const text = statistics[side]
  // DuckDB prints a binary minimum as hex without saying where it cut it off: no bound is safe.
  if (text === undefined || column.type === 'binary') return null
  const value = parseStatistic(column, text)
  const type = column.type === 'decimal' ? 'decimal(18, 8)' : column.type
  return side === 'min' ? lowerBound(type, value) : upperBound(type, value)
}

function parseStatistic(column: LayoutColumn, text: string): Value {
  const parse: Record<Exclude<LayoutColumn['type'], 'binary'>, () => Value> = {
    string: () => text,
    int: () => Number(text),
    long: () => BigInt(text),
    decimal: () => parseDecimal(column.name, text),
    date: () => dayOfMicros(parseTimeNanos(column.name, text) / 1000n),
    timestamptz: () => parseTimeNanos(column.name, text.replace(/\+00$/, 'Z')) / 1000n,
  }
  // The caller has left out binary columns.
  return parse[column.type as Exclude<LayoutColumn['type'], 'binary'>]()
}
