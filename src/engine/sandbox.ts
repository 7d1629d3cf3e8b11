import {
  type DuckDBConnection,
  type DuckDBDataChunk,
  DuckDBInstance,
  type DuckDBVector,
} from '@duckdb/node-api'
import duckdb from '@duckdb/node-bindings'
import { sqlString } from './query-result.js'
import { streamChunks } from './result-stream.js'

/** What getvariable('…') gives, by name; undefined is NULL. */
export type Variables = Readonly<Record<string, string | undefined>>

export interface SandboxOptions {
  /** The only files that its SQL can read. */
  readonly files: readonly string[]
  /** The first variables: DuckDB binds a table macro, and opens its file, when it is made. */
  readonly variables: Variables
  /** SQL to run before the sandbox is locked: macros. */
  readonly setup: readonly string[]
  /** DuckDB's own notation: "1GB". */
  readonly memoryLimit: string
}

/** A column of a result: BIGINT and DECIMAL(18, 8) are `long`, INTEGER is `int`, VARCHAR `string`. Typed arrays have no nulls. */
export type ResultColumn =
  | { readonly kind: 'string'; readonly values: readonly (string | null)[] }
  | { readonly kind: 'int'; readonly values: Int32Array | readonly (number | null)[] }
  | { readonly kind: 'long'; readonly values: BigInt64Array | readonly (bigint | null)[] }

/** Some rows of a result, by column. */
export interface ResultChunk {
  readonly rowCount: number
  readonly columns: readonly ResultColumn[]
}

/**
 * A DuckDB of its own in which a stranger's SELECT can read the given files and nothing else: no other file, no
 * network, no extension, no setting. It has one thread, so that rows come in the order of the file.
 */
export class Sandbox {
  readonly #instance: DuckDBInstance
  readonly #connection: DuckDBConnection

  private constructor(instance: DuckDBInstance, connection: DuckDBConnection) {
    this.#instance = instance
    this.#connection = connection
  }

  static async open(options: SandboxOptions): Promise<Sandbox> {
    const instance = await DuckDBInstance.create(':memory:', {
      threads: '1',
      memory_limit: options.memoryLimit,
      temp_directory: '',
      preserve_insertion_order: 'true',
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
    })
    const connection = await instance.connect()
    await connection.run("SET TimeZone = 'UTC'")
    const sandbox = new Sandbox(instance, connection)
    await sandbox.setVariables(options.variables)
    for (const sql of options.setup) await connection.run(sql)
    await connection.run(`SET allowed_paths = [${options.files.map(sqlString).join(', ')}]`)
    await connection.run('SET enable_external_access = false')
    await connection.run('SET lock_configuration = true')
    return sandbox
  }

  /** How many statements the text holds. Throws when it cannot be parsed. */
  async statementCount(sql: string): Promise<number> {
    return (await this.#connection.extractStatements(sql)).count
  }

  async setVariables(variables: Variables): Promise<void> {
    for (const [name, value] of Object.entries(variables)) {
      const text = value === undefined ? 'NULL::VARCHAR' : sqlString(value)
      await this.#connection.run(`SET VARIABLE ${name} = ${text}`)
    }
  }

  /** Names of the columns that a relation has, without reading it. */
  async columnNames(relation: string): Promise<readonly string[]> {
    const statement = await this.#connection.prepare(`SELECT * FROM ${relation}`)
    return Array.from({ length: statement.columnCount }, (_, index) => statement.columnName(index))
  }

  /**
   * The rows of a SELECT, some thousand at a time and the next ones already under way; never the whole result.
   * Aborting the signal interrupts it and throws the signal's reason.
   */
  async *stream(sql: string, signal?: AbortSignal): AsyncGenerator<ResultChunk> {
    for await (const chunk of streamChunks(this.#connection, sql, {}, signal)) {
      if (chunk.rowCount > 0) yield { rowCount: chunk.rowCount, columns: readColumns(chunk) }
    }
  }

  close(): void {
    this.#connection.closeSync()
    this.#instance.closeSync()
  }
}

function readColumns(chunk: DuckDBDataChunk): readonly ResultColumn[] {
  return Array.from({ length: chunk.columnCount }, (_, index) => readColumn(chunk, index))
}

function readColumn(chunk: DuckDBDataChunk, index: number): ResultColumn {
  const { rowCount } = chunk
  const vector = duckdb.data_chunk_get_vector(chunk.chunk, index)
  const type = duckdb.get_type_id(duckdb.vector_get_column_type(vector))
  const validity = duckdb.vector_get_validity(vector, Math.ceil(rowCount / 64) * 8)
  const isNull = (row: number) => (validity[row >> 3]! & (1 << (row & 7))) === 0
  // Reading one value after the other through node-api makes an object for each; the vector's memory is the column.
  const data = (bytesPerRow: number) => duckdb.vector_get_data(vector, rowCount * bytesPerRow)
  switch (type) {
    case duckdb.Type.BIGINT:
    case duckdb.Type.DECIMAL: {
      const bytes = data(8)
      const values = new BigInt64Array(bytes.buffer, bytes.byteOffset, rowCount).slice()
      return {
        kind: 'long',
        values: validity ? Array.from(values, (value, row) => (isNull(row) ? null : value)) : values,
      }
    }
    case duckdb.Type.INTEGER: {
      const bytes = data(4)
      const values = new Int32Array(bytes.buffer, bytes.byteOffset, rowCount).slice()
      return {
        kind: 'int',
        values: validity ? Array.from(values, (value, row) => (isNull(row) ? null : value)) : values,
      }
    }
    case duckdb.Type.VARCHAR:
      return { kind: 'string', values: readStrings(chunk, index, data(16), validity ? isNull : undefined) }
    default:
      throw new TypeError(`a streamed column cannot have DuckDB type ${duckdb.Type[type]}`)
  }
}

/** A cell holds the length and, up to this many bytes, the string itself. */
const CELL_BYTES = 12

/** Neighbours are often equal (a symbol, a venue): such a row takes the string of the one before. */
function readStrings(
  chunk: DuckDBDataChunk,
  index: number,
  data: Uint8Array,
  isNull: ((row: number) => boolean) | undefined,
): readonly (string | null)[] {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  const cells = new Int32Array(data.buffer, data.byteOffset, data.byteLength / 4)
  const values = new Array<string | null>(chunk.rowCount)
  let vector: DuckDBVector | undefined
  let last = ''
  let lastCell = -1
  for (let row = 0; row < values.length; row++) {
    if (isNull?.(row)) {
      values[row] = null
      continue
    }
    const cell = row * 4
    const length = cells[cell]!
    if (length > CELL_BYTES) {
      vector ??= chunk.getColumnVector(index)
      values[row] = String(vector.getItem(row))
      continue
    }
    const isLast =
      lastCell >= 0 &&
      cells[cell] === cells[lastCell] &&
      cells[cell + 1] === cells[lastCell + 1] &&
      cells[cell + 2] === cells[lastCell + 2] &&
      cells[cell + 3] === cells[lastCell + 3]
    if (!isLast) {
      last = bytes.toString('utf8', row * 16 + 4, row * 16 + 4 + length)
      lastCell = cell
    }
    values[row] = last
  }
  return values
}
