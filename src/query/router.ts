import { assert, type Clock, type ConditionTable, type SessionCalendars, type TableName } from '#core'
import type { PinnedVersion, StreamTable } from '#storage'
import {
  type Answer,
  type AnswerMeta,
  type AnswerOptions,
  type QueryEngine,
  runStatement,
  type Statement,
} from './answer.js'
import { answerMeta } from './answer-meta.js'
import { barsList } from './bars.js'
import { correctionsList } from './corrections.js'
import { COUNT_FIELDS, COUNT_TYPES, countStatement, countsEveryRow, encodeCount } from './count.js'
import { coverageList } from './coverage.js'
import { type OpenGaps, openGaps } from './gaps.js'
import { latestList } from './latest.js'
import type { MarketRules } from './market-rules.js'
import { decodePageToken, encodePageToken, type PagePosition, requestFingerprint } from './page-token.js'
import type { ListAt, PagedList, Reading } from './paged-list.js'
import { pinOf, using } from './pinned.js'
import { qualityList } from './quality.js'
import { quarantineList } from './quarantine.js'
import type {
  BarsRequest,
  CorrectionsRequest,
  CountRequest,
  CoverageRequest,
  LatestRequest,
  QualityRequest,
  QuarantineRequest,
  RowsRequest,
  Selection,
  SnapshotsRequest,
  SymbolsRequest,
  VwapRequest,
} from './request.js'
import { type ReadRows, RowReader, type RowReaderOptions } from './row-reader.js'
import { rowsList } from './rows.js'
import { hasDeletes, NOTHING, planScan, rowFilter, rowsScanned, type Scan } from './scan.js'
import { SLICE_ROWS } from './slices.js'
import { encodeSnapshot, SNAPSHOT_FIELDS, SNAPSHOT_TYPES, snapshotRows } from './snapshots.js'
import { symbolsList } from './symbols.js'
import {
  encodeTableQuality,
  refusalsByTable,
  refusalsStatement,
  TABLE_QUALITY_FIELDS,
  TABLE_QUALITY_TYPES,
  tableQualityRows,
} from './table-quality.js'
import { vwapList } from './vwap.js'

export interface QueryRouterOptions extends RowReaderOptions {
  readonly tables: ReadonlyMap<TableName, StreamTable>
  readonly sessions: SessionCalendars
  /** Absent: none, so that each print counts for everything. */
  readonly conditions?: readonly ConditionTable[]
  readonly clock: Clock
  /** About so many rows of a streamed list are sorted at a time. Absent: `SLICE_ROWS`. */
  readonly sliceRows?: number
}

/** What was read, and the rows. */
interface Read {
  readonly scan: Scan
  readonly rows: ReadRows
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
  readonly #rules: MarketRules
  readonly #clock: Clock
  readonly #reader: RowReader
  readonly #sliceRows: number

  constructor(options: QueryRouterOptions) {
    this.#tables = options.tables
    this.#engine = options.engine
    this.#rules = { sessions: options.sessions, conditions: options.conditions ?? [] }
    this.#clock = options.clock
    this.#reader = new RowReader(options)
    this.#sliceRows = options.sliceRows ?? SLICE_ROWS
  }

  /** One page of trades or quotes in the total order. */
  rows(request: RowsRequest, options: AnswerOptions): Promise<Answer> {
    return this.#answerPage(rowsList(request), options)
  }

  /** One page of bars, by bucket, exchange and symbol. */
  bars(request: BarsRequest, options: AnswerOptions): Promise<Answer> {
    return this.#answerPage(barsList(request, this.#rules), options)
  }

  /** One page of volume, notional and vwap: of a range by exchange and symbol, or as bars. */
  vwap(request: VwapRequest, options: AnswerOptions): Promise<Answer> {
    return this.#answerPage(vwapList(request, this.#rules), options)
  }

