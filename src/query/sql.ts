import { type Clock, invalid, TicklakeError } from '#core'
import { type EmptyEngine, StatementError, sqlName } from '#engine'
import { type AsOf, duckdbType, type PinnedVersion, type VersionedTable } from '#storage'
import { type Answer, type AnswerMeta, type AnswerOptions, type QueryEngine, textColumn } from './answer.js'
import { answerMeta } from './answer-meta.js'
import { encodeRow, selectList } from './field.js'
import { planScan, relation, type Scan } from './scan.js'
import { seal } from './sealed.js'
import { lakeName } from './sql-check.js'
import { type CheckedStatement, readStatement, type SqlArguments } from './sql-statement.js'
import { cellName, sqlFields, typeName } from './sql-values.js'

export interface SqlRequest {
  readonly sql: string
  readonly parameters: SqlArguments
  /** Rows of the answer, at most. */
  readonly limit: number
  /** The state of every table that is read; a snapshot id is of one table. Absent: the newest versions. */
  readonly asOf?: AsOf
}

export interface SqlOptions {
  /** By the name that SQL has for it. */
  readonly tables: ReadonlyMap<string, VersionedTable>
  readonly engine: QueryEngine
  /** Reads statements before they run. */
  readonly reader: EmptyEngine
  readonly clock: Clock
}

/** So many bytes of rows are answered; what is more is cut off, and the answer says so. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024

/** A table that a statement reads, held at a version, and what of it is read. */
interface Held {
  readonly table: string
  readonly pinned: PinnedVersion
  readonly scan: Scan
}

/** Answers SQL: one SELECT over the tables, each at one version, all of them pinned in one turn. */
export class SqlRouter {
  readonly #options: SqlOptions
  readonly #names: ReadonlySet<string>

  constructor(options: SqlOptions) {
    this.#options = options
    this.#names = new Set(options.tables.keys())
  }

  /** `invalid_input` with its place in the text when the statement is not allowed or not right. */
  async answer(request: SqlRequest, options: AnswerOptions): Promise<Answer> {
    const { reader, clock } = this.#options
    const { signal } = options
    const startedMs = clock.monotonicMs()
    const statement = await readStatement(request.sql, request.parameters, this.#names, reader, signal)
    const pins = await this.#pin(statement, request.asOf)
    try {
      const held = await Promise.all(
        pins.map(async ({ table, pinned }) => ({ table, pinned, scan: await planScan(pinned, {}) })),
      )
      return await this.#run(request, statement, held, options, startedMs)
    } finally {
      for (const { pinned } of pins) pinned.release()
    }
  }

  async #run(
    { parameters, limit }: SqlRequest,
    statement: CheckedStatement,
    held: readonly Held[],
    { encoding, signal }: AnswerOptions,
    startedMs: number,
  ): Promise<Answer> {
    const { engine, reader, clock } = this.#options
    const columns = await reader
      .bind(withTables(held, emptyRelation), statement.sql, parameters, signal)
      .catch((error: Error) => {
        if (!(error instanceof StatementError)) throw error
        throw statement.failure(error.message, error.position)
      })
    const fields = sqlFields(columns, encoding)
    const cells = fields.map((_, index) => cellName(index)).join(', ')
    const rows = `SELECT ${encodeRow(fields, encoding)} AS row FROM (SELECT * FROM (\n${statement.sql}\n) AS answer(${cells}) LIMIT ${limit + 1})`
    const sized = `SELECT row, sum(strlen(row)) OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS size FROM (${rows})`
    const sql = `${withTables(held, readRelation)}SELECT CASE WHEN size > ${MAX_ANSWER_BYTES} THEN '' ELSE row END AS row, size > ${MAX_ANSWER_BYTES} AS beyond FROM (${sized})`
    const result = await engine.query(sql, parameters, signal).catch((error: Error) => {
      throw failureOf(error, statement)
    })
    const written = textColumn(result, 0)
    const tooLarge = (result.columns[1] ?? []).indexOf(true)
    const end = Math.min(limit, tooLarge < 0 ? written.length : tooLarge)
    const cut = end === written.length ? null : end === limit ? ('rows' as const) : ('bytes' as const)
    return {
      encoding,
      fields: fields.map(({ name }) => csvName(name, encoding)),
      rows: written.slice(0, end),
      single: false,
      complete: cut === null,
      nextPageToken: null,
      meta: {
        ...sqlMeta(held, clock.monotonicMs() - startedMs),
        sql: {
          columns: columns.map(({ name, type }) => ({ name, type: typeName(type) })),
          cut,
          tables: held.map(({ table, pinned, scan }) => ({ table, ...tableMeta(pinned, scan) })),
        },
      },
    }
  }

