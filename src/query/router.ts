import {
  assert,
  type Clock,
  type ConditionTable,
  invalid,
  type SessionCalendars,
  type TableName,
} from '#core'
import type { PinnedVersion, RollupTable, StreamTable } from '#storage'
import {
  type Answer,
  type AnswerMeta,
  type AnswerOptions,
  type QueryEngine,
  runStatement,
  type Statement,
} from './answer.js'
import { answerMeta, type Sources, sourceOf, tablesMeta } from './answer-meta.js'
import { asofList } from './asof.js'
import { barsList } from './bars.js'
import type { AnswerCache } from './cache/answer-cache.js'
import { correctionsList } from './corrections.js'
import { COUNT_FIELDS, COUNT_TYPES, countStatement, encodeCount, knownCount } from './count.js'
import { coverageList } from './coverage.js'
import { explained } from './explanation.js'
import { isText } from './field.js'
import { type OpenGaps, openGaps } from './gaps.js'
import { latestList } from './latest.js'
import { NO_NEED, needOf, type QueryLimits } from './limits.js'
import type { ListReading } from './list-reading.js'
import type { MarketRules } from './market-rules.js'
import { marketSnapshotList } from './market-snapshot.js'
import { openPart } from './open-part.js'
import { decodePageToken, encodePageToken, requestFingerprint } from './page-token.js'
import type { ListAt, PagedList } from './paged-list.js'
import { type Cut, PartReader, type ReadList, type ReadPage } from './part-reader.js'
import { pinOf, releasing, using, usingAll } from './pinned.js'
import { type Plan, planList, tagOf } from './plan.js'
import { qualityList } from './quality.js'
import { quarantineList } from './quarantine.js'
import type { Reading } from './reading.js'
import type {
  AsofRequest,
  BarsRequest,
  CorrectionsRequest,
  CountRequest,
  CoverageRequest,
  LatestRequest,
  MarketSnapshotRequest,
  QualityRequest,
  QuarantineRequest,
  RowsRequest,
  Selection,
  SnapshotsRequest,
  SymbolsRequest,
  VwapRequest,
} from './request.js'
import { RowData } from './row-data.js'
import { RowReader, type RowReaderOptions } from './row-reader.js'
import { rowsList } from './rows.js'
import { isEmpty, NOTHING, planScan, rowFilter, type Scan } from './scan.js'
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
  /** What is derived of the tables: bars that they have are read from there. Absent: nothing. */
  readonly rollups?: readonly RollupTable[]
  readonly sessions: SessionCalendars
  /** Absent: none, so that each print counts for everything. */
  readonly conditions?: readonly ConditionTable[]
  readonly limits: QueryLimits
  readonly clock: Clock
  readonly cache: AnswerCache
  /** About so many rows of a streamed list are sorted at a time. Absent: `SLICE_ROWS`. */
  readonly sliceRows?: number
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
  readonly #rollups: readonly RollupTable[]
  readonly #rules: MarketRules
  readonly #limits: QueryLimits
  readonly #clock: Clock
  readonly #reader: RowReader
  readonly #parts: PartReader
  readonly #sliceRows: number

  constructor(options: QueryRouterOptions) {
    this.#tables = options.tables
    this.#engine = options.engine
    this.#rollups = options.rollups ?? []
    this.#rules = { sessions: options.sessions, conditions: options.conditions ?? [] }
    this.#limits = options.limits
    this.#clock = options.clock
    this.#reader = new RowReader(options)
    this.#parts = new PartReader(this.#reader, options.cache, options.limits)
    this.#sliceRows = options.sliceRows ?? SLICE_ROWS
  }

  /** One page of trades or quotes in the total order. */
  rows(request: RowsRequest, options: AnswerOptions): Promise<Answer> {
    return this.#answerPage(rowsList(request), options)
  }

  /** One page of bars, by bucket, exchange and symbol. */
  bars(request: BarsRequest, options: AnswerOptions): Promise<Answer> {
    return this.#answerPage(barsList(request, this.#rules, this.#rollups), options)
  }

  /** One page of volume, notional and vwap: of a range by exchange and symbol, or as bars. */
  vwap(request: VwapRequest, options: AnswerOptions): Promise<Answer> {
    return this.#answerPage(vwapList(request, this.#rules, this.#rollups), options)
  }

  /** One page of trades, each with the quote that prevailed at it. */
  asof(request: AsofRequest, options: AnswerOptions): Promise<Answer> {
    return this.#answerPage(asofList(request), options)
  }

  /** One page of the last trade and quote of each instrument at a moment, by exchange and symbol. */
  marketSnapshot(request: MarketSnapshotRequest, options: AnswerOptions): Promise<Answer> {
    return this.#answerPage(marketSnapshotList(request), options)
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
      const result = await this.#limits.run(needOf(scan), options.signal, () =>
        runStatement(this.#engine, statement, options.signal),
      )
      const rows = await tableQualityRows(this.#tables, refusalsByTable(result))
      return {
        encoding: options.encoding,
        fields: TABLE_QUALITY_FIELDS,
        ...(await this.#limits.rows(NO_NEED, options.signal, () =>
          this.#reader.known(rows, TABLE_QUALITY_TYPES, encodeTableQuality, options),
        )),
        single: false,
        complete: true,
        nextPageToken: null,
        meta: this.#meta(pinned, sourceOf(scan), startedMs, null),
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

  /** How many rows a selection has. Of all of a time the manifests know it, but for files of which rows are deleted. */
  count(request: CountRequest, options: AnswerOptions): Promise<Answer> {
    const startedMs = this.#clock.monotonicMs()
    return using(pinOf(this.#table(request.table), request.asOf, null), async (pinned) => {
      const gaps = openGaps(pinned.withOpenGaps, request)
      const scan = await planScan(pinned, rowFilter(request))
      const known = knownCount(request, scan, this.#table(request.table).definition)
      const answer = {
        encoding: options.encoding,
        fields: COUNT_FIELDS.map((field) => field.name),
        single: true,
        complete: true,
        nextPageToken: null,
      }
      if (isEmpty(known.rest)) {
        const rows = [{ count: known.count }]
        const read = await this.#limits.rows(NO_NEED, options.signal, () =>
          this.#reader.known(rows, COUNT_TYPES, encodeCount, options),
        )
        const meta = this.#meta(pinned, { planned: [scan], scans: [], layer: null }, startedMs, gaps)
        return { ...answer, ...read, meta }
      }
      const statement = countStatement(request, known, options.encoding)
      const page = { limit: 1, after: null, unique: isAlwaysUnique }
      const { data, columns } = await this.#limits.rows(
        needOf(known.rest, { heldRows: 1 }),
        options.signal,
        () => this.#reader.page(statement, page, options),
      )
      return {
        ...answer,
        data,
        columns,
        meta: this.#meta(pinned, { planned: [scan], scans: [known.rest], layer: null }, startedMs, gaps),
      }
    })
  }

  /** The snapshots that a table keeps, oldest first: all of them, in one page. */
  snapshots(request: SnapshotsRequest, options: AnswerOptions): Promise<Answer> {
    const startedMs = this.#clock.monotonicMs()
    return using(this.#table(request.table).pin(), async (pinned) => ({
      encoding: options.encoding,
      fields: SNAPSHOT_FIELDS,
      ...(await this.#limits.rows(NO_NEED, options.signal, () =>
        this.#reader.known(snapshotRows(pinned.metadata), SNAPSHOT_TYPES, encodeSnapshot, options),
      )),
      single: false,
      complete: true,
      nextPageToken: null,
      meta: this.#meta(pinned, sourceOf(NOTHING), startedMs, null),
    }))
  }

  async #answerPage(list: PagedList, options: AnswerOptions): Promise<Answer> {
    const startedMs = this.#clock.monotonicMs()
    const table = this.#table(list.table)
    const other = list.beside === undefined ? null : this.#table(list.beside)
    const { tableUuid } = table.metadata()
    const { pageToken, asOf } = list.request
    if (other && asOf?.kind === 'snapshot')
      throw invalid('as_of', asOf.snapshotId, 'a time, a branch or a tag: a snapshot is of one table')
    const request = requestFingerprint({ ...list.request, ...list.rules, table: list.table, list: list.name })
    const otherUuid = other?.metadata().tableUuid ?? null
    const token =
      pageToken === null ? null : decodePageToken(pageToken, tableUuid, request, list.keyForm, otherUuid)
    const pins = [
      () => pinOf(table, asOf, token?.version ?? null),
      ...(other ? [() => pinOf(other, asOf, token?.beside?.version ?? null)] : []),
    ]
    return usingAll(pins, async ([newest, beside]) => {
      assert(newest !== undefined, 'a list reads a table')
      const watermarks = (list.usesWatermarks && token?.watermarks) || newest.watermarks
      const pinned = { ...newest, watermarks }
      const after = token?.position ?? null
      const at = list.at(pinned, after)
      const gaps = openGaps([...pinned.withOpenGaps, ...(beside?.withOpenGaps ?? [])], list.request)
      const besideScans: Scan[] = []
      const planBeside = async (selection: Selection) => {
        const scan = beside ? await planScan(beside, rowFilter(selection)) : NOTHING
        besideScans.push(scan)
        return scan
      }
      const reading = this.#reading(list, options, planBeside)
      const { besideSelection } = at
      const mostBeside = beside && besideSelection ? [await planScan(beside, rowFilter(besideSelection))] : []
      const from = { list, at, pinned, after, reading, options, beside: mostBeside }
      const plan = await planList(from)
      const planned = plan.parts.map(({ scan }) => scan)
      const meta = (sources: Sources) => {
        const elapsedMs = this.#clock.monotonicMs() - startedMs
        if (!beside || list.beside === undefined) return answerMeta(pinned, sources, elapsedMs, gaps)
        const others = { planned: besideScans, scans: besideScans, layer: null }
        const reads = [
          { table: list.table, pinned, sources },
          { table: list.beside, pinned: beside, sources: others },
        ]
        return tablesMeta(reads, elapsedMs, gaps)
      }
      const tag = tagOf(plan, list.request.limit, gaps)
      const nothingRead = { planned, scans: [], layer: null }
      const answer = {
        encoding: options.encoding,
        fields: at.fields,
        single: false,
        complete: true,
        nextPageToken: null,
        ...(tag !== null && { tag }),
      }
      if (options.explain) {
        return { ...answer, ...(await explained(from, plan)), meta: meta(nothingRead) }
      }
      if (tag !== null && options.knownTags?.includes(tag)) {
        return { ...answer, isKnown: true, columns: null, data: RowData.of([]), meta: meta(nothingRead) }
      }
      const { rows, scans, layer, ...page } = await this.#read(from, plan)
      const position = 'hasMore' in rows && rows.hasMore ? rows.end : null
      const { version } = pinned
      const carried = list.usesWatermarks ? watermarks : NO_WATERMARKS
      return {
        ...answer,
        ...('cut' in page && page.cut && cutShort(at, page.cut)),
        columns: rows.columns,
        data: rows.data,
        nextPageToken:
          position &&
          encodePageToken({
            tableUuid,
            request,
            version,
            watermarks: carried,
            position,
            ...(beside && { beside: { tableUuid: beside.metadata.tableUuid, version: beside.version } }),
          }),
        meta: meta({ planned, scans, layer }),
      }
    })
  }

  /** The page of a list, or, without a limit, all of it. */
  async #read(from: ListReading, plan: Plan): Promise<ReadList | ReadPage> {
    const { list, at, pinned, reading, options } = from
    const { limit } = list.request
    for (const parts of at.newest?.tries ?? []) {
      // Streams of Arrow and files of Parquet are not told part by part.
      if (parts.length > 1 && !isText(options.encoding)) continue
      const page = await this.#parts.read(await planList(from, parts), from, at.newest!.rowCount)
      if (page.rows.rowCount === at.newest!.rowCount) return page
      await page.rows.data.close()
    }
    if (limit !== null) return this.#parts.read(plan, from, limit)
    const [part] = plan.parts
    assert(part !== undefined, 'a plan has a part')
    const source = await openPart(part, from, reading)
    const { scan } = source
    const slices = options.encoding === 'parquet' ? undefined : at.slices?.(scan, pinned, reading)
    const streamed = { isStreamed: true, ...(slices && { heldRows: this.#sliceRows }) }
    const need = needOf(scan, { beside: from.beside, ...(options.encoding !== 'parquet' && streamed) })
    const rows = await releasing([source], () =>
      this.#limits.rows(need, options.signal, async () =>
        slices
          ? this.#reader.all(slices, options)
          : this.#reader.whole(await source.statement(reading), options),
      ),
    )
    return { rows, scans: [scan], layer: null }
  }

  #reading(
    { request }: PagedList,
    { encoding, signal }: AnswerOptions,
    planBeside: Reading['planBeside'],
  ): Reading {
    const query = (statement: Statement) => runStatement(this.#engine, statement, signal)
    return { encoding, limit: request.limit, signal, sliceRows: this.#sliceRows, query, planBeside }
  }

  #table(name: TableName): StreamTable {
    const table = this.#tables.get(name)
    assert(table !== undefined, `there is a table ${name}`)
    return table
  }

  #meta(pinned: PinnedVersion, read: Sources, startedMs: number, gaps: OpenGaps | null): AnswerMeta {
    return answerMeta(pinned, read, this.#clock.monotonicMs() - startedMs, gaps)
  }
}

/** What is said of an answer that ends before a slice. */
function cutShort({ selection, byDay }: ListAt, cut: Cut): Pick<Answer, 'complete' | 'covered' | 'reason'> {
  const { before: slice, reason } = cut
  const { startNanos, endNanos } = selection
  const border = 'isTimeless' in slice ? null : byDay?.order === 'asc' ? slice.fromMicros : slice.toMicros
  const nanos = border === null ? null : border * 1000n
  const covered = byDay?.order === 'asc' ? { startNanos, endNanos: nanos } : { startNanos: nanos, endNanos }
  return { complete: false, covered, reason }
}
