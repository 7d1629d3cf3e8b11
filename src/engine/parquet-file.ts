import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { DuckDBConnection } from '@duckdb/node-api'
import { assert } from '#core'
import { sqlName, sqlString } from './query-result.js'

export interface ParquetRequest {
  /** The statement whose rows are written, in its order. */
  readonly select: string
  /** Local path; must not exist. */
  readonly path: string
  /** Iceberg field id by column name, for every column of `select`. */
  readonly fieldIds: ReadonlyMap<string, number>
  /** What the footer says besides, by key. */
  readonly footer: ReadonlyMap<string, string>
  readonly rowGroupRows: number
}

/** What a manifest wants to know of a column. Min and max are DuckDB's texts; absent when all values are null. */
export interface ColumnStatistics {
  readonly min?: string
  readonly max?: string
  /** Of floats: one of them is no number. Min and max are those of the others. */
  readonly hasNan: boolean
  readonly nullCount: number
  /** Nulls included. */
  readonly valueCount: number
  readonly sizeBytes: number
}

export interface ParquetFile {
  readonly rowCount: number
  readonly fileSizeBytes: number
  readonly columns: ReadonlyMap<string, ColumnStatistics>
  /** Byte offsets at which the row groups start, ascending. */
  readonly splitOffsets: readonly number[]
}

/**
 * Writes one zstd Parquet file (V1 pages: older vectorised readers know no others) with a field id on every column.
 * Its folder is made if it is absent.
 */
export async function writeParquetFile(
  connection: DuckDBConnection,
  { select, path, fieldIds, footer, rowGroupRows }: ParquetRequest,
): Promise<ParquetFile> {
  await mkdir(dirname(path), { recursive: true })
  const ids = [...fieldIds].map(([name, id]) => `${sqlName(name)}: ${id}`).join(', ')
  const entries = [...footer].map(([key, value]) => `${sqlString(key)}: ${sqlString(value)}`)
  const said = entries.length === 0 ? '' : `KV_METADATA {${entries.join(', ')}}, `
  const copied = await connection.runAndReadAll(
    `COPY (${select}) TO ${sqlString(path)} (FORMAT parquet, PARQUET_VERSION v1, COMPRESSION zstd,
      ROW_GROUP_SIZE ${rowGroupRows}, FIELD_IDS {${ids}}, ${said}RETURN_STATS)`,
  )
  const row = copied.getRowObjectsJson()[0]
  assert(row !== undefined, 'COPY … RETURN_STATS gives one row for one file')
  const columns = new Map<string, ColumnStatistics>()
  for (const [name, values] of mapEntries(row.column_statistics)) {
    const statistics = new Map(mapEntries(values))
    const [min, max] = [statistics.get('min'), statistics.get('max')]
    columns.set(name.slice(1, -1).replaceAll('""', '"'), {
      ...(typeof min === 'string' && typeof max === 'string' ? { min, max } : {}),
      hasNan: statistics.get('has_nan') === 'true',
      nullCount: Number(statistics.get('null_count') ?? 0),
      valueCount: Number(statistics.get('num_values') ?? row.count),
      sizeBytes: Number(statistics.get('column_size_bytes') ?? 0),
    })
  }
  const groups = await connection.runAndReadAll(
    `SELECT min(coalesce(dictionary_page_offset, data_page_offset))::VARCHAR AS start
     FROM parquet_metadata(${sqlString(path)}) GROUP BY row_group_id ORDER BY row_group_id`,
  )
  return {
    rowCount: Number(row.count),
    fileSizeBytes: Number(row.file_size_bytes),
    columns,
    splitOffsets: groups.getRowObjectsJson().map(({ start }) => Number(start)),
  }
}

/** DuckDB's JSON form of a MAP: a list of {key, value}. */
function mapEntries(json: unknown): [string, unknown][] {
  assert(Array.isArray(json), 'a DuckDB map reads as a list of entries')
  return json.map(({ key, value }: { key: string; value: unknown }) => [key, value])
}
