import { type Clock, invalid } from '#core'
import { type EmptyEngine, StatementError, sqlName } from '#engine'
import type { AsOf, PinnedVersion, VersionedTable } from '#storage'
import type { Answer, AnswerMeta, AnswerOptions } from './answer.js'
import { answerMeta } from './answer-meta.js'
import { encodeRow, selectList } from './field.js'
import { oneMoreThan } from './page.js'
import { releasing } from './pinned.js'
import { RowReader, type RowReaderOptions } from './row-reader.js'
import { NOTHING, planScan, relation, type Scan } from './scan.js'
import { seal } from './sealed.js'
import { lakeName } from './sql-check.js'
import { SqlEngine } from './sql-engine.js'
import { type CheckedStatement, readStatement, type SqlArguments } from './sql-statement.js'
import { cellName, sqlFields, typeName } from './sql-values.js'

export interface SqlRequest {
  readonly sql: string
  readonly parameters: SqlArguments
  /** Rows of the answer, at most; null: all of them, which are streamed. */
  readonly limit: number | null
  /** The state of every table that is read; a snapshot id is of one table. Absent: the newest versions. */
  readonly asOf?: AsOf
}

export interface SqlOptions extends Pick<RowReaderOptions, 'engine' | 'tempDirectory'> {
  /** By the name that SQL has for it. */
  readonly tables: ReadonlyMap<string, VersionedTable>
  /** Reads statements before they run. */
  readonly reader: EmptyEngine
  readonly clock: Clock
}

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
    const versions = pins.map(({ pinned }) => pinned)
    return releasing(versions, async () => {
      const scans = pins.map(async ({ table, pinned }) => ({
        table,
        pinned,
        scan: await planScan(pinned, {}),
      }))
      return this.#run(request, statement, await Promise.all(scans), options, startedMs)
    })
  }

  async #run(
    { parameters, limit }: SqlRequest,
    statement: CheckedStatement,
    held: readonly Held[],
    options: AnswerOptions,
    startedMs: number,
  ): Promise<Answer> {
    const { reader, tempDirectory, clock } = this.#options
    const { encoding, signal } = options
    const columns = await reader
      .bind(withTables(held, noRowsOf), statement.sql, parameters, signal)
      .catch((error: Error) => {
        if (!(error instanceof StatementError)) throw error
        throw statement.failure(error.message, error.position)
      })
    const fields = sqlFields(columns, encoding)
    const cells = fields.map((_, index) => cellName(index)).join(', ')
    const asked = `SELECT * FROM (\n${statement.sql}\n) AS answer(${cells}) ${oneMoreThan(limit)}`
    // No page follows, so a row needs no key of its own: the list that stands for it is empty.
    const sql = `${withTables(held, rowsOf)}SELECT ${encodeRow(fields, encoding)} AS row, '[]' AS key FROM (${asked})`
    const engine = new SqlEngine(this.#options.engine, statement)
    const rows = await new RowReader({ engine, tempDirectory }).read(
      { sql, parameters },
      { limit, after: null, unique: () => true },
      options,
    )
    const cut = rows.last ? ('rows' as const) : engine.isCut ? ('bytes' as const) : null
    return {
      encoding,
      fields: fields.map(({ name }) => csvName(name, encoding)),
      columns: rows.columns,
      data: rows.data,
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

function rowsOf({ scan }: Held): string {
  const names = scan.columns.map(({ name }) => name)
  return `SELECT ${selectList(names)} FROM ${relation(scan, names)}`
}

/** The same columns, without rows. */
function noRowsOf({ table, pinned, scan }: Held): string {
  return rowsOf({ table, pinned, scan: { ...NOTHING, columns: scan.columns } })
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

/** The header of a CSV has any name that somebody gave a column. */
function csvName(name: string, encoding: AnswerOptions['encoding']): string {
  return encoding === 'csv' && /[",\r\n]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name
}
