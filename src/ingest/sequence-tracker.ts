import { type FilledGap, QualityFlag, type SequenceGap, type SequenceRun } from '#core'
import { joinHalves, OpenRun } from './open-run.js'

/** Per instrument. The runs that began to be seen first, and then the lowest gaps of the first run, are forgotten. */
export const MAX_RUNS = 16
export const MAX_GAPS = 10_000

/** Open gaps of all instruments of a partition, which have a bound together beside each one's own. */
export class GapBudget {
  open = 0
  readonly most: number

  constructor(most = 250_000) {
    this.most = most
  }
}

/** Numbers may begin anew when there is at least this between two rows, or a session's border. */
const RESET_PAUSE_MICROS = 3_600_000_000

/** Numbers that were missing when an earlier append of the log ended, and have come since. */
export type Filled = Omit<FilledGap, 'exchange' | 'symbol'>

/** What happened since the last time these were taken. */
export interface SequenceEvents {
  /** Gaps as they were when a row revealed them, in that order. Rows since then may have filled them. */
  readonly opened: readonly SequenceGap[]
  /** In the order in which they came; neighbours that came with one append of the log are one. */
  readonly filled: readonly Filled[]
  /** Gaps forgotten because there were too many: their numbers count as if they had come. */
  readonly gapsGivenUp: number
}

export const NO_SEQUENCE_EVENTS: SequenceEvents = { opened: [], filled: [], gapsGivenUp: 0 }

/**
 * Follows the sequence numbers of one instrument through the log of one partition. What it says of a row is a function
 * of the rows before it and nothing else: `runs` is all of its state, and a tracker made of them goes on as if there
 * had been no restart.
 *
 * Exchanges begin anew at 1 each day, and old days may be loaded after new ones. So numbers are told apart by runs,
 * and a row belongs to the run that is nearest by event time: the times of two runs never overlap. That a row begins
 * a new run is a guess, made only when its time lies apart (an hour or a session's border) and its number does not
 * count on: it is less than half of the run's last one or, for a row before the run, no number that could precede it.
 */
export class SequenceTracker {
  readonly #sessionDayOf: (micros: number) => number
  /** In the order in which they began to be seen. */
  readonly #runs: OpenRun[]
  #latest: OpenRun | null = null
  /** Rows from here on belong to the latest run. */
  #latestFromMicros = Number.NEGATIVE_INFINITY
  #opened: SequenceGap[] = []
  #filled: (Filled & { from: bigint; to: bigint })[] = []
  #gapCount = 0
  #gapsGivenUp = 0
  readonly #budget: GapBudget

  /** `sessionDayOf`: the session date of an event time, in days since 1970; pure, and asked only about odd rows. */
  constructor(
    runs: readonly SequenceRun[],
    sessionDayOf: (micros: number) => number,
    budget: GapBudget = new GapBudget(),
  ) {
    this.#budget = budget
    this.#sessionDayOf = sessionDayOf
    this.#runs = runs.map((run) => new OpenRun(run))
    this.#count(this.#runs.reduce((sum, run) => sum + run.gaps.count, 0))
    this.#runsChanged()
  }

  get runs(): readonly SequenceRun[] {
    return this.#runs.map((run) => run.state)
  }

  takeEvents(): SequenceEvents {
    if (this.#opened.length === 0 && this.#filled.length === 0 && this.#gapsGivenUp === 0) {
      return NO_SEQUENCE_EVENTS
    }
    const events = { opened: this.#opened, filled: this.#filled, gapsGivenUp: this.#gapsGivenUp }
    this.#opened = []
    this.#filled = []
    this.#gapsGivenUp = 0
    return events
  }

  /** The bits of QualityFlag for a row whose numbers rise by one; the number comes as two int32, low half first. */
  observeContiguous(low: number, high: number, eventMicros: number, logMicros: number): number {
    const run = this.#runAt(eventMicros)
    if (run?.isNext(low, high)) {
      run.raise(low, high, eventMicros)
      return 0
    }
    const sequence = joinHalves(low, high)
    if (run === null || this.#isEarlierRun(run, sequence, eventMicros))
      return this.#begin(sequence, eventMicros)
    if (this.#isReset(run, sequence, eventMicros)) {
      return this.#begin(sequence, eventMicros) | QualityFlag.sequenceReset
    }
    if (sequence > run.last) {
      this.#openGap(run, run.last + 1n, sequence - 1n, eventMicros, logMicros)
      run.raise(low, high, eventMicros)
      return QualityFlag.sequenceGap
    }
    if (sequence >= run.first) return this.#fill(run, sequence, eventMicros, logMicros)
    const isAdjacent = sequence === run.first - 1n
    if (!isAdjacent) this.#openGap(run, sequence + 1n, run.first - 1n, eventMicros, logMicros)
    run.lower(sequence, eventMicros)
    return isAdjacent ? QualityFlag.outOfOrder : QualityFlag.outOfOrder | QualityFlag.sequenceGap
  }

  /** The bits for a row whose numbers never fall, but may leave others out. */
  observeMonotone(low: number, high: number, eventMicros: number): number {
    const run = this.#runAt(eventMicros)
    if (run !== null && eventMicros >= run.startMicros && !run.isBelowLast(low, high)) {
      run.raise(low, high, eventMicros)
      return 0
    }
    const sequence = joinHalves(low, high)
    if (run === null || this.#isEarlierRun(run, sequence, eventMicros))
      return this.#begin(sequence, eventMicros)
    if (this.#isReset(run, sequence, eventMicros)) {
      return this.#begin(sequence, eventMicros) | QualityFlag.sequenceReset
    }
    if (!run.isBelowLast(low, high)) {
      run.raise(low, high, eventMicros)
      return 0
    }
    if (sequence < run.first) run.lower(sequence, eventMicros)
    else run.include(eventMicros)
    return QualityFlag.outOfOrder
  }

  #runAt(eventMicros: number): OpenRun | null {
    return eventMicros < this.#latestFromMicros ? this.#nearest(eventMicros) : this.#latest
  }

  /** After the run, and so far below its end that the numbers must have begun anew. */
  #isReset(run: OpenRun, sequence: bigint, eventMicros: number): boolean {
    return (
      eventMicros > run.endMicros &&
      fallsByHalf(run.last, sequence) &&
      this.#isApart(run.endMicros, eventMicros)
    )
  }

  /** Before the run, with a number that cannot lead to it. */
  #isEarlierRun(run: OpenRun, sequence: bigint, eventMicros: number): boolean {
    return (
      eventMicros < run.startMicros &&
      (sequence >= run.first || fallsByHalf(run.first, sequence)) &&
      this.#isApart(eventMicros, run.startMicros)
    )
  }

