import { Fields, formatJson, parseJson } from './json.js'
import type { Snapshot, Summary } from './snapshot.js'

/**
 * Summary key: by UTC day (from 1970-01-01), the sequence number of the newest snapshot that took rows of it away, or
 * changed them, and left no newer file of the day to tell of it; under `any`, of one that may have done so on any day.
 */
export const OVERWRITTEN_KEY = 'ticklake.overwritten'

const ANY = 'any'
/** So many days are told apart: summaries stay small. What is beyond counts for all of them. */
const MAX_DAYS = 100

export interface Overwritten {
  readonly any: number
  readonly days: ReadonlyMap<number, number>
}

/** Of a snapshot, or of none at all. One that does not say may have overwritten anything. */
export function overwrittenAt(snapshot: Snapshot | null): Overwritten {
  if (snapshot === null) return { any: 0, days: new Map() }
  const text = snapshot.summary[OVERWRITTEN_KEY]
  if (text === undefined) return { any: snapshot.sequenceNumber, days: new Map() }
  const path = `snapshot ${snapshot.snapshotId}: ${OVERWRITTEN_KEY}`
  const from = new Fields(parseJson(text, path), path)
  const days = from.keys().filter((key) => key !== ANY)
  return {
    any: from.optional(ANY, from.integer, 0),
    days: new Map(days.map((day) => [Number(day), from.integer(day)])),
  }
}

/** The key of a snapshot on top of a parent that overwrote rows of these days, or, null, of any. */
export function overwrittenBy(
  parent: Snapshot | null,
  sequenceNumber: number,
  days: ReadonlySet<number> | null,
): Summary {
  const known = overwrittenAt(parent)
  const all = new Map([...known.days, ...[...(days ?? [])].map((day) => [day, sequenceNumber] as const)])
  const isAny = days === null || all.size > MAX_DAYS
  const any = isAny ? sequenceNumber : known.any
  const text = formatJson({
    ...(any === 0 ? {} : { [ANY]: any }),
    ...(isAny ? {} : Object.fromEntries(all)),
  })
  return { [OVERWRITTEN_KEY]: text }
}
