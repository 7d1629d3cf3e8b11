import type { Snapshot, Summary } from './snapshot.js'

/** Summary key, carried forward until another engine commits: ticklake has written every row of the snapshot. */
export const OWN_ROWS_KEY = 'ticklake.own-rows'

/** Of a table's first snapshot, if ticklake makes it. */
export const OWN_ROWS: Summary = { [OWN_ROWS_KEY]: 'true' }

/** True when no other engine can have written rows of a snapshot. Null: there is none, and no row. */
export function hasOwnRowsOnly(snapshot: Snapshot | null): boolean {
  return snapshot === null || snapshot.summary[OWN_ROWS_KEY] === 'true'
}