  /** Newest versions are pinned in one turn of the event loop, so that they are of one moment. */
  async #pin(
    { tables }: CheckedStatement,
    asOf: AsOf | undefined,
  ): Promise<readonly { readonly table: string; readonly pinned: PinnedVersion }[]> {
    const read = [...this.#options.tables].filter(([name]) => tables.has(name))
    if (!asOf) return pinAll(read)
    if (asOf.kind === 'snapshot' && read.length > 1) {
      throw invalid('as_of', String(asOf.snapshotId), 'a time, a branch or a tag: a snapshot is of one table')
    }
    const pins: { table: string; pinned: PinnedVersion }[] = []
    try {
      for (const [table, versions] of read) pins.push({ table, pinned: await versions.pinAsOf(asOf, null) })
    } catch (error) {
      for (const { pinned } of pins) pinned.release()
      throw error
    }
    return pins
  }
}

function pinAll(read: readonly (readonly [string, VersionedTable])[]) {
  const pins: { table: string; pinned: PinnedVersion }[] = []
  try {
    for (const [table, versions] of read) pins.push({ table, pinned: versions.pin() })
  } catch (error) {
    for (const { pinned } of pins) pinned.release()
    throw error
  }
  return pins
}

function withTables(held: readonly Held[], relationOf: (held: Held) => string): string {
  if (held.length === 0) return ''
  const tables = held.map((one) => `${sqlName(lakeName(one.table))} AS NOT MATERIALIZED (${relationOf(one)})`)
  return `WITH ${tables.join(', ')} `
}

function readRelation(held: Held): string {
  const names = held.scan.columns.map(({ name }) => name)
  const rows = relation(held.scan, names)
  return rows === null ? emptyRelation(held) : `SELECT ${selectList(names)} FROM ${rows}`
}

/** The same columns, without rows. */
function emptyRelation({ scan }: Held): string {
  const cells = scan.columns.map((column) => `CAST(NULL AS ${duckdbType(column)}) AS ${sqlName(column.name)}`)
  return `SELECT ${cells.join(', ')} WHERE false`
}

function tableMeta(pinned: PinnedVersion, scan: Scan) {
  const { route, receipt, snapshotId, filesTotal, filesRead, rowsScanned, bytesRead } = answerMeta(
    pinned,
    scan,
    0,
    null,
  )
  return { route, receipt, snapshotId, filesTotal, filesRead, rowsScanned, bytesRead }
}

/** Of all tables together; the receipt of several names them all. */
function sqlMeta(held: readonly Held[], elapsedMs: number): AnswerMeta {
  const tables = held.map(({ pinned, scan }) => tableMeta(pinned, scan))
  const total = (count: 'filesTotal' | 'filesRead' | 'rowsScanned' | 'bytesRead') =>
    tables.reduce((sum, table) => sum + table[count], 0)
  const routes = new Set(tables.map(({ route }) => route))
  const [only] = tables
  return {
    route: routes.size > 1 ? 'hybrid' : (only?.route ?? 'historical'),
    receipt: tables.length === 1 ? only!.receipt : seal(tables.map(({ receipt }) => receipt)),
    snapshotId: tables.length === 1 ? only!.snapshotId : null,
    engine: 'duckdb',
    cache: 'none',
    filesTotal: total('filesTotal'),
    filesRead: total('filesRead'),
    rowsScanned: total('rowsScanned'),
    bytesRead: total('bytesRead'),
    elapsedMs: Math.round(elapsedMs * 100) / 100,
    gaps: null,
  }
}

/** What DuckDB says of values that do not fit is about the statement; all else (a file that is damaged) is not. */
const ABOUT_THE_STATEMENT =
  /^(Conversion|Invalid Input|Out of Range|Binder|Mismatch Type|Invalid Type|Not implemented|Parser|Catalog) Error: /

function failureOf(error: Error, statement: CheckedStatement): Error {
  const said = error.message.replace(/\n+LINE \d+:[\s\S]*$/, '')
  if (ABOUT_THE_STATEMENT.test(said)) return statement.failure(said, null)
  if (!/^Out of Memory Error/.test(said)) return error
  const message = 'the statement needs more memory than it may have: ask for less at once'
  return new TicklakeError('too_large', message, { cause: error })
}

/** The header of a CSV has any name that somebody gave a column. */
function csvName(name: string, encoding: AnswerOptions['encoding']): string {
  return encoding === 'csv' && /[",\r\n]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name
}
