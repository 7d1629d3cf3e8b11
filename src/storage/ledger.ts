import {
  type FeedState,
  type FilledGap,
  type InstrumentState,
  instrumentKey,
  type Ledger,
  type RecordMark,
} from '#core'

/**
 * The ledger of a table while its tail grows: changes come with the rows that make them, count once those rows are
 * visible, and are handed over whole when a segment is sealed.
 */
export class TableLedger {
  readonly #lastRecords = new Map<number, RecordMark>()
  readonly #instruments = new Map<string, InstrumentState>()
  readonly #feeds = new Map<string, FeedState>()
  readonly #gapped = new Map<string, InstrumentState>()
  /** Those, as a list; null when it has to be made again. */
  #gappedList: readonly InstrumentState[] | null = null
  #acceptedRows = 0
  #filledGaps: FilledGap[] = []
  /** By exchange and symbol, the index of its newest one of these. */
  readonly #lastFilled = new Map<string, number>()
  #unpublished: Ledger[] = []
  #hasChanged = false

  /** `start` is the ledger of the newest snapshot. */
  constructor(start: Ledger) {
    this.#apply({ ...start, filledGaps: [] })
  }

  /** By `instrumentKey`, as of the visible rows. */
  get instruments(): ReadonlyMap<string, InstrumentState> {
    return this.#instruments
  }

  /** Of all instruments. */
  get acceptedRows(): number {
    return this.#acceptedRows
  }

  /** Instruments with open gaps as of the visible rows, by the order in which they got theirs. The list never changes. */
  get withOpenGaps(): readonly InstrumentState[] {
    this.#gappedList ??= [...this.#gapped.values()]
    return this.#gappedList
  }

  /** Changes that rows make which were appended, and are not visible yet. */
  append(change: Ledger): void {
    this.#unpublished.push(change)
  }

  /** All appended rows are visible. */
  publish(): void {
    for (const change of this.#unpublished) this.#apply(change)
    if (this.#unpublished.length > 0) this.#hasChanged = true
    this.#unpublished = []
  }

  /** All of it as of the visible rows; null when nothing has changed since the last time. */
  seal(): Ledger | null {
    if (!this.#hasChanged) return null
    const sealed: Ledger = {
      lastRecords: [...this.#lastRecords.values()],
      instruments: [...this.#instruments.values()],
      feeds: [...this.#feeds.values()],
      filledGaps: this.#filledGaps,
    }
    this.#filledGaps = []
    this.#lastFilled.clear()
    this.#hasChanged = false
    return sealed
  }

  /**
   * What was filled by one append of the log is one piece as far as it is in one stretch: where reads happen to end, in
   * the middle of an append, does not show.
   */
  #noteFilled(gap: FilledGap): void {
    const key = `${gap.exchange}\0${gap.symbol}`
    const at = this.#lastFilled.get(key)
    const last = at === undefined ? undefined : this.#filledGaps[at]
    if (
      at !== undefined &&
      last?.filledMicros === gap.filledMicros &&
      last.detectedMicros === gap.detectedMicros &&
      last.sessionDay === gap.sessionDay &&
      (last.to + 1n === gap.from || gap.to + 1n === last.from)
    ) {
      const isAfter = last.to < gap.from
      this.#filledGaps[at] = isAfter ? { ...last, to: gap.to } : { ...last, from: gap.from }
      return
    }
    this.#lastFilled.set(key, this.#filledGaps.push(gap) - 1)
  }

  #apply({ lastRecords, instruments, feeds, filledGaps }: Ledger): void {
    for (const mark of lastRecords) this.#lastRecords.set(mark.partition, mark)
    for (const state of instruments) {
      const key = instrumentKey(state.partition, state.exchange, state.symbol)
      this.#acceptedRows += state.accepted - (this.#instruments.get(key)?.accepted ?? 0)
      this.#instruments.set(key, state)
      if (state.runs.some((run) => run.gaps.length > 0)) this.#gapped.set(key, state)
      else if (!this.#gapped.delete(key)) continue
      this.#gappedList = null
    }
    for (const feed of feeds) this.#feeds.set(instrumentKey(feed.partition, feed.exchange, ''), feed)
    for (const gap of filledGaps) this.#noteFilled(gap)
  }
}
