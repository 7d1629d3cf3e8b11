import type { PinnedVersion } from '#storage'
import { chosenRowFields } from './added-fields.js'
import type { Statement } from './answer.js'
import { Bindings } from './bindings.js'
import { SELECTION_COLUMNS, selectionConditions, whereAll } from './conditions.js'
import { columnsOf, type Encoding, encodeRow, selectList } from './field.js'
import {
  afterOrderKey,
  keyMicros,
  ORDER_COLUMNS,
  ORDER_KEY_FORM,
  orderBy,
  orderKeyText,
  tieOf,
} from './order-key.js'
import { oneMoreThan } from './page.js'
import type { Key, PagePosition } from './page-token.js'
import type { PagedList } from './paged-list.js'
import type { Reading } from './reading.js'
import type { Order, Page, RowsRequest, Selection } from './request.js'
import { relation, type Scan } from './scan.js'
import type { Slice } from './slice.js'
import { holdsKey, planSlice, sliceConditions, slicesOf } from './slices.js'

/** Trades or quotes in the total order. */
export function rowsList(request: RowsRequest): PagedList {
  return {
    name: 'rows',
    table: request.table,
    request,
    keyForm: ORDER_KEY_FORM,
    usesWatermarks: false,
    isUnique: isUniqueRowKey,
    at: (pinned, after) => ({
      fields: chosenRowFields(request.table, pinned.columns, request.fields).map(({ name }) => name),
      selection: selectionAfter(request, after),
      holdsPage: true,
      byDay: {
        order: request.order,
        mayLackTime: true,
        endBefore: (slice) => endBefore(slice, request.order),
      },
      keptBy: () => null,
      statement: ({ scan, slice }, { encoding, limit }) =>
        rowsStatement({ ...request, limit }, scan, after, encoding, slice),
      slices: (scan, pinned, reading) => rowsBySlices(request, scan, pinned, after, reading),
    }),
  }
}

/** The part of a request's selection that can hold rows after a page: fewer files to read. */
export function selectionAfter(
  request: Selection & { readonly order: Order },
  after: PagePosition | null,
): Selection {
  const micros = after && keyMicros(after.key)
  if (micros === null) return request
  const { startNanos, endNanos, order } = request
  const nanos = micros * 1000n
  if (order === 'desc') {
    const end = nanos + 1000n
    return { ...request, endNanos: endNanos !== null && endNanos < end ? endNanos : end }
  }
  // Without an end, rows without event time follow at the end of an ascending list: no start may exclude them.
  if (startNanos === null && endNanos === null) return request
  return { ...request, startNanos: startNanos !== null && startNanos > nanos ? startNanos : nanos }
}

/** One page of rows in the total order, or one slice of the list. */
function rowsStatement(
  request: RowsRequest,
  scan: Scan,
  after: PagePosition | null,
  encoding: Encoding,
  slice: Slice | null = null,
): Statement {
  const fields = chosenRowFields(request.table, scan.columns, request.fields)
  const columns = [...new Set([...columnsOf(fields), ...SELECTION_COLUMNS, ...ORDER_COLUMNS])]
  const bindings = new Bindings()
  const page = rowsPage(request, scan, columns, after, bindings, slice)
  const key = orderKeyText(tieOf(columns))
  return {
    sql: `SELECT ${encodeRow(fields, encoding)} AS row, ${key} AS key FROM (${page})`,
    parameters: bindings.values,
  }
}

/** SQL of one page of rows, those of SELECTION_COLUMNS and ORDER_COLUMNS among their columns. */
export function rowsPage(
  request: Selection & Page & { readonly order: Order },
  scan: Scan,
  columns: readonly string[],
  after: PagePosition | null,
  bindings: Bindings,
  slice: Slice | null = null,
): string {
  const tie = tieOf(columns)
  const conditions = [
    ...selectionConditions(selectionAfter(request, after), bindings),
    ...(after ? [afterOrderKey(after, request.order, tie, bindings)] : []),
    ...(slice ? sliceConditions(slice) : []),
  ]
  // Of the rows that tie with the last one of the page before, so many were in it.
  const given = after && (slice === null || holdsKey(slice, after.key)) ? after.ties : 0
  return [
    `SELECT ${selectList(columns)} FROM ${relation(scan, columns)} ${whereAll(conditions)}`,
    `ORDER BY ${orderBy(request.order, tie)} ${oneMoreThan(request.limit)} OFFSET ${given}`,
  ].join(' ')
}

/** The statements of a list in its order: one for each slice, planned when it is its turn. */
async function* rowsBySlices(
  request: RowsRequest,
  scan: Scan,
  pinned: PinnedVersion,
  after: PagePosition | null,
  reading: Reading,
): AsyncGenerator<Statement> {
  const rest = { ...request, ...selectionAfter(request, after) }
  const slices = await slicesOf(rest, scan, reading)
  if (slices === null) yield rowsStatement(request, scan, after, reading.encoding)
  for (const slice of slices ?? []) {
    const part = await planSlice(pinned, rest, slice)
    yield rowsStatement(request, part, after, reading.encoding, slice)
  }
}

/** As if a row had been there that comes before all rows of the slice, and after all others before it. */
function endBefore(slice: Slice, order: Order): PagePosition {
  const border = 'isTimeless' in slice ? null : order === 'asc' ? slice.fromMicros : slice.toMicros
  return { key: [border === null ? null : String(border), '-1', '0', '0', '0'], ties: 0 }
}

/** A row with a log position is the only one with its key. */
export function isUniqueRowKey(key: Key): boolean {
  return key.at(-1) === '0'
}
