import type { QueryResult } from '#engine'
import { type RowsPage, textColumn } from './answer.js'
import type { Key, PagePosition } from './page-token.js'

/**
 * Cuts a result of (row, key) that holds up to one row more than `limit`. `unique` tells a key that only one row can
 * have; for any other the rows already given with it are counted, those before this page included.
 */
export function cutPage(
  result: QueryResult,
  limit: number,
  after: PagePosition | null,
  unique: (key: Key) => boolean,
): RowsPage {
  const rows = textColumn(result, 0)
  if (rows.length <= limit) return { rows, last: null }
  const keys = textColumn(result, 1).slice(0, limit)
  const text = keys[limit - 1]!
  // The statement wrote it as a JSON list of texts and nulls.
  const key = JSON.parse(text) as Key
  if (unique(key)) return { rows: rows.slice(0, limit), last: { key, ties: 0 } }
  let ties = 0
  while (ties < limit && keys[limit - 1 - ties] === text) ties++
  const given = ties === limit && after && JSON.stringify(after.key) === text ? after.ties : 0
  return { rows: rows.slice(0, limit), last: { key, ties: ties + given } }
}
