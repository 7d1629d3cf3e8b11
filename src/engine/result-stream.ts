import { type DuckDBConnection, DuckDBDataChunk, type DuckDBResult } from '@duckdb/node-api'
import { interruptOnAbort } from './interruption.js'
import { prepared } from './prepared.js'
import type { SqlParameters } from './query-result.js'

/**
 * The rows of a statement, some thousand at a time and the next ones already under way; never the whole result. There
 * is always a first chunk, of no rows when the result has none: it tells the types. Aborting the signal interrupts the
 * statement and throws the signal's reason. A reader that leaves early ends it, and DuckDB lets go of what it held.
 *
 * What fails before the first chunk is thrown. What fails after it, node-api tells as the end (`fetchChunk`, 1.5): so a
 * stream is a transaction, which a failure aborts, and its end is believed once the transaction still takes statements.
 */
export async function* streamChunks(
  connection: DuckDBConnection,
  sql: string,
  parameters: SqlParameters,
  signal: AbortSignal | undefined,
): AsyncGenerator<DuckDBDataChunk> {
  await connection.run('BEGIN TRANSACTION')
  // An open result keeps its sorts and buffers until it is collected as garbage, or until its connection runs something else.
  let ending: Promise<unknown> | undefined
  const end = () => (ending ??= connection.run('ROLLBACK'))
  try {
    yield* readChunks(
      connection,
      () => prepared(connection, sql, parameters, (statement) => statement.stream()),
      signal,
      end,
    )
    await connection.run('SELECT 1').catch(() => failure(connection, sql, parameters, signal))
    // Once it was ended, an end that was none would look like one.
    signal?.throwIfAborted()
  } finally {
    await end()
  }
}

/** As `streamChunks`, of a result that DuckDB holds whole before its first chunk: what fails, fails before it. */
export async function* wholeChunks(
  connection: DuckDBConnection,
  sql: string,
  parameters: SqlParameters,
  signal: AbortSignal | undefined,
): AsyncGenerator<DuckDBDataChunk> {
  yield* readChunks(
    connection,
    () => prepared(connection, sql, parameters, (statement) => statement.run()),
    signal,
  )
}

async function* readChunks(
  connection: DuckDBConnection,
  run: () => Promise<DuckDBResult>,
  signal: AbortSignal | undefined,
  end: () => Promise<unknown> = async () => {},
): AsyncGenerator<DuckDBDataChunk> {
  const calm = interruptOnAbort(connection, signal)
  let next: Promise<DuckDBDataChunk | null> | undefined
  try {
    signal?.throwIfAborted()
    const result = await run()
    next = result.fetchChunk()
    for (let isFirst = true; ; isFirst = false) {
      const chunk = await next
      next = undefined
      signal?.throwIfAborted()
      if (!chunk || chunk.rowCount === 0) {
        if (isFirst) yield DuckDBDataChunk.create(result.columnTypes(), 0)
        return
      }
      next = result.fetchChunk()
      // Its failure is thrown by the await above, on the next turn, or superseded by the consumer's own.
      const settled = next.catch(() => undefined)
      // A reader that is away when it is ended does not keep what it holds until it comes back.
      const letGo = () => {
        void settled
          .then(calm)
          .then(end)
          .catch(() => undefined)
      }
      signal?.addEventListener('abort', letGo, { once: true })
      try {
        yield chunk
      } finally {
        signal?.removeEventListener('abort', letGo)
      }
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
  }
}

/** Throws what made a stream end before its end: DuckDB says it when the statement runs whole. */
async function failure(
  connection: DuckDBConnection,
  sql: string,
  parameters: SqlParameters,
  signal: AbortSignal | undefined,
): Promise<never> {
  await connection.run('ROLLBACK')
  await connection.run('BEGIN TRANSACTION')
  for await (const _ of wholeChunks(connection, sql, parameters, signal)) break
  throw new Error('a statement failed after its first rows, and not when it ran again')
}
