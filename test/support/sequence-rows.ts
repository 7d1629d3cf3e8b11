import { MICROS_PER_DAY, type SequenceGap, type SequenceRun } from '#core'
import { SequenceTracker } from '../../src/ingest/sequence-tracker.js'

/** 10:00 of a day in 2024; sessions of these rows are UTC days. */
export const OPEN_MICROS = 19_800 * MICROS_PER_DAY + 36_000_000_000

/** What a tracker is told of a row. */
export interface SequenceRow {
  readonly sequence: bigint
  readonly eventMicros: number
  readonly logMicros: number
  /** Its number is one that never falls, rather than one that rises by one. */
  readonly isMonotone?: boolean
}

export function newTracker(runs: readonly SequenceRun[] = []): SequenceTracker {
  return new SequenceTracker(runs, (micros) => Math.floor(micros / MICROS_PER_DAY))
}

export function observe(tracker: SequenceTracker, row: SequenceRow): number {
  const { sequence, eventMicros, logMicros, isMonotone } = row
  const low = Number(BigInt.asIntN(32, sequence))
  const high = Number(sequence >> 32n)
  return isMonotone
    ? tracker.observeMonotone(low, high, eventMicros)
    : tracker.observeContiguous(low, high, eventMicros, logMicros)
}

export function flagsOf(tracker: SequenceTracker, rows: readonly SequenceRow[]): number[] {
  return rows.map((row) => observe(tracker, row))
}

/** Gaps as text. */
export function ranges(gaps: readonly Pick<SequenceGap, 'from' | 'to'>[]): string[] {
  return gaps.map(({ from, to }) => `${from}–${to}`)
}
