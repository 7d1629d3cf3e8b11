import { assert, type Clock, type SessionCalendars, type TableName } from '#core'
import type { PinnedVersion, RollupTable, StreamTable } from '#storage'
import { chosenRowFields } from './added-fields.js'
import {
  type Answer,
  type AnswerMeta,
  type AnswerOptions,
  type QueryEngine,
  runStatement,
  type Statement,
} from './answer.js'
import { answerMeta } from './answer-meta.js'
import { BAR_FIELDS } from './bar-fields.js'
import { BarReader, type Reading } from './bar-reader.js'
import { BAR_KEY_FORM, barTable } from './bars.js'
import { CORRECTION_FIELDS, correctionsStatement, madeCorrections } from './corrections.js'
import { COUNT_FIELDS, COUNT_TYPES, countStatement, countsEveryRow, encodeCount } from './count.js'
import {
  COVERAGE_FIELDS,
  COVERAGE_KEY_FORM,
  coverageStatement,
  exchangeDays,
  exchangeDaysStatement,
} from './coverage.js'
import { chooseFields, type Field } from './field.js'
import { type OpenGaps, openGaps } from './gaps.js'
import { INSTRUMENT_KEY_FORM } from './instrument.js'
import { instrumentCounts } from './instrument-counts.js'
import { latestStatement, latestWindows } from './latest.js'
import { ORDER_KEY_FORM } from './order-key.js'
import {
  decodePageToken,
  encodePageToken,
  type Key,
  type KeyForm,
  type PagePosition,
  requestFingerprint,
} from './page-token.js'
import { pinOf, using } from './pinned.js'
import { QUALITY_FIELDS, qualityStatement } from './quality.js'
import { QUARANTINE_FIELDS, quarantineStatement } from './quarantine.js'
import type {
  BarsRequest,
  CorrectionsRequest,
  CountRequest,
  CoverageRequest,
  LatestRequest,
  Page,
  QualityRequest,
  QuarantineRequest,
  RowsRequest,
  Selection,
  SnapshotsRequest,
  SymbolsRequest,
} from './request.js'
import { NO_ROWS, RowReader, type RowReaderOptions } from './row-reader.js'
import { isUniqueRowKey, rowsStatement, selectionAfter } from './rows.js'
import { hasDeletes, NOTHING, planScan, rowFilter, rowsScanned, type Scan } from './scan.js'
import { encodeSnapshot, SNAPSHOT_FIELDS, SNAPSHOT_TYPES, snapshotRows } from './snapshots.js'
import { SYMBOL_FIELDS, symbolsStatement } from './symbols.js'
import {
  encodeTableQuality,
  refusalsByTable,
  refusalsStatement,
  TABLE_QUALITY_FIELDS,
  TABLE_QUALITY_TYPES,
  tableQualityRows,
} from './table-quality.js'

export interface QueryRouterOptions extends RowReaderOptions {
  readonly tables: ReadonlyMap<TableName, StreamTable>
  /** What is derived of the tables: bars that they have are read from there. Default: nothing. */
  readonly rollups?: readonly RollupTable[]
  readonly sessions: SessionCalendars
  readonly clock: Clock
}

/** A list that is answered page by page, all pages from one version. */
interface PagedList {
  readonly table: TableName
  readonly request: Page & Selection
  /** Of a version; throws when it lacks one that was asked for. */
  fields(pinned: PinnedVersion): readonly Pick<Field, 'name'>[]
  readonly keyForm: KeyForm
  /** Whether the rows depend on the watermarks: then all pages have those of the first. */
  readonly usesWatermarks: boolean
  read(pinned: PinnedVersion, after: PagePosition | null): Promise<Reading>
}

const isAlwaysUnique = () => true
const NO_WATERMARKS: ReadonlyMap<string, bigint> = new Map()

/**
 * Answers requests: pins one version of a table, chooses its files and tail slices, and lets the engine write the rows.
 * Requests are trusted to be valid (request.ts). A failing side is an error of the whole answer, never fewer rows.
 */
export class QueryRouter {
  readonly #tables: ReadonlyMap<TableName, StreamTable>
  readonly #engine: QueryEngine
  readonly #sessions: SessionCalendars
  readonly #clock: Clock
  readonly #reader: RowReader
  readonly #bars: BarReader

  constructor(options: QueryRouterOptions) {
    this.#tables = options.tables
    this.#engine = options.engine
    this.#sessions = options.sessions
    this.#clock = options.clock
    this.#reader = new RowReader(options)
    const { engine, rollups = [] } = options
    this.#bars = new BarReader({ engine, rollups, reader: this.#reader })
  }

