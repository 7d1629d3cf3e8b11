import { type InstrumentState, MICROS_PER_DAY } from '#core'
import { sqlName, sqlString } from '#engine'
import type { PinnedVersion } from '#storage'
import { chosenRowFields } from './added-fields.js'
import type { Statement } from './answer.js'
import { Bindings } from './bindings.js'
import { SELECTION_COLUMNS, selectionConditions, whereAll } from './conditions.js'
import { columnsOf, type Encoding, encodeRow, selectList } from './field.js'
import { afterInstrument, INSTRUMENT, INSTRUMENT_KEY_FORM, instrumentKeyText } from './instrument.js'
import { ORDER_COLUMNS, orderKey, tieOf } from './order-key.js'
import { oneMoreThan } from './page.js'
import type { PagePosition } from './page-token.js'
import type { NewestSlices, PagedList } from './paged-list.js'
import type { LatestRequest, Selection } from './request.js'
import { floorMicros, relation, type Scan } from './scan.js'
import type { Slice } from './slice.js'
import { sliceConditions } from './slices.js'

/** How long before the time at which a newest row is known, or thought, to be it is looked for. */
const WINDOW_DAYS = [0n, 1n, 8n, 64n] as const

/** The newest row of each instrument, by exchange and symbol. */
export function latestList(request: LatestRequest): PagedList {
  return {
    name: 'latest',
    table: request.table,
    request,
    keyForm: INSTRUMENT_KEY_FORM,
    usesWatermarks: false,
    at: (pinned, after) => {
      const newest = newestSlices(request, pinned)
      return {
        fields: chosenRowFields(request.table, pinned.columns, request.fields).map(({ name }) => name),
        selection: request,
        keptBy: () => null,
        ...(newest && { newest }),
        statement: (scan, slice, { encoding }) => latestStatement(request, scan, after, encoding, slice),
      }
    },
  }
}

/** One page of the last row of each instrument, or of its last row in a slice. */
function latestStatement(
  request: LatestRequest,
  scan: Scan,
  after: PagePosition | null,
  encoding: Encoding,
  slice: Slice | null,
): Statement {
  const fields = chosenRowFields(request.table, scan.columns, request.fields)
  const columns = [...new Set([...columnsOf(fields), ...SELECTION_COLUMNS, ...ORDER_COLUMNS])]
  const source = relation(scan, columns)
  const bindings = new Bindings()
  // A row without event time, which only a foreign engine can have written, is nobody's latest.
  const where = whereAll([
    'exchange_timestamp IS NOT NULL',
    ...selectionConditions(request, bindings),
    ...(slice ? sliceConditions(slice) : []),
  ])
  const rest = selectList(columns.filter((column) => column !== 'symbol' && column !== 'exchange'))
  const members = columns.map((column) => `${sqlString(column)}: ${sqlName(column)}`).join(', ')
  const page = [
    `SELECT exchange, symbol, arg_max({${members}}, ${orderKey(tieOf(columns))}) AS last`,
    `FROM (SELECT ${INSTRUMENT}, ${rest} FROM ${source} ${where})`,
    after ? `WHERE ${afterInstrument(after.key, bindings)}` : '',
    `GROUP BY exchange, symbol ORDER BY exchange, symbol ${oneMoreThan(request.limit)}`,
  ].join(' ')
  const row = `(SELECT unnest(last) FROM (${page}))`
  const sql = `SELECT ${encodeRow(fields, encoding)} AS row, ${instrumentKeyText()} AS key FROM ${row}`
  return { sql, parameters: bindings.values }
}

/** Instruments of which rows are sought, and the time from which on they all have one, if nothing was corrected. */
interface Sought {
  readonly count: number
  readonly micros: bigint
}

/**
 * Slices of the newest times, to be tried one after the other: the first that has all instruments has their latest rows,
 * so that older files need not be read. Which instruments there are is known of what came through the log. Where another
 * engine has written rows, only a list of symbols of one exchange tells when all are found: without an exchange, any
 * older file whose bounds hold a symbol may have it of an exchange that no newer row names.
 */
function newestSlices(request: LatestRequest, pinned: PinnedVersion): NewestSlices | null {
  const { startNanos, endNanos, limit, pageToken } = request
  if (pageToken !== null) return null
  const sought = pinned.areInstrumentsKnown
    ? knownInstruments(request, pinned.instruments)
    : listedInstruments(request, pinned.watermarks)
  if (sought === null || (limit !== null && sought.count > limit)) return null
  const isOver = endNanos !== null && floorMicros(endNanos) < sought.micros
  const last = isOver ? floorMicros(endNanos) : sought.micros
  const starts = WINDOW_DAYS.map((days) => last - days * BigInt(MICROS_PER_DAY))
  const within = starts.filter(
    (start) =>
      (startNanos === null || start * 1000n > startNanos) && (endNanos === null || start * 1000n < endNanos),
  )
  return { slices: within.map((fromMicros) => ({ fromMicros, toMicros: null })), rowCount: sought.count }
}

/** Those that the ledger has of a selection; null: of some it does not say when their newest row was. */
function knownInstruments(
  { symbols, exchange }: Selection,
  instruments: ReadonlyMap<string, InstrumentState>,
): Sought | null {
  const wanted = symbols === null ? null : new Set(symbols)
  const newest = new Map<string, number>()
  for (const state of instruments.values()) {
    if (state.accepted === 0 || wanted?.has(state.symbol) === false) continue
    if (exchange !== null && exchange !== state.exchange) continue
    if (state.newestMicros === null) return null
    const key = JSON.stringify([state.exchange, state.symbol])
    newest.set(key, Math.max(state.newestMicros, newest.get(key) ?? state.newestMicros))
  }
  return { count: newest.size, micros: BigInt(Math.min(...newest.values(), Number.MAX_SAFE_INTEGER)) }
}

/** Those that a selection lists of one exchange that the log knows; null: it does not. */
function listedInstruments(
  { symbols, exchange }: Selection,
  watermarks: ReadonlyMap<string, bigint>,
): Sought | null {
  const newest = exchange === null ? undefined : watermarks.get(exchange)
  return symbols === null || newest === undefined ? null : { count: symbols.length, micros: newest }
}
