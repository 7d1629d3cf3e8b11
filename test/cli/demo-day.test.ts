import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { demoDay } from '../../src/cli/demo-day.js'
import { DemoMarket } from '../../src/cli/demo-market.js'

const SYMBOLS = 320
const EVENTS = 100_000

function day(seed: number) {
  const minutes = [...demoDay(new DemoMarket(seed, SYMBOLS), { date: '2026-03-02', eventCount: EVENTS })]
  const lines = (kind: 'trades' | 'quotes') =>
    minutes.flatMap((minute) => minute[kind].split('\n').slice(0, -1))
  return { minutes, trades: lines('trades'), quotes: lines('quotes') }
}

const { minutes, trades, quotes } = day(7)
const cells = trades.map((line) => line.split(','))

function hash(lines: readonly string[]): string {
  return createHash('sha256').update(lines.join('\n')).digest('hex')
}

test('the same seed gives the same bytes, another one does not', () => {
  const again = day(7)
  expect([hash(again.trades), hash(again.quotes)]).toEqual([hash(trades), hash(quotes)])
  expect(hash(day(8).trades)).not.toBe(hash(trades))
})

test('several hundred symbols trade, and few of them most', () => {
  const counts = new Map<string, number>()
  for (const [, symbol] of cells) counts.set(symbol!, (counts.get(symbol!) ?? 0) + 1)
  const ranked = [...counts.values()].sort((a, b) => b - a)
  expect(ranked.length).toBeGreaterThanOrEqual(300)
  const busiest = ranked.slice(0, 32).reduce((sum, count) => sum + count, 0)
  expect(busiest / trades.length).toBeGreaterThan(0.4)
  expect(ranked[0]! / trades.length).toBeLessThan(0.2)
})

test('the opening is the busiest, noon the quietest', () => {
  const sizes = minutes.map((minute) => minute.trades.length)
  const sum = (from: number, to: number) => sizes.slice(from, to).reduce((total, size) => total + size, 0)
  expect(sum(0, 10)).toBeGreaterThan(2 * sum(90, 100))
  expect(sum(175, 185)).toBeLessThan(0.7 * sum(90, 100))
  expect(sum(350, 360)).toBeGreaterThan(1.3 * sum(270, 280))
})

test('times never go back and prices are positive, in ticks, bid below ask', () => {
  const times = cells.map(([time]) => time!)
  expect(times).toEqual([...times].sort())
  const odd = cells.filter(
    ([, , price, size]) => !/^\d+\.\d{3}$/.test(price!) || !(Number(price) > 0 && Number(size) > 0),
  )
  expect(odd).toEqual([])
  const crossed = quotes
    .map((line) => line.split(','))
    .filter(([, , bid, , ask]) => Number(bid) >= Number(ask))
  expect(crossed).toEqual([])
})
