import { TicklakeError } from '#core'
import type { Engine, QueryResult, RowsChunk, SqlParameters } from '#engine'
import type { LayerName } from './cache/layer.js'
import type { ArrowColumn } from './encodings/arrow-schema.js'
import type { Encoding } from './field.js'
import type { OpenGaps } from './gaps.js'
import type { RowData } from './row-data.js'
import type { Route } from './scan.js'

/** What runs statements: DuckDB now. */
export type QueryEngine = Pick<Engine, 'query' | 'rows' | 'stream' | 'exportParquet'>

/** How an answer came about. */
export interface AnswerMeta {
  readonly route: Route
  /** The version that was read; where several tables were, the versions of all of them. */
  readonly receipt: string
  /** Null before the first, and where several tables were read. */
  readonly snapshotId: string | null
  readonly engine: 'duckdb'
  /** The farthest layer that had some of the rows. */
  readonly cache: LayerName | 'none'
  /** The rollup that a part of it was read from; null: none was. */
  readonly rollup: string | null
  readonly filesTotal: number
  readonly filesRead: number
  /** Rows of the files and tail slices that were read, before any filter. */
  readonly rowsScanned: number
  readonly bytesRead: number
  readonly elapsedMs: number
  /** What sequence numbers tell to be missing in the range that was asked for, now; null when nothing is. */
  readonly gaps: OpenGaps | null
  /** Each table of an answer from several, at its version. */
  readonly tables?: readonly ({ readonly table: string } & TableMeta)[]
}

/** How one table of several was read. */
export type TableMeta = Pick<
  AnswerMeta,
  'route' | 'receipt' | 'snapshotId' | 'filesTotal' | 'filesRead' | 'rowsScanned' | 'bytesRead'
>

/** An answer. Whoever asked for it reads its data, or closes them. */
export interface Answer {
  readonly encoding: Encoding
  /** Names of the fields, in order: the header of a CSV. */
  readonly fields: readonly string[]
  /** What the columns are, where the encoding has that said before the rows (Arrow); null elsewhere. */
  readonly columns: readonly ArrowColumn[] | null
  /**
   * The rows: JSON objects with a comma and a line break between, lines of NDJSON, records of CSV, messages of an Arrow
   * stream after its schema, or a Parquet file. Rows of equal answers are equal bytes, but for Parquet; all else is
   * composed around them.
   */
  readonly data: RowData
  /** The data are one object, not a list. */
  readonly single: boolean
  /** False: cut short. Merely having more pages is no cut. */
  readonly complete: boolean
  /** Of an answer that was cut short: what of the time that was asked for it covers. The next page goes on there. */
  readonly covered?: Covered
  /** Of an answer that was cut short: why. */
  readonly reason?: string
  readonly nextPageToken: string | null
  /** Two answers to a request with the same tag have the same data. Absent: they depend on more than can be named. */
  readonly tag?: string
  /** The caller has the data of this tag: they were not read. */
  readonly isKnown?: true
  readonly meta: AnswerMeta
}

/** Event times, ns since 1970 UTC: start inclusive, end exclusive; null: open. */
export interface Covered {
  readonly startNanos: bigint | null
  readonly endNanos: bigint | null
}

/** How the caller wants the answer, and for how long. */
export interface AnswerOptions {
  readonly encoding: Encoding
  /** Its abort ends the query. */
  readonly signal?: AbortSignal
  /** Tags of answers to this request that the caller has. */
  readonly knownTags?: readonly string[]
  /** Only the plan is wanted, as one object of JSON. */
  readonly explain?: boolean
}

/**
 * SQL and the values bound in it. That of a page yields `row` and `key`, in the order of the answer, one row more than
 * asked for if there are more.
 */
export interface Statement {
  readonly sql: string
  readonly parameters: SqlParameters
}

/** Runs a statement; what it fails of is told as `statementError` has it. */
export async function runStatement(
  engine: QueryEngine,
  statement: Statement,
  signal: AbortSignal | undefined,
): Promise<QueryResult> {
  try {
    return await engine.query(statement.sql, statement.parameters, signal)
  } catch (error) {
    throw statementError(error)
  }
}

/** Rows of a statement; what it fails of is told as `statementError` has it. */
export async function* statementRows(chunks: AsyncGenerator<RowsChunk>): AsyncGenerator<RowsChunk> {
  try {
    yield* chunks
  } catch (error) {
    throw statementError(error)
  }
}

/**
 * An error of DuckDB as whoever asked should hear of it: values that leave the range of a decimal, or of a time in
 * nanoseconds, and what fits neither into memory nor into what may be spilled.
 */
export function statementError(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  if (/^Out of Range Error/.test(error.message)) {
    const message = 'a sum leaves the range of an exact decimal(38): ask for a shorter interval or range'
    return new TicklakeError('invalid_input', message, { cause: error })
  }
  if (/^Conversion Error: Type INT128 .* INT64/.test(error.message)) {
    const message = 'a time is too far from 1970 for nanoseconds in 64 bits: ask for the fields without ts_ns'
    return new TicklakeError('invalid_input', message, { cause: error })
  }
  if (/^Out of Memory Error/.test(error.message)) {
    const message =
      'the query needs more memory than it may have, and more than it may spill to disk (engine.spillLimit): ask for a ' +
      'shorter range, fewer symbols or a smaller limit'
    return new TicklakeError('too_large', message, { cause: error })
  }
  return error
}

/** A column of texts of a result. */
export function textColumn(result: QueryResult, index: number): readonly string[] {
  return (result.columns[index] ?? []).map((value) => {
    if (typeof value !== 'string') throw new TypeError(`column ${index} of a statement holds text`)
    return value
  })
}
