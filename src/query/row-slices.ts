import type { PinnedVersion } from '#storage'
import type { AnswerOptions, QueryEngine, Statement } from './answer.js'
import type { PagePosition } from './page-token.js'
import type { RowsRequest } from './request.js'
import { rowsStatement, selectionAfter } from './rows.js'
import { planScan, rowFilter, type Scan } from './scan.js'
import { sliceFilter, slicesOf } from './slices.js'

/** A list of rows that is streamed: which, and from where on. */
export interface SlicedList {
  readonly request: RowsRequest
  readonly pinned: PinnedVersion
  readonly scan: Scan
  readonly after: PagePosition | null
}

/** The statements of the list, in its order: one for each slice, planned when it is its turn. */
export async function* rowsBySlices(
  { request, pinned, scan, after }: SlicedList,
  sliceRows: number,
  engine: QueryEngine,
  { encoding, signal }: AnswerOptions,
): AsyncGenerator<Statement> {
  const rest = { ...request, ...selectionAfter(request, after) }
  const slices = await slicesOf(rest, scan, engine, signal, sliceRows)
  if (slices === null) yield rowsStatement(request, scan, after, encoding)
  for (const slice of slices ?? []) {
    const part = await planScan(pinned, sliceFilter(rowFilter(rest), slice))
    yield rowsStatement(request, part, after, encoding, slice)
  }
}
