import { currentSnapshot, type TableMetadata } from '../iceberg/metadata.js'
import type { Summary } from '../iceberg/snapshot.js'
import { type DayRanges, formatRanges, parseRanges } from './day-ranges.js'

/**
 * Which rows of its source a rollup holds the states of: all of this snapshot, but for those of some days, which are read
 * from the source itself. It is in the summary of each of its snapshots, committed with their rows.
 */
export interface RollupState {
  readonly source: bigint
  /** Days whose states are missing or out of date: they are computed anew, from the rows of the source. */
  readonly pending: DayRanges
  /** Days whose states were found to be wrong, or do not fit: nothing is done for them until somebody asks. */
  readonly quarantined: DayRanges
}

export const SOURCE_KEY = 'ticklake.source'
const PENDING_KEY = 'ticklake.pending-days'
const QUARANTINED_KEY = 'ticklake.quarantined-days'

/** Null: it has not begun. */
export function stateIn(summary: Summary): RollupState | null {
  const source = summary[SOURCE_KEY]
  if (source === undefined) return null
  return {
    source: BigInt(source),
    pending: parseRanges(summary[PENDING_KEY] ?? '[]'),
    quarantined: parseRanges(summary[QUARANTINED_KEY] ?? '[]'),
  }
}

export function currentState(metadata: TableMetadata): RollupState | null {
  return stateIn(currentSnapshot(metadata)?.summary ?? {})
}

export function stateSummary({ source, pending, quarantined }: RollupState): Summary {
  return {
    [SOURCE_KEY]: String(source),
    [PENDING_KEY]: formatRanges(pending),
    [QUARANTINED_KEY]: formatRanges(quarantined),
  }
}

export function sameState(a: RollupState | null, b: RollupState | null): boolean {
  return JSON.stringify(a && stateSummary(a)) === JSON.stringify(b && stateSummary(b))
}
