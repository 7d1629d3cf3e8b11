import type { InstrumentState, QuarantineReason } from '#core'

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
  accepted: number
  duplicates: number
  readonly #refused: Partial<Record<QuarantineReason, number>>

  constructor(feed: Feed, start: InstrumentState) {
    this.partition = start.partition
    this.exchange = start.exchange
    this.symbol = start.symbol
    this.feed = feed
    this.accepted = start.accepted
    this.duplicates = start.duplicates
    this.#refused = { ...start.refused }
  }

  refuse(reason: QuarantineReason): void {
    this.#refused[reason] = (this.#refused[reason] ?? 0) + 1
  }

  state(): InstrumentState {
    const { partition, exchange, symbol, accepted, duplicates } = this
    return {
      partition,
      exchange,
      symbol,
      accepted,
      duplicates,
      refused: { ...this.#refused },
      prices: null,
      runs: [],
    }
  }
}
