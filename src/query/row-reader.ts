import { assert } from '#core'
import { type RowColumn, type RowsChunk, textsOf } from '#engine'
import {
  type AnswerOptions,
  type QueryEngine,
  type Statement,
  statementError,
  statementRows,
} from './answer.js'
import type { ArrowColumn } from './encodings/arrow-schema.js'
import { encoderOf } from './encodings/encoders.js'
import { answerPath, fileData } from './encodings/parquet-file.js'
import { encodeTexts, type TextEncoding } from './encodings/text-encoder.js'
import { isText } from './field.js'
import { type KnownTypes, type KnownValue, knownRowsStatement } from './known-rows.js'
import { pageEnd } from './page.js'
import type { Key, PagePosition } from './page-token.js'
import { RowData } from './row-data.js'

/** Rows, to be read. */
export interface ReadRows {
  readonly data: RowData
  /** What the columns are, in an encoding whose opening tells it (Arrow); null in others. */
  readonly columns: readonly ArrowColumn[] | null
}

/** The rows of a page, and where the next page begins. */
export interface PageRows extends ReadRows {
  readonly rowCount: number
  /** Where it ends; null when it has no rows. */
  readonly end: PagePosition | null
  /** Whether rows follow. */
  readonly hasMore: boolean
}

/** Which page of what the statement yields. */
export interface PageOf {
  readonly limit: number
  readonly after: PagePosition | null
  readonly unique: (key: Key) => boolean
}

export interface RowReaderOptions {
  readonly engine: QueryEngine
  /** An existing folder for answers that are written as files. */
  readonly tempDirectory: string
}

/** Runs statements of (row, key), and has their rows in the encoding that was asked for. */
export class RowReader {
  readonly #engine: QueryEngine
  readonly #tempDirectory: string

  constructor({ engine, tempDirectory }: RowReaderOptions) {
    this.#engine = engine
    this.#tempDirectory = tempDirectory
  }

  /** Reads all there is. */
  async whole(statement: Statement, options: AnswerOptions): Promise<ReadRows> {
    if (options.encoding !== 'parquet') return this.all(only(statement), options)
    const { data } = await this.#file(statement, null, options.signal)
    return { data, columns: null }
  }

  /** Reads a page whole. */
  async page(statement: Statement, page: PageOf, { encoding, signal }: AnswerOptions): Promise<PageRows> {
    const { limit, after, unique } = page
    const paged = (keys: readonly string[]) => {
      const given = keys.slice(0, limit)
      return { rowCount: given.length, end: pageEnd(given, after, unique), hasMore: keys.length > limit }
    }
    if (encoding === 'parquet') {
      const { data, keys } = await this.#file(statement, limit, signal)
      return { data, columns: null, ...paged(keys) }
    }
    const encoder = encoderOf(encoding)
    const bytes: Uint8Array[] = []
    const keys: string[] = []
    let columns: readonly ArrowColumn[] = []
    const chunks = this.#engine.rows(statement.sql, statement.parameters, signal)
    for await (const chunk of statementRows(chunks)) {
      const { row, key } = rowAndKey(chunk)
      columns = row
      bytes.push(...encoder.encode(row, Math.max(0, Math.min(chunk.rowCount, limit - keys.length))))
      keys.push(...textsOf(key, chunk.rowCount))
    }
    bytes.push(...encoder.end())
    return { data: RowData.of(bytes), columns: typesOf(columns, encoding), ...paged(keys) }
  }

  /**
   * All the rows of statements, one after the other, read as their bytes are asked for. The first of them are read before
   * this resolves, so that what is wrong with a statement is known before the answer begins.
   */
  async all(statements: AsyncIterable<Statement>, { encoding, signal }: AnswerOptions): Promise<ReadRows> {
    assert(encoding !== 'parquet', 'a Parquet file is one statement')
    const encoder = encoderOf(encoding)
    const chunks = statementRows(this.#chunks(statements, signal))
    const first = await chunks.next()
    assert(first.done !== true, 'a statement gives a chunk, if only one without rows')
    async function* bytes(): AsyncGenerator<Uint8Array> {
      yield* encoder.encode(first.value.columns, first.value.rowCount)
      for await (const { columns, rowCount } of chunks) yield* encoder.encode(columns, rowCount)
      yield* encoder.end()
    }
    const close = async () => void (await chunks.return(undefined))
    return {
      data: RowData.streamed(bytes(), close),
      columns: typesOf(first.value.columns, encoding),
    }
  }

  /** Rows that are known without reading tables: texts are written here, the rest goes through the engine. */
  async known<Name extends string, Row extends Readonly<Record<Name, KnownValue>>>(
    rows: readonly Row[],
    types: KnownTypes<Name>,
    encode: (row: Row, encoding: TextEncoding) => string,
    options: AnswerOptions,
  ): Promise<ReadRows> {
    const { encoding } = options
    if (isText(encoding)) {
      const texts = rows.map((row) => encode(row, encoding))
      return { data: RowData.of(encodeTexts(texts, encoding)), columns: null }
    }
    const page = { limit: rows.length, after: null, unique: () => true }
    const { data, columns } = await this.page(knownRowsStatement(rows, types), page, options)
    return { data, columns }
  }

  async *#chunks(
    statements: AsyncIterable<Statement>,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<RowsChunk> {
    for await (const { sql, parameters } of statements) {
      yield* this.#engine.stream(`SELECT row FROM (${sql})`, parameters, signal)
    }
  }

  async #file(statement: Statement, limit: number | null, signal: AbortSignal | undefined) {
    const path = answerPath(this.#tempDirectory)
    const keys = await this.#engine.exportParquet({ ...statement, limit, path }, signal).catch((error) => {
      throw statementError(error)
    })
    return { data: await fileData(path), keys }
  }
}

async function* only(statement: Statement): AsyncGenerator<Statement> {
  yield statement
}

/** The key is the last column. */
function rowAndKey({ columns }: RowsChunk): { readonly row: readonly RowColumn[]; readonly key: RowColumn } {
  const key = columns.at(-1)
  assert(key !== undefined, 'a statement yields row and key')
  return { row: columns.slice(0, -1), key }
}

function typesOf(
  columns: readonly ArrowColumn[],
  encoding: AnswerOptions['encoding'],
): readonly ArrowColumn[] | null {
  return encoding === 'arrow' ? columns.map(({ name, type }) => ({ name, type })) : null
}
