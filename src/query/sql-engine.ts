import { TicklakeError } from '#core'
import type { ParquetExport, QueryResult, RowsChunk, SqlParameters } from '#engine'
import type { QueryEngine } from './answer.js'
import type { CheckedStatement } from './sql-statement.js'

/** So many bytes of rows are a page; what is more is cut off. A stream has no such bound, nor has a file. */
const MAX_PAGE_BYTES = 32 * 1024 * 1024

/** The engine as one statement of a stranger has it: pages have a bound, and what DuckDB says is told of the statement. */
export class SqlEngine implements QueryEngine {
  readonly #engine: QueryEngine
  readonly #statement: CheckedStatement
  #isCut = false

  constructor(engine: QueryEngine, statement: CheckedStatement) {
    this.#engine = engine
    this.#statement = statement
  }

  /** True when rows were cut off. */
  get isCut(): boolean {
    return this.#isCut
  }

  query(sql: string, parameters?: SqlParameters, signal?: AbortSignal): Promise<QueryResult> {
    return this.#told(this.#engine.query(sql, parameters, signal))
  }

  async *rows(sql: string, parameters?: SqlParameters, signal?: AbortSignal): AsyncGenerator<RowsChunk> {
    let leftBytes = MAX_PAGE_BYTES
    for await (const chunk of this.#toldOf(this.#engine.rows(sql, parameters, signal))) {
      const rowCount = rowsWithin(chunk, leftBytes)
      this.#isCut = rowCount < chunk.rowCount
      yield { ...chunk, rowCount }
      if (this.#isCut) return
      leftBytes -= sizeBytes(chunk, rowCount)
    }
  }

  stream(sql: string, parameters?: SqlParameters, signal?: AbortSignal): AsyncGenerator<RowsChunk> {
    return this.#toldOf(this.#engine.stream(sql, parameters, signal))
  }

  exportParquet(request: ParquetExport, signal?: AbortSignal): Promise<readonly string[]> {
    return this.#told(this.#engine.exportParquet(request, signal))
  }

  async #told<T>(work: Promise<T>): Promise<T> {
    try {
      return await work
    } catch (error) {
      throw failureOf(error, this.#statement)
    }
  }

  async *#toldOf(chunks: AsyncGenerator<RowsChunk>): AsyncGenerator<RowsChunk> {
    try {
      yield* chunks
    } catch (error) {
      throw failureOf(error, this.#statement)
    }
  }
}

/** The first rows of a chunk that have no more than so many bytes. */
function rowsWithin(chunk: RowsChunk, bytes: number): number {
  let { rowCount } = chunk
  while (rowCount > 0 && sizeBytes(chunk, rowCount) > bytes) rowCount--
  return rowCount
}

/** Of the first `rows` of a chunk. */
function sizeBytes({ columns, rowCount }: RowsChunk, rows: number): number {
  if (rows === 0) return 0
  const sizes = columns.map(({ values }) =>
    values instanceof Uint8Array ? (values.length / rowCount) * rows : values.offsets[rows]!,
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}

/** What DuckDB says of values that do not fit is about the statement; all else (a file that is damaged) is not. */
const ABOUT_THE_STATEMENT =
  /^(Conversion|Invalid Input|Out of Range|Binder|Mismatch Type|Invalid Type|Not implemented|Parser|Catalog) Error: /

function failureOf(error: unknown, statement: CheckedStatement): unknown {
  if (!(error instanceof Error) || error instanceof TicklakeError) return error
  const said = error.message.replace(/\n+LINE \d+:[\s\S]*$/, '')
  return ABOUT_THE_STATEMENT.test(said) ? statement.failure(said, null) : error
}
