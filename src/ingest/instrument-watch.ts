import type { FilledGap, InstrumentState, QuarantineReason } from '#core'
import type { RevealedGap } from './gap-watch.js'
import { RunningPriceStatistics } from './price-statistics.js'
import { type GapBudget, SequenceTracker } from './sequence-tracker.js'

/** One exchange in one partition. */
export interface Feed {
  readonly partition: number
  readonly exchange: string
  newestMicros: number
}

/** What the inspector keeps of one instrument in one partition. */
export class InstrumentWatch {
  readonly partition: number
  readonly exchange: string
  readonly symbol: string
  readonly feed: Feed
  readonly prices: RunningPriceStatistics
  readonly sequence: SequenceTracker
  accepted: number
  /** Of the accepted rows; null: as of the instrument's state. */
  newestMicros: number | null
  duplicates: number
  /** Since `state` was last taken. */
  hasChanged = false
  readonly #refused: Partial<Record<QuarantineReason, number>>

  /** `sessionDayOf`: the session date of an event time (µs), in days since 1970. */
  constructor(feed: Feed, start: InstrumentState, sessionDayOf: (micros: number) => number, gaps: GapBudget) {
    this.partition = start.partition
    this.exchange = start.exchange
    this.symbol = start.symbol
    this.feed = feed
    this.prices = new RunningPriceStatistics(start.prices)
    this.sequence = new SequenceTracker(start.runs, sessionDayOf, gaps)
    this.accepted = start.accepted
    this.newestMicros = start.newestMicros
    this.duplicates = start.duplicates
    this.#refused = { ...start.refused }
  }

  /** Of the row's event time. */
  accept(micros: number): void {
    this.accepted++
    if (this.newestMicros === null || micros > this.newestMicros) this.newestMicros = micros
  }

  refuse(reason: QuarantineReason): void {
    this.#refused[reason] = (this.#refused[reason] ?? 0) + 1
  }

  /** Gaps that were revealed, filled and given up since the last time. */
  takeGaps(): {
    readonly revealed: readonly RevealedGap[]
    readonly filled: readonly FilledGap[]
    readonly givenUp: number
  } {
    const { exchange, symbol } = this
    const { opened, filled, gapsGivenUp: givenUp } = this.sequence.takeEvents()
    return {
      givenUp,
      revealed: opened.map((gap) => ({ ...gap, exchange, symbol })),
      filled: filled.map((gap) => ({ ...gap, exchange, symbol })),
    }
  }

  /** As of now. */
  state(): InstrumentState {
    this.hasChanged = false
    const { partition, exchange, symbol, accepted, newestMicros, duplicates } = this
    return {
      partition,
      exchange,
      symbol,
      accepted,
      newestMicros,
      duplicates,
      refused: { ...this.#refused },
      prices: this.prices.state,
      runs: this.sequence.runs,
    }
  }
}
