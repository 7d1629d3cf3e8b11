import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import duckdb from '@duckdb/node-bindings'
import { BatchAppender } from './batch-appender.js'
import { interruptOnAbort } from './interruption.js'
import { OpenStreams } from './open-streams.js'
import { exportParquet, type ParquetExport } from './parquet-export.js'
import { type ParquetFile, type ParquetRequest, writeParquetFile } from './parquet-file.js'
import { prepared } from './prepared.js'
import { type QueryResult, type SqlParameters, type SqlValue, sqlString } from './query-result.js'
import { streamChunks, wholeChunks } from './result-stream.js'
import { type RowsChunk, readRows } from './rows.js'

export interface EngineOptions {
  /** DuckDB's own notation: "4GB". Bounds the whole instance: tail, queries and flushes together. */
  readonly memoryLimit: string
  readonly threads: number
  /** Where large sorts and joins spill. */
  readonly tempDirectory: string
  /** Connections that are kept for queries: while as many run, another one is opened for the next. */
  readonly connections: number
  /** DuckDB's own notation. What is spilled at most, and what would need more fails. Absent: most of the free disk. */
  readonly spillLimit?: string
}

/** What a table does with the engine; queries are other people's business. */
export type TableEngine = Pick<Engine, 'run' | 'read' | 'appender' | 'drop' | 'dropped' | 'writeParquet'>

/** What whoever only reads and writes files does with it. */
export type FileEngine = Pick<Engine, 'read' | 'writeParquet'>

/**
 * DuckDB behind one door: an in-memory database whose tables are the hot tail, and which reads Parquet files.
 * Nothing in it outlives the process. How much is asked of it at once is up to those who ask.
 */
export class Engine {
  readonly #database: duckdb.Database
  readonly #idle: DuckDBConnection[]
  readonly #drops = new Set<Promise<void>>()
  readonly #streams = new OpenStreams()
  readonly #maxIdle: number

  private constructor(database: duckdb.Database, connections: DuckDBConnection[]) {
    this.#database = database
    this.#idle = connections
    this.#maxIdle = connections.length
  }

  static async open(options: EngineOptions): Promise<Engine> {
    // The instance that node-api makes keeps its database to itself, and the appender below needs it.
    const config = duckdb.create_config()
    duckdb.set_config(config, 'memory_limit', options.memoryLimit)
    duckdb.set_config(config, 'threads', String(options.threads))
    duckdb.set_config(config, 'temp_directory', options.tempDirectory)
    // A checkpoint of the in-memory database blocks appenders for 80–320 ms, and there is nothing to keep.
    duckdb.set_config(config, 'checkpoint_threshold', '1TB')
    duckdb.set_config(config, 'autoinstall_known_extensions', 'false')
    duckdb.set_config(config, 'duckdb_api', 'ticklake')
    const database = await duckdb.open(':memory:', config)
    const connecting = Array.from({ length: options.connections }, () => connect(database))
    const connections = await Promise.all(connecting)
    // DuckDB takes this for a start-up setting too, tells it back, and does not keep to it.
    if (options.spillLimit !== undefined)
      await connections[0]?.run(`SET max_temp_directory_size = ${sqlString(options.spillLimit)}`)
    return new Engine(database, connections)
  }

  /**
   * Runs one statement and reads its whole result. Parameters are named: `$symbol`. Aborting the signal interrupts
   * the statement and throws the signal's reason. Project results to VARCHAR, BIGINT, INTEGER or BOOLEAN.
   */
  async query(sql: string, parameters: SqlParameters = {}, signal?: AbortSignal): Promise<QueryResult> {
    return this.#run((connection) => readResult(connection, sql, parameters), signal)
  }

  /**
   * As `query`, but chunk by chunk: for whoever takes them all at once, because a connection of the queries is held until
   * then. The statement has run to its end before the first: what fails, fails before it. There is always a first chunk: it tells the types. Project to what `readRows` reads.
   */
  async *rows(sql: string, parameters: SqlParameters = {}, signal?: AbortSignal): AsyncGenerator<RowsChunk> {
    const connection = await this.#take()
    try {
      for await (const chunk of wholeChunks(connection, sql, parameters, signal)) yield readRows(chunk)
    } finally {
      this.#giveBack(connection)
    }
  }

