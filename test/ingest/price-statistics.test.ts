import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type PriceStatistics, QualityFlag } from '#core'
import { RunningPriceStatistics } from '../../src/ingest/price-statistics.js'

const { priceMove, priceOutlier } = QualityFlag

/** Prices of that many rows, by turns one below and one above a level of 1000: their variance is 1. */
function seesaw(count: number): number[] {
  return Array.from({ length: count }, (_, index) => (index % 2 === 0 ? 999 : 1001))
}

function flagsOf(statistics: RunningPriceStatistics, prices: readonly number[]): number[] {
  return prices.map((price) => statistics.observe(price))
}

function after(prices: readonly number[]): RunningPriceStatistics {
  const statistics = new RunningPriceStatistics(null)
  flagsOf(statistics, prices)
  return statistics
}

test('an outlier lies more than three deviations from the mean of at least 30 prices', () => {
  expect(after(seesaw(30)).state).toMatchObject({ count: 30, last: 1001 })
  expect(after(seesaw(30)).observe(1003.1)).toBe(priceOutlier)
  expect(after(seesaw(30)).observe(996.9)).toBe(priceOutlier)
  expect(after(seesaw(30)).observe(1002.9)).toBe(0)
  expect(after(seesaw(28)).observe(1003.1)).toBe(0)
})

test('where prices have not varied, there are no outliers', () => {
  expect(after(new Array(50).fill(1000)).observe(1050)).toBe(0)
})

test('a new level is odd at first, and then the level', () => {
  const flags = flagsOf(after(seesaw(400)), new Array(400).fill(1010))
  expect(flags[0]).toBe(priceOutlier)
  const firstUsual = flags.indexOf(0)
  expect(firstUsual).toBeGreaterThan(5)
  expect(flags.slice(firstUsual).every((flag) => flag === 0)).toBe(true)
})

test.each([
  [100_000_000, 110_000_000, 0],
  [100_000_000, 110_000_001, priceMove],
  [100_000_000, 90_000_000, 0],
  [100_000_000, 89_999_999, priceMove],
  [1, 2, priceMove],
])('from %s to %s is a move of more than a tenth: %s', (before, price, flags) => {
  expect(after([before]).observe(price)).toBe(flags)
})

test('a move is one from the price before, not from the first', () => {
  expect(flagsOf(new RunningPriceStatistics(null), [100, 109, 118, 100])).toEqual([0, 0, 0, priceMove])
})

test('a row without a price changes nothing', () => {
  const statistics = new RunningPriceStatistics(null)
  expect(statistics.observe(Number.NaN)).toBe(0)
  expect(statistics.state).toBeNull()
  flagsOf(statistics, [100, Number.NaN, 101])
  expect(statistics.state).toMatchObject({ count: 2, last: 101 })
})

/** The obvious way: every price with its weight. */
function obvious(prices: readonly number[]): Pick<PriceStatistics, 'mean' | 'variance'> {
  let weights: number[] = []
  prices.forEach((_, index) => {
    const newest = Math.max(2 / 1001, 1 / (index + 1))
    weights = [...weights.map((weight) => weight * (1 - newest)), newest]
  })
  const mean = prices.reduce((sum, price, index) => sum + weights[index]! * price, 0)
  const variance = prices.reduce((sum, price, index) => sum + weights[index]! * (price - mean) ** 2, 0)
  return { mean, variance }
}

const price = fc.integer({ min: 1, max: 10 ** 12 })

test('mean and variance are those of all prices by their weights (a failure prints its seed)', () => {
  const property = fc.property(fc.array(price, { minLength: 1, maxLength: 700, size: 'max' }), (prices) => {
    const state = after(prices).state!
    const { mean, variance } = obvious(prices)
    expect(Math.abs(state.mean - mean)).toBeLessThanOrEqual(mean * 1e-9)
    expect(Math.abs(state.variance - variance)).toBeLessThanOrEqual(mean * mean * 1e-9)
  })
  fc.assert(property, { numRuns: 30, verbose: true })
})

test('a copy made of a stored state goes on bit for bit (a failure prints its seed) [inv 15]', () => {
  const property = fc.property(fc.array(price, { maxLength: 200, size: 'max' }), fc.nat(), (prices, cut) => {
    const middle = cut % (prices.length + 1)
    const whole = after(prices.slice(0, middle))
    // As the ledger stores it.
    const stored: PriceStatistics | null = JSON.parse(JSON.stringify(whole.state))
    const restored = new RunningPriceStatistics(stored)
    expect(flagsOf(restored, prices.slice(middle))).toEqual(flagsOf(whole, prices.slice(middle)))
    expect(restored.state).toEqual(whole.state)
  })
  fc.assert(property, { numRuns: 200, verbose: true })
})
