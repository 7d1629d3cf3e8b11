import { MICROS_PER_DAY } from '#core'
import type { PinnedVersion } from '#storage'
import { estimateOf } from './estimate.js'
import type { ListReading } from './list-reading.js'
import { sourced } from './open-part.js'
import type { ByDay } from './paged-list.js'
import type { Part } from './part.js'
import type { Selection } from './request.js'
import { isEmpty, rowFilter, rowsScanned, type Scan, scannedFiles } from './scan.js'
import { planSlice, slicesAt } from './slices.js'

/** Stretches of days that are told apart; with more, all from the first to the last are one. */
const MAX_STRETCHES = 4

/** So many times the rows of a page are expected where it is to be filled: a symbol may have fewer than others. */
const AMPLE = 4

/** About how long one part takes of a list that takes longer, and how many parts there are at most. */
const LARGE_PART_MS = 500
const MAX_LARGE_PARTS = 16

/**
 * The parts of a list, in its order: the days that have rows in the tail, and those before, between and after them, whose
 * rows are all in files and so can be kept. A part with nothing to read is left out, but for an only one.
 */
export async function partsOf(from: ListReading): Promise<readonly Part[]> {
  const { pinned, at } = from
  const { selection, byDay } = at
  const whole = { slice: null, scan: await planSlice(pinned, selection, null) }
  if (!byDay) return [whole]
  const days = [
    ...tailBorders(whole.scan),
    ...(await earlyBorder(from, byDay, whole)),
    ...(await largeBorders(from, whole)),
  ]
  if (days.length === 0) return [whole]
  const borders = [...new Set(days)].sort((a, b) => a - b).map(midnight)
  const all = slicesAt(borders, { ...selection, order: byDay.order })
  const slices = byDay.mayLackTime ? all : all.filter((slice) => !('isTimeless' in slice))
  const parts = await Promise.all(
    slices.map(async (slice) => ({ slice, scan: await planSlice(pinned, selection, slice) })),
  )
  const found = parts.filter(({ scan }) => !isEmpty(scan))
  // Files that are not of one day would be read for several parts.
  const files = found.reduce((sum, { scan }) => sum + scannedFiles(scan).length, 0)
  return found.length === 0 || files > scannedFiles(whole.scan).length ? [whole] : found
}

/** The days that begin a stretch of such with rows in the tail, or follow it. */
function tailBorders({ tail }: Scan): readonly number[] {
  const days = [...new Set(tail.flatMap((slice) => [...slice.days]))].sort((a, b) => a - b)
  const borders = days.flatMap((day, index) => [
    ...(days[index - 1] === day - 1 ? [] : [day]),
    ...(days[index + 1] === day + 1 ? [] : [day + 1]),
  ])
  return borders.length > 2 * MAX_STRETCHES ? [borders[0]!, borders.at(-1)!] : borders
}

/** The day up to which, in the order of a list, there probably are enough rows for the page: no further day is read then. */
async function earlyBorder(
  { pinned, at, reading }: ListReading,
  { order }: ByDay,
  { scan: whole }: Part,
): Promise<readonly number[]> {
  const { limit } = reading
  if (!at.holdsPage || limit === null || scannedFiles(whole).length <= 1) return []
  const days = await daysOf(pinned, at.selection)
  for (let count = 1; count < days.length; count *= 4) {
    const border = (order === 'asc' ? days[count] : days.at(-count))!
    const micros = midnight(border)
    const slice =
      order === 'asc' ? { fromMicros: null, toMicros: micros } : { fromMicros: micros, toMicros: null }
    const scan = await planSlice(pinned, at.selection, slice)
    if (rowsScanned(scan) * scan.symbolShare >= AMPLE * limit) return [border]
  }
  return []
}

/**
 * Days that cut what takes long: a page that is full early needs no more of it, and what was read in time can be given.
 * What something derived has is not cut for what its rows would take.
 */
async function largeBorders(from: ListReading, whole: Part): Promise<readonly number[]> {
  if (partsFor(whole) <= 1) return []
  const count = partsFor(await sourced(whole, from))
  if (count <= 1) return []
  const days = await daysOf(from.pinned, from.at.selection)
  const size = Math.ceil(days.length / count)
  return days.filter((_, index) => index > 0 && index % size === 0)
}

/** The days of which there are files, ascending. */
async function daysOf(pinned: PinnedVersion, selection: Selection): Promise<readonly number[]> {
  const { days } = await pinned.dayStamps(rowFilter(selection))
  return [...days.keys()].sort((a, b) => a - b)
}

function midnight(day: number): bigint {
  return BigInt(day) * BigInt(MICROS_PER_DAY)
}

function partsFor({ scan }: Part): number {
  return Math.min(MAX_LARGE_PARTS, Math.ceil(estimateOf(scan).predictedMs / LARGE_PART_MS))
}
