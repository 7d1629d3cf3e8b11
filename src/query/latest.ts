import { MICROS_PER_DAY } from '#core'
import { sqlName, sqlString } from '#engine'
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
import type { LatestRequest } from './request.js'
import { floorMicros, relation, type Scan } from './scan.js'
import type { Slice } from './slice.js'
import { sliceConditions } from './slices.js'

const WINDOW_DAYS = [1n, 8n, 64n] as const

/** The newest row of each instrument, by exchange and symbol. */
export function latestList(request: LatestRequest): PagedList {
  return {
    name: 'latest',
    table: request.table,
    request,
    keyForm: INSTRUMENT_KEY_FORM,
    usesWatermarks: false,
    at: (pinned, after) => {
      const newest = newestDays(request, pinned.watermarks)
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

/**
 * The newest days, to be tried one after the other: the first that has all instruments has their latest rows, so that
 * older files need not be read. Only a list of symbols of one exchange tells when all are found: without an
 * exchange, any older file whose bounds hold a symbol may have it of an exchange that no newer row names. Nor is there
 * anything to try for an exchange that the log does not know: then the bounds leave out all files but foreign ones.
 */
function newestDays(request: LatestRequest, watermarks: ReadonlyMap<string, bigint>): NewestSlices | null {
  const { symbols, exchange, startNanos, endNanos, limit, pageToken } = request
  const newest = exchange === null ? undefined : watermarks.get(exchange)
  const fitsPage = symbols !== null && (limit === null || symbols.length <= limit)
  if (!fitsPage || newest === undefined || pageToken !== null) return null
  const isOver = endNanos !== null && floorMicros(endNanos) < newest
  const last = isOver ? floorMicros(endNanos) : newest
  const starts = WINDOW_DAYS.map((days) => last - days * BigInt(MICROS_PER_DAY))
  const within = starts.filter((start) => startNanos === null || start * 1000n > startNanos)
  const slices = within.map((fromMicros) => ({ fromMicros, toMicros: null }))
  return { slices, rowCount: symbols.length }
}
