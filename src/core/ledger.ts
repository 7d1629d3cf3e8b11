import type { QuarantineReason } from './quality.js'

/**
 * What a prefix of the log tells beyond its rows: each snapshot names a file of it, so that whoever reads on after a
 * restart judges the next rows as if nothing had happened. It is a function of the log alone, partition by partition.
 * Sequence numbers are 64 bits wide; times are µs since 1970 UTC, exact as numbers.
 */
export interface Ledger {
  /** The newest record of each partition: whoever finds another one there reads another log. */
  readonly lastRecords: readonly RecordMark[]
  readonly instruments: readonly InstrumentState[]
  readonly feeds: readonly FeedState[]
  /** Gaps that were filled since the ledger before this one. */
  readonly filledGaps: readonly FilledGap[]
}

export interface RecordMark {
  readonly partition: number
  readonly offset: number
  /** `recordChecksum` of the log. */
  readonly checksum: string
}

/** One exchange in one partition. */
export interface FeedState {
  readonly partition: number
  readonly exchange: string
  /** Newest event time. */
  readonly newestMicros: number
}

/** Followed of one partition, far more than any exchange lists: what lies beyond is taken without being followed. */
export const MAX_INSTRUMENTS = 100_000

/** One instrument of one table in one partition; it is in one only, unless a producer's keys are no symbols. */
export interface InstrumentState {
  readonly partition: number
  readonly exchange: string
  readonly symbol: string
  readonly accepted: number
  /** Event time of the newest of the accepted rows, as they came; null: there is none, or it was not noted. */
  readonly newestMicros: number | null
  /** Records dropped because their message id came before. */
  readonly duplicates: number
  /** Records that went to quarantine although they could be read. */
  readonly refused: Readonly<Partial<Record<QuarantineReason, number>>>
  readonly prices: PriceStatistics | null
  /** Stretches of sequence numbers that count on from each other, in the order in which they began to be seen. */
  readonly runs: readonly SequenceRun[]
}

/** Weighted exponentially, newer prices more. Statistics only: floating-point, in units of 10^-8. */
export interface PriceStatistics {
  readonly count: number
  readonly mean: number
  readonly variance: number
  readonly last: number
}

export interface SequenceRun {
  readonly first: bigint
  readonly last: bigint
  /** Event times of its rows lie between these. */
  readonly startMicros: number
  readonly endMicros: number
  /** Numbers between first and last that have not come, in ascending order, none adjacent to another. */
  readonly gaps: readonly SequenceGap[]
}

/** Missing numbers [from, to]. */
export interface SequenceGap {
  readonly from: bigint
  readonly to: bigint
  /** Session date, in days since 1970, of the row that revealed it. */
  readonly sessionDay: number
  /** Event times of the rows between which it was found. */
  readonly afterMicros: number
  readonly beforeMicros: number
  /** When the log took the row that revealed it. */
  readonly detectedMicros: number
}

/** Numbers [from, to] of a gap that have come. What is left of it are gaps of their own. */
export interface FilledGap extends SequenceGap {
  readonly exchange: string
  readonly symbol: string
  /** When the log took the rows that filled it. */
  readonly filledMicros: number
}

export const EMPTY_LEDGER: Ledger = { lastRecords: [], instruments: [], feeds: [], filledGaps: [] }

/** Names and numbers come from outside; NUL is in none of them. */
export function instrumentKey(partition: number, exchange: string, symbol: string): string {
  return `${partition}\0${exchange}\0${symbol}`
}