  /**
   * As `rows`, for whoever takes the chunks slowly: on the side of the queries. What DuckDB holds meanwhile is what the
   * statement sorts or groups, about a megabyte, and tables that are dropped: of these so much, then it is a `timeout`.
   */
  async *stream(
    sql: string,
    parameters: SqlParameters = {},
    signal?: AbortSignal,
  ): AsyncGenerator<RowsChunk> {
    const connection = await connect(this.#database)
    const open = this.#streams.open()
    const ended = signal ? AbortSignal.any([signal, open.signal]) : open.signal
    try {
      for await (const chunk of streamChunks(connection, sql, parameters, ended)) yield readRows(chunk)
    } finally {
      open.close()
      connection.closeSync()
    }
  }

  /** Writes the rows of an answer to a new Parquet file, on the side of the queries. */
  async exportParquet(request: ParquetExport, signal?: AbortSignal): Promise<readonly string[]> {
    return this.#aside((connection) => exportParquet(connection, request), signal)
  }

  /** Runs one statement for its effect, on the side of the queries: it never waits for their connections. */
  async run(sql: string, signal?: AbortSignal): Promise<void> {
    await this.#aside((connection) => connection.run(sql), signal)
  }

  /** As `query`, but on the side of the queries: for what a table wants to know of its own rows. */
  async read(sql: string, signal?: AbortSignal): Promise<QueryResult> {
    return this.#aside((connection) => readResult(connection, sql, {}), signal)
  }

  /** Drops a table of about so many bytes that nobody reads any more, in its own time. That it cannot fail is why nobody waits for it. */
  drop(table: string, bytes: number): void {
    this.#streams.dropped(bytes)
    const dropped = this.run(`DROP TABLE ${table}`).finally(() => this.#drops.delete(dropped))
    this.#drops.add(dropped)
  }

  /** Resolves when every table is gone that was to be dropped. */
  async dropped(): Promise<void> {
    await Promise.all(this.#drops)
  }

  /** Writes the rows of a statement to one new Parquet file, on the side of the queries. */
  async writeParquet(request: ParquetRequest, signal?: AbortSignal): Promise<ParquetFile> {
    return this.#aside((connection) => writeParquetFile(connection, request), signal)
  }

  /** Opens an appender on a table with these columns. It has a connection of its own and never waits for queries. */
  async appender(table: string): Promise<BatchAppender> {
    return new BatchAppender(await duckdb.connect(this.#database), table)
  }

  /** Ends all connections. Queries must have ended, appenders must be closed. */
  async close(): Promise<void> {
    await this.dropped()
    for (const connection of this.#idle.splice(0)) connection.closeSync()
    duckdb.close_sync(this.#database)
  }

  async #aside<T>(use: (connection: DuckDBConnection) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const connection = await connect(this.#database)
    try {
      return await interruptible(connection, use, signal)
    } finally {
      connection.closeSync()
    }
  }

  async #run<T>(
    use: (connection: DuckDBConnection) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const connection = await this.#take()
    try {
      return await interruptible(connection, use, signal)
    } finally {
      this.#giveBack(connection)
    }
  }

  async #take(): Promise<DuckDBConnection> {
    return this.#idle.pop() ?? connect(this.#database)
  }

  #giveBack(connection: DuckDBConnection): void {
    if (this.#idle.length < this.#maxIdle) this.#idle.push(connection)
    else connection.closeSync()
  }
}

/** Aborting the signal interrupts what runs on the connection, and throws the signal's reason. */
async function interruptible<T>(
  connection: DuckDBConnection,
  use: (connection: DuckDBConnection) => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  signal?.throwIfAborted()
  const calm = interruptOnAbort(connection, signal)
  try {
    return await use(connection)
  } catch (error) {
    if (signal?.aborted) throw signal.reason
    throw error
  } finally {
    calm()
  }
}

async function readResult(
  connection: DuckDBConnection,
  sql: string,
  parameters: SqlParameters,
): Promise<QueryResult> {
  const result = await prepared(connection, sql, parameters, (statement) => statement.run())
  const columns = await result.getColumnsJS()
  return {
    names: result.columnNames(),
    rowCount: columns[0]?.length ?? 0,
    // Callers project to these types only (see `query`), so that no other JavaScript value can come out.
    columns: columns as SqlValue[][],
  }
}

async function connect(database: duckdb.Database): Promise<DuckDBConnection> {
  const connection = await new DuckDBInstance(database).connect()
  await connection.run("SET TimeZone = 'UTC'")
  return connection
}