  /** One page of trades or quotes in the total order. */
  rows(request: RowsRequest, options: AnswerOptions): Promise<Answer> {
    return this.#answerPage(options, {
      table: request.table,
      request,
      fields: ({ columns }) => chosenRowFields(request.table, columns, request.fields),
      keyForm: ORDER_KEY_FORM,
      usesWatermarks: false,
      read: async (pinned, after) => {
        const scan = await planScan(pinned, rowFilter(selectionAfter(request, after)))
        if (request.limit === null && options.encoding !== 'parquet') {
          return { scan, rows: await this.#reader.slices({ request, pinned, scan, after }, options) }
        }
        const statement = rowsStatement(request, scan, after, options.encoding)
        return this.#read(scan, statement, request.limit, after, options, isUniqueRowKey)
      },
    })
  }

  /** One page of bars, by bucket, exchange and symbol. */
  bars(request: BarsRequest, options: AnswerOptions): Promise<Answer> {
    return this.#answerPage(options, {
      table: barTable(request.of),
      request,
      fields: () => chooseFields(BAR_FIELDS, request.fields),
      keyForm: BAR_KEY_FORM,
      usesWatermarks: true,
      read: (pinned, after) => this.#bars.read(request, pinned, after, options),
    })
  }

  /** One page of the newest row of each instrument, by exchange and symbol. */
  latest(request: LatestRequest, options: AnswerOptions): Promise<Answer> {
    return this.#answerPage(options, {
      table: request.table,
      request,
      fields: ({ columns }) => chosenRowFields(request.table, columns, request.fields),
      keyForm: INSTRUMENT_KEY_FORM,
      usesWatermarks: false,
      read: async (pinned, after) => {
        let reading: Reading = { scan: NOTHING, rows: NO_ROWS }
        const windows = latestWindows(request, pinned.watermarks)
        for (const window of windows) {
          const scan = await planScan(pinned, rowFilter(window))
          const statement = latestStatement(window, scan, after, options.encoding)
          // Windows are of a list of symbols of one exchange, which is read at once to see whether all are found.
          const limit = windows.length > 1 ? (request.symbols?.length ?? request.limit) : request.limit
          await reading.rows.data.close()
          reading = await this.#read(scan, statement, limit, after, options)
          if (reading.rows.rowCount === request.symbols?.length) break
        }
        return reading
      },
    })
  }

  /** One page of the instruments that have events, by exchange and symbol. */
  symbols(request: SymbolsRequest, options: AnswerOptions): Promise<Answer> {
    return this.#answerPage(options, {
      table: request.table,
      request,
      fields: () => SYMBOL_FIELDS,
      keyForm: INSTRUMENT_KEY_FORM,
      usesWatermarks: false,
      read: async (pinned, after) => {
        const scan = await planScan(pinned, rowFilter(request))
        const statement = symbolsStatement(request, scan, after, options.encoding)
        return this.#read(scan, statement, request.limit, after, options)
      },
    })
  }

  /** One page of what is there and what is missing, by exchange, symbol and session. */
  coverage(request: CoverageRequest, options: AnswerOptions): Promise<Answer> {
    return this.#answerPage(options, {
      table: request.table,
      request,
      fields: () => COVERAGE_FIELDS,
      keyForm: COVERAGE_KEY_FORM,
      usesWatermarks: false,
      read: async (pinned, after) => {
        const scan = await planScan(pinned, rowFilter(request))
        const found = exchangeDaysStatement(request, scan)
        const result = await runStatement(this.#engine, found, options.signal)
        const days = exchangeDays(result, this.#sessions)
        const statement = coverageStatement(request, scan, days, after, options.encoding)
        return this.#read(scan, statement, request.limit, after, options)
      },
    })
  }

  /** One page of how good the data of each instrument are, by exchange and symbol. */
  quality(request: QualityRequest, options: AnswerOptions): Promise<Answer> {
    return this.#answerPage(options, {
      table: request.table,
      request,
      fields: () => QUALITY_FIELDS,
      keyForm: INSTRUMENT_KEY_FORM,
      usesWatermarks: false,
      read: async (pinned, after) => {
        const counts = instrumentCounts(pinned.instruments.values(), request)
        const scan = await planScan(pinned, rowFilter(request))
        const statement = qualityStatement(request, scan, counts, after, options.encoding)
        return this.#read(scan, statement, request.limit, after, options)
      },
    })
  }

  /** What became of all that was meant for each table of events. The receipt is that of the quarantine. */
  tableQuality(options: AnswerOptions): Promise<Answer> {
    const startedMs = this.#clock.monotonicMs()
    return using(this.#table('quarantine').pin(), async (pinned) => {
      const scan = await planScan(pinned, {})
      const statement = refusalsStatement(scan)
      const result = await runStatement(this.#engine, statement, options.signal)
      const rows = await tableQualityRows(this.#tables, refusalsByTable(result))
      return {
        encoding: options.encoding,
        fields: TABLE_QUALITY_FIELDS,
        ...(await this.#reader.known(rows, TABLE_QUALITY_TYPES, encodeTableQuality, options)),
        single: false,
        complete: true,
        nextPageToken: null,
        meta: this.#meta(pinned, scan, startedMs, null),
      }
    })
  }

  /** One page of refused records, in the order in which the log took them. */
  quarantine(request: QuarantineRequest, options: AnswerOptions): Promise<Answer> {
    return this.#answerPage(options, {
      table: 'quarantine',
      request,
      fields: () => chooseFields(QUARANTINE_FIELDS, request.fields),
      keyForm: ORDER_KEY_FORM,
      usesWatermarks: false,
      read: async (pinned, after) => {
        const scan = await planScan(pinned, rowFilter(selectionAfter(request, after)))
        const statement = quarantineStatement(request, scan, after, options.encoding)
        return this.#read(scan, statement, request.limit, after, options, isUniqueRowKey)
      },
    })
  }

  /** One page of corrections, in the order in which the log took them, with what has become of them. */
  corrections(request: CorrectionsRequest, options: AnswerOptions): Promise<Answer> {
    return this.#answerPage(options, {
      table: 'corrections',
      request,
      fields: () => chooseFields(CORRECTION_FIELDS, request.fields),
      keyForm: ORDER_KEY_FORM,
      usesWatermarks: false,
      read: async (pinned, after) => {
        const made = madeCorrections(this.#tables, pinned, request.asOf)
        const scan = await planScan(pinned, {})
        const statement = correctionsStatement(request, scan, made, after, options.encoding)
        return this.#read(scan, statement, request.limit, after, options, isUniqueRowKey)
      },
    })
  }

  /** How many rows a selection has. Without a restriction the manifests and the tail know it, unless rows are deleted. */
  count(request: CountRequest, options: AnswerOptions): Promise<Answer> {
    const startedMs = this.#clock.monotonicMs()
    return using(pinOf(this.#table(request.table), request.asOf, null), async (pinned) => {
      const gaps = openGaps(pinned.withOpenGaps, request)
      const scan = await planScan(pinned, rowFilter(request))
      const isKnown = countsEveryRow(request) && !hasDeletes(scan)
      const answer = {
        encoding: options.encoding,
        fields: COUNT_FIELDS.map((field) => field.name),
        single: true,
        complete: true,
        nextPageToken: null,
      }
      if (isKnown) {
        const rows = [{ count: rowsScanned(scan) }]
        const read = await this.#reader.known(rows, COUNT_TYPES, encodeCount, options)
        const meta = this.#meta(pinned, scan, startedMs, gaps)
        return { ...answer, ...read, meta: { ...meta, filesRead: 0, rowsScanned: 0, bytesRead: 0 } }
      }
      const statement = countStatement(request, scan, options.encoding)
      const { data, columns } = await this.#reader.page(
        statement,
        { limit: 1, after: null, unique: isAlwaysUnique },
        options,
      )
      return { ...answer, data, columns, meta: this.#meta(pinned, scan, startedMs, gaps) }
    })
  }

  /** The snapshots that a table keeps, oldest first: all of them, in one page. */
  snapshots(request: SnapshotsRequest, options: AnswerOptions): Promise<Answer> {
    const startedMs = this.#clock.monotonicMs()
    return using(this.#table(request.table).pin(), async (pinned) => ({
      encoding: options.encoding,
      fields: SNAPSHOT_FIELDS,
      ...(await this.#reader.known(snapshotRows(pinned.metadata), SNAPSHOT_TYPES, encodeSnapshot, options)),
      single: false,
      complete: true,
      nextPageToken: null,
      meta: this.#meta(pinned, NOTHING, startedMs, null),
    }))
  }

  async #answerPage(options: AnswerOptions, list: PagedList): Promise<Answer> {
    const startedMs = this.#clock.monotonicMs()
    const table = this.#table(list.table)
    const { tableUuid } = table.metadata()
    const { pageToken } = list.request
    const request = requestFingerprint({ ...list.request, table: list.table })
    const token = pageToken === null ? null : decodePageToken(pageToken, tableUuid, request, list.keyForm)
    const { asOf } = list.request
    return using(pinOf(table, asOf, token?.version ?? null), async (pinned) => {
      const { version } = pinned
      const fields = list.fields(pinned).map((field) => field.name)
      const gaps = openGaps(pinned.withOpenGaps, list.request)
      const watermarks = (list.usesWatermarks && token?.watermarks) || pinned.watermarks
      const { scan, rows } = await list.read({ ...pinned, watermarks }, token?.position ?? null)
      const carried = list.usesWatermarks ? watermarks : NO_WATERMARKS
      return {
        encoding: options.encoding,
        fields,
        columns: rows.columns,
        data: rows.data,
        single: false,
        complete: true,
        nextPageToken:
          rows.last &&
          encodePageToken({ tableUuid, request, version, watermarks: carried, position: rows.last }),
        meta: this.#meta(pinned, scan, startedMs, gaps),
      }
    })
  }

  /** The page that a statement yields, or, without a limit, all its rows. */
  async #read(
    scan: Scan,
    statement: Statement,
    limit: number | null,
    after: PagePosition | null,
    options: AnswerOptions,
    unique: (key: Key) => boolean = isAlwaysUnique,
  ): Promise<Reading> {
    return { scan, rows: await this.#reader.read(statement, { limit, after, unique }, options) }
  }

  #table(name: TableName): StreamTable {
    const table = this.#tables.get(name)
    assert(table !== undefined, `there is a table ${name}`)
    return table
  }

  #meta(pinned: PinnedVersion, scan: Scan, startedMs: number, gaps: OpenGaps | null): AnswerMeta {
    return answerMeta(pinned, scan, this.#clock.monotonicMs() - startedMs, gaps)
  }
}
