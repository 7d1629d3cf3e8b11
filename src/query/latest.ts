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
import type { NarrowerSelections, PagedList } from './paged-list.js'
import type { LatestRequest, Selection } from './request.js'
import { relation, type Scan } from './scan.js'

const WINDOW_DAYS = [1n, 8n, 64n] as const
const NANOS_PER_DAY = BigInt(MICROS_PER_DAY) * 1000n

/** The newest row of each instrument, by exchange and symbol. */
export function latestList(request: LatestRequest): PagedList {
  return {
    table: request.table,
    request,
    keyForm: INSTRUMENT_KEY_FORM,
    usesWatermarks: false,
    at: (pinned, after) => {
      const narrower = newestDays(request, pinned.watermarks)
      return {
        fields: chosenRowFields(request.table, pinned.columns, request.fields).map(({ name }) => name),
        selection: request,
        ...(narrower && { narrower }),
        statement: (scan, selection, { encoding }) =>
          latestStatement(request, selection, scan, after, encoding),
      }
    },
  }
}

/** One page of the last row of each instrument in a selection of the request's. */
function latestStatement(
  request: LatestRequest,
  selection: Selection,
  scan: Scan,
  after: PagePosition | null,
  encoding: Encoding,
): Statement {
  const fields = chosenRowFields(request.table, scan.columns, request.fields)
  const columns = [...new Set([...columnsOf(fields), ...SELECTION_COLUMNS, ...ORDER_COLUMNS])]
  const source = relation(scan, columns)
  const bindings = new Bindings()
  // A row without event time, which only a foreign engine can have written, is nobody's latest.
  const where = whereAll(['exchange_timestamp IS NOT NULL', ...selectionConditions(selection, bindings)])
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
function newestDays(
  request: LatestRequest,
  watermarks: ReadonlyMap<string, bigint>,
): NarrowerSelections | null {
  const { symbols, exchange, startNanos, endNanos, limit, pageToken } = request
  const newest = exchange === null ? undefined : watermarks.get(exchange)
  const fitsPage = symbols !== null && (limit === null || symbols.length <= limit)
  if (!fitsPage || newest === undefined || pageToken !== null) return null
  const newestNanos = newest * 1000n
  const last = endNanos !== null && endNanos < newestNanos ? endNanos : newestNanos
  const starts = WINDOW_DAYS.map((days) => last - days * NANOS_PER_DAY)
  const narrower = starts.filter((start) => startNanos === null || start > startNanos)
  const selections = narrower.map((start) => ({ ...request, startNanos: start }))
  return { selections, rowCount: symbols.length }
}
