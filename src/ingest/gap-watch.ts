import { type Logger, type SequenceGap, TicklakeError } from '#core'
import { gapSize } from './open-gaps.js'

/** Fewer missing numbers are noted at most; more than the second are an error, at which reading may have to halt. */
const WORTH_A_WARNING = 10
const LARGE = 100

export interface RevealedGap extends Pick<SequenceGap, 'from' | 'to'> {
  readonly exchange: string
  readonly symbol: string
}

/** Tells of the gaps that were found in a batch, by the largest, and stops at large ones if it is told to. */
export class GapWatch {
  readonly #logger: Logger
  readonly #haltsAtLarge: boolean

  constructor(logger: Logger, largeGap: 'continue' | 'halt') {
    this.#logger = logger
    this.#haltsAtLarge = largeGap === 'halt'
  }

  /** So many gaps are open that these are followed no longer: their numbers count as if they had come. */
  givenUp(count: number): void {
    if (count > 0) this.#logger.warn('gaps of sequence numbers are no longer followed', { gaps: count })
  }

  /** `conflict` when a gap is so large that somebody has to look into it first. */
  revealed(gaps: readonly RevealedGap[]): void {
    if (gaps.length === 0) return
    const largest = gaps.reduce((a, b) => (gapSize(b) > gapSize(a) ? b : a))
    const size = gapSize(largest)
    const { exchange, symbol, from, to } = largest
    if (size > LARGE && this.#haltsAtLarge) {
      throw new TicklakeError(
        'conflict',
        `${size} sequence numbers of ${symbol} (${exchange}) are missing, from ${from} to ${to}, and ` +
          'quality.largeGap is halt: no row after them is taken. Set it to continue to go on without them',
      )
    }
    const level = size < WORTH_A_WARNING ? 'debug' : size <= LARGE ? 'warn' : 'error'
    this.#logger[level]('sequence numbers are missing', {
      gaps: gaps.length,
      missing: gaps.reduce((sum, gap) => sum + gapSize(gap), 0),
      largest: { exchange, symbol, from: String(from), to: String(to) },
    })
  }
}
