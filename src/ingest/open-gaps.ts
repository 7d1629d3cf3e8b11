import type { SequenceGap } from '#core'

/** What remains of a gap once a number of it has come, and the piece that came. */
export interface Fill {
  readonly gap: SequenceGap
  /** Pieces that stay open: none, one or two. */
  readonly openCount: number
}

/**
 * The missing numbers of one run, as gaps in ascending order, none adjacent to another. Gaps do not change: one that
 * is filled in part makes way for what is left of it, so that a list once handed out may be kept.
 */
export class OpenGaps {
  #gaps: SequenceGap[]
  /** Whether somebody outside holds the array itself. */
  #isShared = false

  constructor(gaps: readonly SequenceGap[]) {
    this.#gaps = [...gaps]
  }

  get count(): number {
    return this.#gaps.length
  }

  /** As of now; later changes do not show. */
  list(): readonly SequenceGap[] {
    this.#isShared = true
    return this.#gaps
  }

  /** A gap above or below all others. */
  add(gap: SequenceGap): void {
    const gaps = this.#own()
    if (gaps.length > 0 && gap.to < gaps[0]!.from) gaps.unshift(gap)
    else gaps.push(gap)
  }

  /** Forgets the lowest gap, as if its numbers had come. */
  dropLowest(): void {
    this.#own().shift()
  }

  /** The number came, with a row of that event time. Null when no gap has it. */
  fill(sequence: bigint, eventMicros: number): Fill | null {
    const index = this.#firstReaching(sequence)
    const gap = this.#gaps[index]
    if (gap === undefined || gap.from > sequence) return null
    const open: SequenceGap[] = []
    // Numbers mostly rise with time, so the row that came tells more closely when the rest happened.
    const cutMicros = Math.min(Math.max(eventMicros, gap.afterMicros), gap.beforeMicros)
    if (gap.from < sequence) open.push({ ...gap, to: sequence - 1n, beforeMicros: cutMicros })
    if (sequence < gap.to) open.push({ ...gap, from: sequence + 1n, afterMicros: cutMicros })
    const gaps = this.#own()
    if (open.length === 1) gaps[index] = open[0]!
    else gaps.splice(index, 1, ...open)
    return { gap, openCount: open.length }
  }

  /** Index of the lowest gap that does not end below the number. */
  #firstReaching(sequence: bigint): number {
    let low = 0
    let high = this.#gaps.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#gaps[middle]!.to < sequence) low = middle + 1
      else high = middle
    }
    return low
  }

  #own(): SequenceGap[] {
    if (this.#isShared) {
      this.#gaps = [...this.#gaps]
      this.#isShared = false
    }
    return this.#gaps
  }
}

/** How many numbers are missing; beyond 2^53 only roughly. */
export function gapSize({ from, to }: Pick<SequenceGap, 'from' | 'to'>): number {
  return Number(to - from + 1n)
}
