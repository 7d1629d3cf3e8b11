import { type DuckDBConnection, DuckDBDataChunk } from '@duckdb/node-api'
import { interruptOnAbort } from './interruption.js'
import type { SqlParameters } from './query-result.js'

/**
 * The rows of a statement, some thousand at a time and the next ones already under way; never the whole result. There
 * is always a first chunk, of no rows when the result has none: it tells the types. Aborting the signal interrupts the
 * statement and throws the signal's reason. A reader that leaves early ends it, and DuckDB lets go of what it held.
 */
export async function* streamChunks(
  connection: DuckDBConnection,
  sql: string,
  parameters: SqlParameters,
  signal: AbortSignal | undefined,
): AsyncGenerator<DuckDBDataChunk> {
  const calm = interruptOnAbort(connection, signal)
  let next: Promise<DuckDBDataChunk | null> | undefined
  let isOver = false
  try {
    signal?.throwIfAborted()
    const result = await connection.stream(sql, parameters)
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
    calm()
    if (next) {
      connection.interrupt()
      await next.catch(() => undefined)
    }
    // An open result keeps its sorts and buffers until it is collected as garbage, or until its connection runs something else.
    if (!isOver) await connection.run('SELECT 1')
  }
}
