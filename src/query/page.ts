import type { Key, PagePosition } from './page-token.js'

/** LIMIT clause of a page: one row more than asked for tells that there are more. Nothing when all are asked for. */
export function oneMoreThan(limit: number | null): string {
  return limit === null ? '' : `LIMIT ${limit + 1}`
}

/**
 * Where the next page begins, of the keys of up to one row more than `limit`; null when this was the last. `unique`
 * tells a key that only one row can have; for any other the rows already given with it are counted, those before this
 * page included.
 */
export function pageEnd(
  keys: readonly string[],
  limit: number,
  after: PagePosition | null,
  unique: (key: Key) => boolean,
): PagePosition | null {
  if (keys.length <= limit) return null
  const text = keys[limit - 1]!
  // The statement wrote it as a JSON list of texts and nulls.
  const key = JSON.parse(text) as Key
  if (unique(key)) return { key, ties: 0 }
  let ties = 0
  while (ties < limit && keys[limit - 1 - ties] === text) ties++
  const given = ties === limit && after && JSON.stringify(after.key) === text ? after.ties : 0
  return { key, ties: ties + given }
}