  /** One page of the newest row of each instrument, by exchange and symbol. */
  latest(request: LatestRequest, options: AnswerOptions): Promise<Answer> {
    return this.#answerPage(latestList(request), options)
  }

  /** One page of the instruments that have events, by exchange and symbol. */
  symbols(request: SymbolsRequest, options: AnswerOptions): Promise<Answer> {
    return this.#answerPage(symbolsList(request), options)
  }

  /** One page of what is there and what is missing, by exchange, symbol and session. */
  coverage(request: CoverageRequest, options: AnswerOptions): Promise<Answer> {
    return this.#answerPage(coverageList(request, this.#rules.sessions), options)
  }

  /** One page of how good the data of each instrument are, by exchange and symbol. */
  quality(request: QualityRequest, options: AnswerOptions): Promise<Answer> {
    return this.#answerPage(qualityList(request), options)
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
    return this.#answerPage(quarantineList(request), options)
  }

  /** One page of corrections, in the order in which the log took them, with what has become of them. */
  corrections(request: CorrectionsRequest, options: AnswerOptions): Promise<Answer> {
    return this.#answerPage(correctionsList(request, this.#tables), options)
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

  async #answerPage(list: PagedList, options: AnswerOptions): Promise<Answer> {
    const startedMs = this.#clock.monotonicMs()
    const table = this.#table(list.table)
    const { tableUuid } = table.metadata()
    const { pageToken, asOf } = list.request
    const request = requestFingerprint({ ...list.request, ...list.rules, table: list.table })
    const token = pageToken === null ? null : decodePageToken(pageToken, tableUuid, request, list.keyForm)
    return using(pinOf(table, asOf, token?.version ?? null), async (newest) => {
      const watermarks = (list.usesWatermarks && token?.watermarks) || newest.watermarks
      const pinned = { ...newest, watermarks }
      const after = token?.position ?? null
      const at = list.at(pinned, after)
      const gaps = openGaps(pinned.withOpenGaps, list.request)
      const { scan, rows } = await this.#read(list, at, pinned, after, options)
      const carried = list.usesWatermarks ? watermarks : NO_WATERMARKS
      return {
        encoding: options.encoding,
        fields: at.fields,
        columns: rows.columns,
        data: rows.data,
        single: false,
        complete: true,
        nextPageToken:
          rows.last &&
          encodePageToken({
            tableUuid,
            request,
            version: pinned.version,
            watermarks: carried,
            position: rows.last,
          }),
        meta: this.#meta(pinned, scan, startedMs, gaps),
      }
    })
  }

  /** The page of a list, or, without a limit, all of it. */
  async #read(
    list: PagedList,
    at: ListAt,
    pinned: PinnedVersion,
    after: PagePosition | null,
    options: AnswerOptions,
  ): Promise<Read> {
    const { limit } = list.request
    const reading = this.#reading(options)
    const plan = (selection: Selection) => planScan(pinned, rowFilter(selection))
    const page = { after, unique: list.isUnique ?? isAlwaysUnique }
    for (const selection of at.narrower?.selections ?? []) {
      const { rowCount } = at.narrower!
      const scan = await plan(selection)
      const statement = await at.statement(scan, selection, reading)
      const rows = await this.#reader.page(statement, { ...page, limit: rowCount }, options)
      if (rows.rowCount === rowCount) return { scan, rows }
      await rows.data.close()
    }
    const scan = await plan(at.selection)
    if (limit === null && at.slices && options.encoding !== 'parquet') {
      return { scan, rows: await this.#reader.all(at.slices(scan, pinned, reading), options) }
    }
    const statement = await at.statement(scan, at.selection, reading)
    return { scan, rows: await this.#reader.read(statement, { ...page, limit }, options) }
  }

  #reading({ encoding, signal }: AnswerOptions): Reading {
    const query = (statement: Statement) => runStatement(this.#engine, statement, signal)
    return { encoding, signal, sliceRows: this.#sliceRows, query }
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
