import { type Clock, invalid } from '#core'
import { type EmptyEngine, StatementError, sqlName } from '#engine'
import type { AsOf, PinnedVersion, VersionedTable } from '#storage'
import type { Answer, AnswerOptions } from './answer.js'
import { sourceOf, tablesMeta } from './answer-meta.js'
import { estimateOf } from './estimate.js'
import { encodeRow } from './field.js'
import type { Need, QueryLimits } from './limits.js'
import { oneMoreThan } from './page.js'
import { releasing, usingAll } from './pinned.js'
import { RowReader, type RowReaderOptions } from './row-reader.js'
import { lakeName } from './sql-check.js'
import { SqlEngine } from './sql-engine.js'
import { type CheckedStatement, readStatement, type SqlArguments } from './sql-statement.js'
import { type HeldTable, heldRollup, heldTable, type SqlRollup } from './sql-tables.js'
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
  /** Tables too, each at the version of its source, which is one of the tables. */
  readonly rollups: readonly SqlRollup[]
  /** Reads statements before they run. */
  readonly reader: EmptyEngine
  readonly limits: QueryLimits
  readonly clock: Clock
}

/** Answers SQL: one SELECT over the tables, each at one version, all of them pinned in one turn. */
export class SqlRouter {
  readonly #options: SqlOptions
  readonly #rollups: ReadonlyMap<string, SqlRollup>
  readonly #names: ReadonlySet<string>

  constructor(options: SqlOptions) {
    this.#options = options
    this.#rollups = new Map(options.rollups.map((rollup) => [rollup.definition.name, rollup]))
    this.#names = new Set([...options.tables.keys(), ...this.#rollups.keys()])
  }

  /** `invalid_input` with its place in the text when the statement is not allowed or not right. */
  async answer(request: SqlRequest, options: AnswerOptions): Promise<Answer> {
    const { reader, clock } = this.#options
    const { signal } = options
    const startedMs = clock.monotonicMs()
    const statement = await readStatement(request.sql, request.parameters, this.#names, reader, signal)
    const sources = this.#sourcesOf(statement)
    const { asOf } = request
    if (asOf?.kind === 'snapshot' && sources.length > 1) {
      throw invalid('as_of', asOf.snapshotId, 'a time, a branch or a tag: a snapshot is of one table')
    }
    const pins = sources.map(
      ([, table]) =>
        () =>
          asOf ? table.pinAsOf(asOf, null) : table.pin(),
    )
    return usingAll(pins, async (versions) => {
      const pinned = new Map(sources.map(([name], index) => [name, versions[index]!]))
      const held = await this.#hold(statement, pinned)
      return releasing(held, () => this.#run(request, statement, held, options, startedMs))
    })
  }

  async #run(
    { parameters, limit }: SqlRequest,
    statement: CheckedStatement,
    held: readonly HeldTable[],
    options: AnswerOptions,
    startedMs: number,
  ): Promise<Answer> {
    const { reader, limits, tempDirectory, clock } = this.#options
    const { encoding, signal } = options
    const columns = await reader
      .bind(
        withTables(held, ({ noRows }) => noRows),
        statement.sql,
        parameters,
        signal,
      )
      .catch((error: Error) => {
        if (!(error instanceof StatementError)) throw error
        throw statement.failure(error.message, error.position)
      })
    const fields = sqlFields(columns, encoding)
    const cells = fields.map((_, index) => cellName(index)).join(', ')
    const asked = `SELECT * FROM (\n${statement.sql}\n) AS answer(${cells}) ${oneMoreThan(limit)}`
    // No page follows, so a row needs no key of its own: the list that stands for it is empty.
    const sql = `${withTables(held, ({ rows }) => rows)}SELECT ${encodeRow(fields, encoding)} AS row, '[]' AS key FROM (${asked})`
    const engine = new SqlEngine(this.#options.engine, statement)
    const rowReader = new RowReader({ engine, tempDirectory })
    const rows = await limits.rows(needOf(held, limit, encoding), signal, () =>
      limit === null
        ? rowReader.whole({ sql, parameters }, options)
        : rowReader.page({ sql, parameters }, { limit, after: null, unique: () => true }, options),
    )
    const isMore = 'hasMore' in rows && rows.hasMore
    const cut = isMore ? ('rows' as const) : engine.isCut ? ('bytes' as const) : null
    const reads = held.map(({ table, pinned, scan }) => ({ table, pinned, sources: sourceOf(scan) }))
    return {
      encoding,
      fields: fields.map(({ name }) => csvName(name, encoding)),
      columns: rows.columns,
      data: rows.data,
      single: false,
      complete: cut === null,
      nextPageToken: null,
      meta: {
        ...tablesMeta(reads, clock.monotonicMs() - startedMs, null),
        sql: { columns: columns.map(({ name, type }) => ({ name, type: typeName(type) })), cut },
      },
    }
  }

  /** What has the versions of the tables that a statement reads. */
  #sourcesOf({ tables }: CheckedStatement): readonly (readonly [string, VersionedTable])[] {
    const names = new Set([...tables].map((name) => this.#rollups.get(name)?.definition.source ?? name))
    return [...this.#options.tables].filter(([name]) => names.has(name))
  }

  async #hold(
    { tables }: CheckedStatement,
    pinned: ReadonlyMap<string, PinnedVersion>,
  ): Promise<readonly HeldTable[]> {
    const held: HeldTable[] = []
    try {
      for (const name of this.#names) {
        if (!tables.has(name)) continue
        const rollup = this.#rollups.get(name)
        const version = pinned.get(rollup?.definition.source ?? name)!
        held.push(await (rollup ? heldRollup(rollup, version) : heldTable(name, version)))
      }
      return held
    } catch (error) {
      for (const one of held) one.release()
      throw error
    }
  }
}

/** What a statement computes is not told by what it reads (it may join, or count to a trillion): none counts as small. */
function needOf(held: readonly HeldTable[], limit: number | null, encoding: AnswerOptions['encoding']): Need {
  return {
    estimate: { ...estimateOf(...held.map(({ scan }) => scan)), predictedMs: Number.POSITIVE_INFINITY },
    heldRows: Number.POSITIVE_INFINITY,
    isStreamed: limit === null && encoding !== 'parquet',
  }
}

function withTables(held: readonly HeldTable[], relationOf: (held: HeldTable) => string): string {
  if (held.length === 0) return ''
  const tables = held.map((one) => `${sqlName(lakeName(one.table))} AS NOT MATERIALIZED (${relationOf(one)})`)
  return `WITH ${tables.join(', ')} `
}

/** The header of a CSV has any name that somebody gave a column. */
function csvName(name: string, encoding: AnswerOptions['encoding']): string {
  return encoding === 'csv' && /[",\r\n]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name
}
