import { rm } from 'node:fs/promises'
import type { DuckDBConnection } from '@duckdb/node-api'
import { TicklakeError } from '#core'
import { type SqlParameters, sqlString } from './query-result.js'

/** As DuckDB has it from the system. */
const NO_ROOM = /No space left on device|Disk quota exceeded/i

/** Rows to be written to a file that somebody outside reads, as plain Parquet: no field ids. */
export interface ParquetExport {
  /** Yields `row`, a STRUCT whose members become the columns, and `key`, a text. */
  readonly sql: string
  readonly parameters: SqlParameters
  /** The first so many rows are written. Null: all of them. */
  readonly limit: number | null
  /** Local path; must not exist. */
  readonly path: string
}

/**
 * Writes the file and gives the keys of all rows; none when there was no limit. A file that could not be written whole is
 * removed.
 */
export async function exportParquet(
  connection: DuckDBConnection,
  { sql, parameters, limit, path }: ParquetExport,
): Promise<readonly string[]> {
  const to = `TO ${sqlString(path)} (FORMAT parquet, COMPRESSION zstd)`
  try {
    if (limit === null) {
      await connection.run(`COPY (SELECT unnest(row) FROM (${sql})) ${to}`, parameters)
      return []
    }
    // A page is small, and to run its statement twice would cost more: once for the rows, once for where they end.
    await connection.run(`CREATE TEMP TABLE page AS ${sql}`, parameters)
    await connection.run(`COPY (SELECT unnest(row) FROM page LIMIT ${limit}) ${to}`)
    const keys = await connection.runAndReadAll('SELECT key FROM page')
    return keys.getColumnsJS()[0]?.map(String) ?? []
  } catch (error) {
    await rm(path, { force: true })
    if (error instanceof Error && NO_ROOM.test(error.message)) {
      const message = `the disk has no room for the answer as a file (${error.message}): make room, or ask for less`
      throw new TicklakeError('unavailable', message, { cause: error })
    }
    throw error
  }
}
