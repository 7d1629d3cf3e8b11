import { isDeepStrictEqual } from 'node:util'
import type { SortField } from './partition.js'
import { checkTransform } from './spec-rules.js'
import type { Column } from './types.js'

/** Refuses a sort order of columns that are not there or that its transforms do not take. */
export function checkOrder(fields: readonly SortField[], columns: readonly Column[]): void {
  for (const { sourceId, transform } of fields) {
    checkTransform(`sort field of column ${sourceId}`, transform, sourceId, columns)
  }
}

export function sameOrder(a: readonly SortField[], b: readonly SortField[]): boolean {
  return isDeepStrictEqual(a.map(bare), b.map(bare))
}

function bare({ sourceId, transform, direction, nullOrder }: SortField) {
  return { sourceId, transform, direction, nullOrder }
}
