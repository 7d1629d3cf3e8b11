import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import duckdb from '@duckdb/node-bindings'
import { TicklakeError } from '#core'
import { BatchAppender } from './batch-appender.js'
import { exportParquet, type ParquetExport } from './parquet-export.js'
import { type ParquetFile, type ParquetRequest, writeParquetFile } from './parquet-file.js'
import type { QueryResult, SqlParameters, SqlValue } from './query-result.js'
import { streamChunks } from './result-stream.js'
import { type RowsChunk, readRows } from './rows.js'

export interface EngineOptions {
  /** DuckDB's own notation: "4GB". Bounds the whole instance: tail, queries and flushes together. */
  readonly memoryLimit: string
  readonly threads: number
  /** Where large sorts and joins spill. */
  readonly tempDirectory: string
  /** Queries that may run at once; further ones wait for a connection. */
  readonly connections: number
  /** Queries that may wait for a connection; one more is refused with `overloaded`. */
  readonly maxWaiting: number
  /** Results that may be streamed or exported at once; one more is refused with `overloaded`. Absent: 4. */
  readonly maxStreams?: number
}

const MAX_STREAMS = 4

/** What a table does with the engine; queries are other people's business. */
export type TableEngine = Pick<Engine, 'run' | 'read' | 'appender' | 'drop' | 'dropped' | 'writeParquet'>

/** What whoever only reads and writes files does with it. */
export type FileEngine = Pick<Engine, 'read' | 'writeParquet'>

/**
 * DuckDB behind one door: an in-memory database whose tables are the hot tail, and which reads Parquet files.
 * Nothing in it outlives the process.
 */
export class Engine {
  readonly #database: duckdb.Database
  readonly #idle: DuckDBConnection[]
  readonly #drops = new Set<Promise<void>>()
  readonly #waiting: ((connection: DuckDBConnection) => void)[] = []
  readonly #maxWaiting: number
  readonly #maxStreams: number
  #streams = 0

  private constructor(database: duckdb.Database, connections: DuckDBConnection[], options: EngineOptions) {
    this.#database = database
    this.#idle = connections
    this.#maxWaiting = options.maxWaiting
    this.#maxStreams = options.maxStreams ?? MAX_STREAMS
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
    const connections = Array.from({ length: options.connections }, () => connect(database))
    return new Engine(database, await Promise.all(connections), options)
  }

  /**
   * Runs one statement and reads its whole result. Parameters are named: `$symbol`. Aborting the signal interrupts
   * the statement and throws the signal's reason. `overloaded` when too many wait already. Project results to VARCHAR,
   * BIGINT, INTEGER or BOOLEAN.
   */
  async query(sql: string, parameters: SqlParameters = {}, signal?: AbortSignal): Promise<QueryResult> {
    return this.#run((connection) => readResult(connection, sql, parameters), signal)
  }

  /**
   * As `query`, but chunk by chunk: for whoever takes them all at once, because a connection of the queries is held until
   * then. There is always a first chunk: it tells the types. Project to what `readRows` reads.
   */
  async *rows(sql: string, parameters: SqlParameters = {}, signal?: AbortSignal): AsyncGenerator<RowsChunk> {
    const connection = await this.#take(signal)
    try {
      for await (const chunk of streamChunks(connection, sql, parameters, signal)) yield readRows(chunk)
    } finally {
      this.#giveBack(connection)
    }
  }

  /**
   * As `rows`, for whoever takes the chunks as slowly as it likes: on the side of the queries, so many at once. What DuckDB
   * holds meanwhile is what the statement sorts or groups, and about a megabyte.
   */
  async *stream(
    sql: string,
    parameters: SqlParameters = {},
    signal?: AbortSignal,
  ): AsyncGenerator<RowsChunk> {
    this.#startStream()
    try {
      const connection = await connect(this.#database)
      try {
        for await (const chunk of streamChunks(connection, sql, parameters, signal)) yield readRows(chunk)
      } finally {
        connection.closeSync()
      }
    } finally {
      this.#streams--
    }
  }

  /** Writes the rows of an answer to a new Parquet file, on the side of the queries. Counts as a stream. */
  async exportParquet(request: ParquetExport, signal?: AbortSignal): Promise<readonly string[]> {
    this.#startStream()
    try {
      return await this.#aside((connection) => exportParquet(connection, request), signal)
    } finally {
      this.#streams--
    }
  }

  /** Runs one statement for its effect, on the side of the queries: it never waits for their connections. */
  async run(sql: string, signal?: AbortSignal): Promise<void> {
    await this.#aside((connection) => connection.run(sql), signal)
  }

  /** As `query`, but on the side of the queries: for what a table wants to know of its own rows. */
  async read(sql: string, signal?: AbortSignal): Promise<QueryResult> {
    return this.#aside((connection) => readResult(connection, sql, {}), signal)
  }

  /** Drops a table that nobody reads any more, in its own time. That it cannot fail is why nobody waits for it. */
  drop(table: string): void {
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

  #startStream(): void {
    if (this.#streams >= this.#maxStreams) {
      const message = `${this.#streams} answers are being streamed or written as files: try again later`
      throw new TicklakeError('overloaded', message)
    }
    this.#streams++
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
    const connection = await this.#take(signal)
    try {
      return await interruptible(connection, use, signal)
    } finally {
      this.#giveBack(connection)
    }
  }

  async #take(signal: AbortSignal | undefined): Promise<DuckDBConnection> {
    signal?.throwIfAborted()
    const connection = this.#idle.pop()
    if (connection) return connection
    if (this.#waiting.length >= this.#maxWaiting) {
      throw new TicklakeError('overloaded', `${this.#waiting.length} queries are waiting: try again later`)
    }
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(take), 1)
        reject(
          signal?.reason ??
            new TicklakeError('timeout', 'the query was given up while it waited for a connection'),
        )
      }
      const take = (free: DuckDBConnection) => {
        signal?.removeEventListener('abort', leave)
        resolve(free)
      }
      this.#waiting.push(take)
      signal?.addEventListener('abort', leave, { once: true })
    })
  }

  #giveBack(connection: DuckDBConnection): void {
    const next = this.#waiting.shift()
    if (next) next(connection)
    else this.#idle.push(connection)
  }
}

/** Aborting the signal interrupts what runs on the connection, and throws the signal's reason. */
async function interruptible<T>(
  connection: DuckDBConnection,
  use: (connection: DuckDBConnection) => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  signal?.throwIfAborted()
  const interrupt = () => connection.interrupt()
  signal?.addEventListener('abort', interrupt, { once: true })
  try {
    return await use(connection)
  } catch (error) {
    if (signal?.aborted) throw signal.reason
    throw error
  } finally {
    signal?.removeEventListener('abort', interrupt)
  }
}

async function readResult(
  connection: DuckDBConnection,
  sql: string,
  parameters: SqlParameters,
): Promise<QueryResult> {
  const result = await connection.run(sql, parameters)
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
