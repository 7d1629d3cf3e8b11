import { MICROS_PER_DAY } from '#core'
import type { PinnedVersion } from '#storage'
import type { ListAt } from './paged-list.js'
import { isEmpty, type Scan, scannedFiles } from './scan.js'
import { planSlice, type Slice, slicesAt } from './slices.js'

/** A part of an answer: the rows of a slice of its list, or of all of it. */
export interface Part {
  /** Null: the whole list. */
  readonly slice: Slice | null
  readonly scan: Scan
}

/** Stretches of days that are told apart; with more, all from the first to the last are one. */
const MAX_STRETCHES = 4

/**
 * The parts of a list, in its order: the days that have rows in the tail, and those before, between and after them, whose
 * rows are all in files and so can be kept. A part with nothing to read is left out, but for an only one.
 */
export async function partsOf(pinned: PinnedVersion, { selection, byDay }: ListAt): Promise<readonly Part[]> {
  const whole = { slice: null, scan: await planSlice(pinned, selection, null) }
  if (!byDay) return [whole]
  const borders = tailBorders(whole.scan)
  if (borders.length === 0) return [whole]
  const slices = slicesAt(borders, { ...selection, order: byDay })
  const parts = await Promise.all(
    slices.map(async (slice) => ({ slice, scan: await planSlice(pinned, selection, slice) })),
  )
  const found = parts.filter(mayHaveRows)
  // Files that are not of one day would be read for several parts.
  const files = found.reduce((sum, { scan }) => sum + scannedFiles(scan).length, 0)
  return found.length === 0 || files > scannedFiles(whole.scan).length ? [whole] : found
}

/** Rows of the tail have a time. */
function mayHaveRows({ slice, scan }: Part): boolean {
  return slice && 'isTimeless' in slice ? scannedFiles(scan).length > 0 : !isEmpty(scan)
}

/** The midnights, in µs, at which a stretch of days with rows in the tail begins or ends. */
function tailBorders({ tail }: Scan): readonly bigint[] {
  const days = [...new Set(tail.flatMap((slice) => [...slice.days]))].sort((a, b) => a - b)
  const borders = days.flatMap((day, index) => [
    ...(days[index - 1] === day - 1 ? [] : [day]),
    ...(days[index + 1] === day + 1 ? [] : [day + 1]),
  ])
  const few = borders.length > 2 * MAX_STRETCHES ? [borders[0]!, borders.at(-1)!] : borders
  return few.map((day) => BigInt(day) * BigInt(MICROS_PER_DAY))
}
