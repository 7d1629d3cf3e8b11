import type { Key, PagePosition } from './page-token.js'

/** LIMIT clause of a page: one row more than asked for tells that there are more. Nothing when all are asked for. */
export function oneMoreThan(limit: number | null): string {
  return limit === null ? '' : `LIMIT ${limit + 1}`
}

/**
 * Where a page of rows with these keys ends, which is where the next one begins; null when it has none. `unique` tells a
 * key that only one row can have; for any other the rows already given with it are counted, those before this page included.
 */
export function pageEnd(
  keys: readonly string[],
  after: PagePosition | null,
  unique: (key: Key) => boolean,
): PagePosition | null {
  const text = keys.at(-1)
  if (text === undefined) return null
  // The statement wrote it as a JSON list of texts and nulls.
  const key = JSON.parse(text) as Key
  if (unique(key)) return { key, ties: 0 }
  let ties = 0
  while (ties < keys.length && keys[keys.length - 1 - ties] === text) ties++
  const given = ties === keys.length && after && JSON.stringify(after.key) === text ? after.ties : 0
  return { key, ties: ties + given }
}
