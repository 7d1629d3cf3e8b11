import type { DuckDBConnection, DuckDBPreparedStatement } from '@duckdb/node-api'
import type { SqlParameters } from './query-result.js'

/**
 * Runs one statement with these values bound in it. In two steps on threads of the pool: connection.run parses the text
 * in one more before, in case it should hold several statements.
 */
export async function prepared<Result>(
  connection: DuckDBConnection,
  sql: string,
  parameters: SqlParameters,
  run: (statement: DuckDBPreparedStatement) => Promise<Result>,
): Promise<Result> {
  const statement = await connection.prepare(sql)
  try {
    statement.bind(parameters)
    return await run(statement)
  } finally {
    statement.destroySync()
  }
}
