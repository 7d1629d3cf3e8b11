import { type PriceStatistics, QualityFlag } from '#core'

/** Weights fall as those of an exponential average over about so many prices. */
const WINDOW = 1_000
const LEAST_WEIGHT = 2 / (WINDOW + 1)
/** A deviation of fewer prices says little. */
const WARM_UP = 30
const OUTLIER_DEVIATIONS = 3
/** A move by more than a tenth. */
const MOVE_DIVISOR = 10

/**
 * Mean and variance of an instrument's prices, newer ones weighing more; the first 500 weigh alike. The only place
 * where a price is a float: nothing but flags comes of it. By T. Finch, "Incremental calculation of weighted mean and
 * variance" (2009), section 9.
 */
export class RunningPriceStatistics {
  #count: number
  #mean: number
  #variance: number
  #last: number

  constructor(start: PriceStatistics | null) {
    this.#count = start?.count ?? 0
    this.#mean = start?.mean ?? 0
    this.#variance = start?.variance ?? 0
    this.#last = start?.last ?? 0
  }

  /** As of now; null before the first price. A copy made of it goes on bit for bit. */
  get state(): PriceStatistics | null {
    if (this.#count === 0) return null
    return { count: this.#count, mean: this.#mean, variance: this.#variance, last: this.#last }
  }

  /**
   * Judges a price by those before it, then takes it in, odd as it may be: a market that has moved to another level
   * must not be odd for ever. Prices are above 0, in 10^-8; NaN is none. Returns bits of QualityFlag.
   */
  observe(price: number): number {
    if (Number.isNaN(price)) return 0
    const deviation = price - this.#mean
    let flags = 0
    if (this.#count > 0 && Math.abs(price - this.#last) * MOVE_DIVISOR > this.#last)
      flags |= QualityFlag.priceMove
    if (
      this.#count >= WARM_UP &&
      this.#variance > 0 &&
      deviation * deviation > OUTLIER_DEVIATIONS * OUTLIER_DEVIATIONS * this.#variance
    ) {
      flags |= QualityFlag.priceOutlier
    }
    this.#count++
    const weight = Math.max(LEAST_WEIGHT, 1 / this.#count)
    this.#mean += weight * deviation
    this.#variance = (1 - weight) * (this.#variance + weight * deviation * deviation)
    this.#last = price
    return flags
  }
}