  #isApart(fromMicros: number, toMicros: number): boolean {
    return (
      toMicros - fromMicros > RESET_PAUSE_MICROS ||
      this.#sessionDayOf(toMicros) > this.#sessionDayOf(fromMicros)
    )
  }

  #begin(sequence: bigint, eventMicros: number): number {
    this.#runs.push(OpenRun.at(sequence, eventMicros))
    if (this.#runs.length > MAX_RUNS) {
      const { count } = this.#runs.shift()!.gaps
      this.#gapsGivenUp += count
      this.#count(-count)
    }
    this.#runsChanged()
    return 0
  }

  #fill(run: OpenRun, sequence: bigint, eventMicros: number, logMicros: number): number {
    const fill = run.gaps.fill(sequence, eventMicros)
    if (fill === null) return QualityFlag.duplicateSequence
    this.#count(fill.openCount - 1)
    run.include(eventMicros)
    this.#limitGaps()
    // What one append of the log both reveals and fills, nobody could ever have missed.
    if (fill.gap.detectedMicros !== logMicros) this.#noteFilled(fill.gap, sequence, logMicros)
    return QualityFlag.outOfOrder
  }

  /** Neighbours that come with one append are one piece, which lies where the gap lay when its first number came. */
  #noteFilled(gap: SequenceGap, sequence: bigint, filledMicros: number): void {
    const last = this.#filled.at(-1)
    if (
      last?.filledMicros === filledMicros &&
      last.detectedMicros === gap.detectedMicros &&
      last.sessionDay === gap.sessionDay &&
      (last.to === sequence - 1n || last.from === sequence + 1n)
    ) {
      if (last.to < sequence) last.to = sequence
      else last.from = sequence
    } else this.#filled.push({ ...gap, from: sequence, to: sequence, filledMicros })
  }

  /** Numbers beside the run's are missing: those above its last one or below its first. */
  #openGap(run: OpenRun, from: bigint, to: bigint, eventMicros: number, detectedMicros: number): void {
    const edgeMicros = from > run.last ? run.endMicros : run.startMicros
    const gap = {
      from,
      to,
      sessionDay: this.#sessionDayOf(eventMicros),
      afterMicros: Math.min(edgeMicros, eventMicros),
      beforeMicros: Math.max(edgeMicros, eventMicros),
      detectedMicros,
    }
    run.gaps.add(gap)
    this.#opened.push(gap)
    this.#count(1)
    this.#limitGaps()
  }

  #limitGaps(): void {
    while (this.#gapCount > 0 && (this.#gapCount > MAX_GAPS || this.#budget.open > this.#budget.most)) {
      this.#runs.find((run) => run.gaps.count > 0)!.gaps.dropLowest()
      this.#gapsGivenUp++
      this.#count(-1)
    }
  }

  #count(change: number): void {
    this.#gapCount += change
    this.#budget.open += change
  }

  #nearest(eventMicros: number): OpenRun | null {
    let nearest = this.#latest
    let distance = Number.POSITIVE_INFINITY
    for (const run of this.#runs) {
      const own = run.distance(eventMicros)
      if (own > distance) continue
      nearest = run
      distance = own
    }
    return nearest
  }

  #runsChanged(): void {
    this.#latest = null
    for (const run of this.#runs) {
      if (this.#latest === null || run.startMicros > this.#latest.startMicros) this.#latest = run
    }
    // A run that is alone takes rows of any time; among others, what is before it may be another's.
    this.#latestFromMicros =
      this.#latest === null || this.#runs.length === 1 ? Number.NEGATIVE_INFINITY : this.#latest.startMicros
  }
}

/** By more than half of what it was. */
function fallsByHalf(from: bigint, to: bigint): boolean {
  return 2n * (from - to) > (from < 0n ? -from : from)
}
