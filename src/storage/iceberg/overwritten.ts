import type { Snapshot, Summary } from './snapshot.js'

/**
 * Summary key: the newest snapshot, the present one included, that took rows away or changed them, by UTC day (from
 * 1970-01-01), and under `all` the newest that may have done so on any other day. Appends and replaces carry it forward.
 */
export const OVERWRITTEN_KEY = 'ticklake.overwritten'

const ALL = 'all'
/** So many days are told apart; then what was overwritten counts for all of them. */
const MAX_DAYS = 100

/** The key of a snapshot with this id, on top of a parent, that overwrote rows of these days; null: of any. */
export function overwrittenBy(
  parent: Summary,
  snapshotId: bigint,
  days: ReadonlySet<number> | null,
): Summary {
  const id = String(snapshotId)
  const known = parse(parent)
  const named = days && Object.fromEntries([...days].map((day) => [day, id]))
  const next = named && { ...known, ...named }
  const isFew = next !== null && Object.keys(next).length <= MAX_DAYS
  return { [OVERWRITTEN_KEY]: JSON.stringify(isFew ? next : { [ALL]: id }) }
}

/** The id of the snapshot that overwrote rows of a day last, as a snapshot's summary says; empty: none did. */
export function overwriteOf(summary: Summary): (day: number) => string {
  const known = parse(summary)
  return (day) => `${known[ALL] ?? ''}/${known[day] ?? ''}`
}

/** Whether a snapshot of another engine left the rows as they were, but for those that it added. */
export function onlyAdds({ summary }: Snapshot): boolean {
  if (summary.operation === 'replace') return true
  return (
    summary.operation === 'append' &&
    !counts(summary, 'deleted-data-files') &&
    !counts(summary, 'added-delete-files')
  )
}

function counts(summary: Summary, key: string): boolean {
  return (summary[key] ?? '0') !== '0'
}

function parse(summary: Summary): Readonly<Record<string, string>> {
  // Written by this file alone: what foreign snapshots bring of our keys is replaced by their parents'.
  return JSON.parse(summary[OVERWRITTEN_KEY] ?? '{}') as Readonly<Record<string, string>>
}
