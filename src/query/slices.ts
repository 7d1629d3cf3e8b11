import type { PinnedVersion, RowFilter } from '#storage'
import type { Statement } from './answer.js'
import { Bindings } from './bindings.js'
import { SELECTION_COLUMNS, selectionConditions, whereAll } from './conditions.js'
import { microsLiteral } from './order-key.js'
import type { Key } from './page-token.js'
import type { Reading } from './reading.js'
import type { Order, RowsRequest, Selection } from './request.js'
import { planScan, relation, rowFilter, rowsScanned, type Scan } from './scan.js'
import type { Slice } from './slice.js'

/** About so many rows are sorted at a time: some 120 MB of DuckDB's memory, whatever the length of the list. */
export const SLICE_ROWS = 400_000

/**
 * Cuts a list into slices of about `sliceRows` rows, in its order; null: it is one. Where the borders lie is estimated:
 * they are borders of what is sorted at a time, and which rows come is not up to them. Rows of one microsecond stay together.
 */
export async function slicesOf(
  request: RowsRequest,
  scan: Scan,
  { sliceRows, query }: Pick<Reading, 'sliceRows' | 'query'>,
): Promise<readonly Slice[] | null> {
  const count = Math.ceil(rowsScanned(scan) / sliceRows)
  if (count <= 1) return null
  const { columns } = await query(bordersStatement(request, scan, count))
  const texts = String(columns[0]?.[0] ?? '').match(/-?\d+/g) ?? []
  return slicesAt(
    [...new Set(texts)].map(BigInt).sort((a, b) => (a < b ? -1 : 1)),
    request,
  )
}

/** The slices between borders (µs, ascending), in the order of the list. */
export function slicesAt(
  borders: readonly bigint[],
  { startNanos, endNanos, order }: Selection & { readonly order: Order },
): readonly Slice[] {
  const slices: Slice[] = [null, ...borders].map((fromMicros, index) => ({
    fromMicros,
    toMicros: borders[index] ?? null,
  }))
  // With a start or an end, rows without event time are not meant. Ascending, they come last.
  if (startNanos === null && endNanos === null) slices.push({ isTimeless: true })
  return order === 'asc' ? slices : slices.reverse()
}

/** Chooses the files and tail slices that may hold rows of a slice of a selection. */
export async function planSlice(
  pinned: PinnedVersion,
  selection: Selection,
  slice: Slice | null,
): Promise<Scan> {
  const filter = rowFilter(selection)
  if (slice === null) return planScan(pinned, filter)
  const scan = await planScan(pinned, sliceFilter(filter, slice))
  return 'isTimeless' in slice ? withoutTime(scan) : scan
}

/** Only foreign engines write rows without event time; files tell how many of them they have. */
function withoutTime(scan: Scan): Scan {
  const id = scan.columns.find(({ name }) => name === 'exchange_timestamp')?.id ?? 0
  const files = scan.files.filter(({ nullValueCounts }) => nullValueCounts.get(id) !== 0)
  return { ...scan, files }
}

/** True when the slice may have rows with a key of the total order. */
export function holdsKey(slice: Slice, [micros]: Key): boolean {
  if ('isTimeless' in slice) return micros === null
  if (micros === null || micros === undefined) return false
  const time = BigInt(micros)
  const { fromMicros, toMicros } = slice
  return (fromMicros === null || time >= fromMicros) && (toMicros === null || time < toMicros)
}

function bordersStatement(request: RowsRequest, scan: Scan, count: number): Statement {
  const bindings = new Bindings()
  const shares = Array.from({ length: count - 1 }, (_, index) => (index + 1) / count)
  const where = whereAll(selectionConditions(request, bindings))
  // Estimated from a digest: exact ones would hold every time in memory.
  const borders = `approx_quantile(epoch_us(exchange_timestamp), [${shares.join(', ')}])`
  const sql = `SELECT CAST(${borders} AS VARCHAR) FROM ${relation(scan, SELECTION_COLUMNS)} ${where}`
  return { sql, parameters: bindings.values }
}

/** SQL conditions that the rows of a slice meet. */
export function sliceConditions(slice: Slice): readonly string[] {
  if ('isTimeless' in slice) return ['exchange_timestamp IS NULL']
  const { fromMicros, toMicros } = slice
  return [
    fromMicros === null
      ? 'exchange_timestamp IS NOT NULL'
      : `exchange_timestamp >= ${microsLiteral(fromMicros)}`,
    ...(toMicros === null ? [] : [`exchange_timestamp < ${microsLiteral(toMicros)}`]),
  ]
}

/** A selection, narrowed to a slice of it. Null: no times are those of rows without one. */
export function sliceSelection(selection: Selection, slice: Slice): Selection | null {
  if ('isTimeless' in slice) return null
  const nanos = (micros: bigint | null) => (micros === null ? null : micros * 1000n)
  return {
    ...selection,
    startNanos: later(selection.startNanos ?? undefined, nanos(slice.fromMicros)) ?? null,
    endNanos: earlier(selection.endNanos ?? undefined, nanos(slice.toMicros)) ?? null,
  }
}

/** The filter of a selection, narrowed to a slice of it. */
export function sliceFilter(filter: RowFilter, slice: Slice): RowFilter {
  if ('isTimeless' in slice) return filter
  const start = later(filter.startMicros, slice.fromMicros)
  const end = earlier(filter.endMicros, slice.toMicros)
  return {
    ...filter,
    ...(start !== undefined && { startMicros: start }),
    ...(end !== undefined && { endMicros: end }),
  }
}

function later(a: bigint | undefined, b: bigint | null): bigint | undefined {
  if (a === undefined || b === null) return a ?? b ?? undefined
  return a > b ? a : b
}

function earlier(a: bigint | undefined, b: bigint | null): bigint | undefined {
  if (a === undefined || b === null) return a ?? b ?? undefined
  return a < b ? a : b
}
