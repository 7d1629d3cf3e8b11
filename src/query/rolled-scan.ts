import { dayOfMicros } from '#core'
import {
  type DayRanges,
  type PinnedVersion,
  type ReadableFile,
  type RollupDefinition,
  type RollupView,
  withoutDays,
} from '#storage'
import type { Selection } from './request.js'
import { floorMicros, NOTHING, rowFilter, type Scan } from './scan.js'
import { hull, inDays, outside, type TimeRange, within } from './time-ranges.js'

/** More stretches of time than these are chosen files for as one. */
const MAX_STRETCHES = 16

/** What is read of a version when a rollup has a part of it. Each row of the version counts in one of the scans. */
export interface RolledScan {
  /** All that is read, to be told of. */
  readonly scan: Scan
  /** Whole buckets, and of all of them the states of the rows that the rollup reflects. */
  readonly rolled: readonly TimeRange[]
  readonly states: Scan
  /** Committed rows of no such bucket. */
  readonly raw: readonly TimeRange[]
  readonly committed: Scan
  /** Of the buckets: rows that were committed since. */
  readonly since: Scan
  /** Rows of any time that the version has besides its snapshot. */
  readonly live: Scan
}

/**
 * Chooses the files of a version and of a rollup of it, where `rows` are those of the version for this selection. Null:
 * the rollup has no state of the selection.
 */
export async function planRolled(
  pinned: PinnedVersion,
  view: RollupView,
  { name, bucketSeconds }: RollupDefinition,
  selection: Selection,
  rows: Scan,
): Promise<RolledScan | null> {
  const filter = rowFilter(selection)
  const whole: TimeRange = { from: filter.startMicros ?? null, before: filter.endMicros ?? null }
  const buckets = wholeBuckets(selection, BigInt(bucketSeconds) * 1_000_000n)
  const rolled = buckets === null ? [] : inDays(buckets, withoutDays(daysOf(buckets), view.raw))
  if (rolled.length === 0) return null
  const raw = outside(whole, rolled)
  const stretches = raw.length > MAX_STRETCHES ? [hull(raw)] : raw
  const [selections, states, since] = await Promise.all([
    Promise.all(stretches.map((stretch) => pinned.select(within(filter, stretch)))),
    view.select(within(filter, hull(rolled))),
    view.selectAppended(within(filter, hull(rolled))),
  ])
  if (states.files.length === 0) return null
  const files = [...new Map(selections.flatMap((one) => one.files).map((file) => [file.path, file])).values()]
  const of = (chosen: readonly ReadableFile[]): Scan => ({ ...NOTHING, columns: rows.columns, files: chosen })
  return {
    rolled,
    raw,
    states: { ...NOTHING, columns: view.columns, files: states.files },
    committed: of(files),
    since: of(since),
    live: { ...rows, files: [] },
    scan: {
      ...rows,
      rollup: name,
      files: [...files, ...since, ...states.files],
      filesTotal: rows.filesTotal + states.filesTotal,
    },
  }
}

/** The buckets of which a selection means every row; null: none. */
function wholeBuckets({ startNanos, endNanos }: Selection, bucketMicros: bigint): TimeRange | null {
  const floor = (micros: bigint) => micros - (((micros % bucketMicros) + bucketMicros) % bucketMicros)
  // The first µs that is meant as a whole.
  const start = startNanos === null ? null : floorMicros(startNanos + 999n)
  const from = start === null ? null : floor(start + bucketMicros - 1n)
  const before = endNanos === null ? null : floor(floorMicros(endNanos))
  return from !== null && before !== null && from >= before ? null : { from, before }
}

function daysOf({ from, before }: TimeRange): DayRanges {
  const first = from === null ? Number.NEGATIVE_INFINITY : dayOfMicros(from)
  const last = before === null ? Number.POSITIVE_INFINITY : dayOfMicros(before - 1n)
  return [[first, last]]
}
