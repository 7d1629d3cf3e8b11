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
import type { NewestParts, PagedList } from './paged-list.js'
import type { Part, PartOf } from './part.js'
import type { LatestRequest, Selection } from './request.js'
import { floorMicros, relation } from './scan.js'
import { sliceConditions } from './slices.js'

const DAY = BigInt(MICROS_PER_DAY)
/** How long before the time at which a newest row is known, or thought, to be it is looked for. */
const WINDOWS = [0n, DAY, 8n * DAY, 64n * DAY] as const
/** So many instruments are read one by one. */
const MAX_APART = 8

/** The newest row of each instrument, by exchange and symbol. */
export function latestList(request: LatestRequest): PagedList {
  return {
    name: 'latest',
    table: request.table,
    request,
    keyForm: INSTRUMENT_KEY_FORM,
    usesWatermarks: false,
    at: (pinned, after) => {
      const newest = newestParts(request, pinned)
      return {
        fields: chosenRowFields(request.table, pinned.columns, request.fields).map(({ name }) => name),
        selection: request,
        keptBy: () => null,
        ...(newest && { newest }),
        statement: (part, { encoding }) => latestStatement(request, part, after, encoding),
      }
    },
  }
}

/** One page of the last row of each instrument, or of its last row in a part. */
function latestStatement(
  request: LatestRequest,
  { scan, slice, selection = request }: Part,
  after: PagePosition | null,
  encoding: Encoding,
): Statement {
  const fields = chosenRowFields(request.table, scan.columns, request.fields)
  const columns = [...new Set([...columnsOf(fields), ...SELECTION_COLUMNS, ...ORDER_COLUMNS])]
  const source = relation(scan, columns)
  const bindings = new Bindings()
  // A row without event time, which only a foreign engine can have written, is nobody's latest.
  const where = whereAll([
    'exchange_timestamp IS NOT NULL',
    ...selectionConditions(selection, bindings),
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

/** An instrument, and the event time of its newest row as it came. */
interface Known {
  readonly exchange: string
  readonly symbol: string
  readonly micros: number
}

/**
 * Parts of the newest times, to be tried one after the other: the first that has all instruments has their latest rows,
 * so that older files need not be read. Which instruments there are is known of what came through the log. Where another
 * engine has written rows, only a list of symbols of one exchange tells when all are found: without an exchange, any
 * older file whose bounds hold a symbol may have it of an exchange that no newer row names.
 */
function newestParts(request: LatestRequest, pinned: PinnedVersion): NewestParts | null {
  const { symbols, exchange, limit, pageToken } = request
  if (pageToken !== null) return null
  const known = pinned.areInstrumentsKnown ? knownInstruments(request, pinned.instruments) : null
  const newest = exchange === null ? undefined : pinned.watermarks.get(exchange)
  if (known !== null && (limit === null || known.length <= limit)) {
    return {
      tries: [...apart(request, known), ...together(request, BigInt(oldest(known)))],
      rowCount: known.length,
    }
  }
  if (symbols === null || newest === undefined || (limit !== null && symbols.length > limit)) return null
  return { tries: together(request, newest), rowCount: symbols.length }
}

/** Those that the ledger has of a selection, in the order of the list; null: of some it does not say how new they are. */
function knownInstruments(
  { symbols, exchange }: Selection,
  instruments: ReadonlyMap<string, InstrumentState>,
): readonly Known[] | null {
  const wanted = symbols === null ? null : new Set(symbols)
  const found = new Map<string, Known>()
  for (const state of instruments.values()) {
    if (state.accepted === 0 || wanted?.has(state.symbol) === false) continue
    if (exchange !== null && exchange !== state.exchange) continue
    if (state.newestMicros === null) return null
    const key = JSON.stringify([state.exchange, state.symbol])
    const other = found.get(key)
    const micros = Math.max(state.newestMicros, other?.micros ?? state.newestMicros)
    found.set(key, { exchange: state.exchange, symbol: state.symbol, micros })
  }
  const compare = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))
  return [...found.values()].sort((a, b) => compare(a.exchange, b.exchange) || compare(a.symbol, b.symbol))
}

/** The time from which on each has a row, unless one was corrected. Of none: a time that no row has. */
function oldest(known: readonly Known[]): number {
  return known.reduce((least, { micros }) => Math.min(least, micros), Number.MAX_SAFE_INTEGER)
}

/** Each instrument from its own newest time on, where one of few has been silent for long. */
function apart(request: LatestRequest, known: readonly Known[]): readonly (readonly PartOf[])[] {
  const newest = known.reduce((most, { micros }) => Math.max(most, micros), 0)
  if (request.endNanos !== null || known.length > MAX_APART || newest - oldest(known) < MICROS_PER_DAY)
    return []
  const parts = known.map(({ exchange, symbol, micros }) => ({
    selection: { ...request, exchange, symbols: [symbol] },
    slice: { fromMicros: BigInt(micros), toMicros: null },
  }))
  return [parts]
}

/** All of them from one time on, or, the time before the end of the selection, from some time before. */
function together({ startNanos, endNanos }: Selection, micros: bigint): readonly (readonly PartOf[])[] {
  const last = endNanos !== null && floorMicros(endNanos) < micros ? floorMicros(endNanos) : micros
  return WINDOWS.map((window) => last - window)
    .filter((from) => startNanos === null || from * 1000n > startNanos)
    .filter((from) => endNanos === null || from * 1000n < endNanos)
    .map((fromMicros) => [{ slice: { fromMicros, toMicros: null } }])
}
