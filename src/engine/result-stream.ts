import { type DuckDBConnection, DuckDBDataChunk } from '@duckdb/node-api'
import type { SqlParameters } from './query-result.js'

/**
 * The rows of a statement, some thousand at a time and the next ones already under way; never the whole result. There
 * is always a first chunk, of no rows when the result has none: it tells the types. Aborting the signal interrupts the
 * statement and throws the signal's reason. A reader that leaves early ends it, and DuckDB lets go of what it held.
 *
 * What fails before the first chunk is thrown. What fails after it, node-api tells as the end (`fetchChunk`, 1.5): `isWhole`
 * has the statement run to its end before, and its result held by DuckDB.
 */
export async function* streamChunks(
  connection: DuckDBConnection,
  sql: string,
  parameters: SqlParameters,
  signal: AbortSignal | undefined,
  isWhole = false,
): AsyncGenerator<DuckDBDataChunk> {
  const interrupt = () => connection.interrupt()
  signal?.addEventListener('abort', interrupt, { once: true })
  let next: Promise<DuckDBDataChunk | null> | undefined
  let isOver = false
  try {
    signal?.throwIfAborted()
    const result = await (isWhole ? connection.run(sql, parameters) : connection.stream(sql, parameters))
    next = result.fetchChunk()
    for (let isFirst = true; ; isFirst = false) {
      const chunk = await next
      next = undefined
      signal?.throwIfAborted()
      if (!chunk || chunk.rowCount === 0) {
        isOver = true
        if (isFirst) yield DuckDBDataChunk.create(result.columnTypes(), 0)
        return
      }
      next = result.fetchChunk()
      // Its failure is thrown by the await above, on the next turn, or superseded by the consumer's own.
      next.catch(() => undefined)
      yield chunk
    }
  } catch (error) {
    if (signal?.aborted) throw signal.reason
    throw error
  } finally {
    signal?.removeEventListener('abort', interrupt)
    if (next) {
      connection.interrupt()
      await next.catch(() => undefined)
    }
    // An open result keeps its sorts and buffers until it is collected as garbage, or until its connection runs something else.
    if (!isOver) await connection.run('SELECT 1')
  }
}
