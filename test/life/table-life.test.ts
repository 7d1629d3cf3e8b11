import { randomInt } from 'node:crypto'
import { expect, test } from 'vitest'
import { describeLife, type LifeOutcome, liveThrough } from './campaign.js'

/** `npm run check:life` lives through as many as there is time for. */
const NEW_SEEDS = 6
const STEPS = 25
/** A reader that is not heard of is robbed in one of the first lives. */
const MAX_SEEDS_TO_NOTICE = 30

const range = (from: number, count: number) => Array.from({ length: count }, (_, index) => from + index)
const problemsOf = (lives: readonly LifeOutcome[]) =>
  lives.filter(({ problem }) => problem !== null).map(describeLife)

test('whatever is done to a table, each version holds the rows that it held [inv 4]', async () => {
  const from = randomInt(2 ** 31 - NEW_SEEDS)
  console.log(`seeds from ${from}`)
  const lives = await liveThrough({ seeds: range(from, NEW_SEEDS), steps: STEPS })
  expect(problemsOf(lives)).toEqual([])
  expect(lives).toHaveLength(NEW_SEEDS)
  // Or nothing would have been tried of the stamps of days.
  const total = (of: (counts: LifeOutcome['stamps']) => number) =>
    lives.reduce((sum, { stamps }) => sum + of(stamps), 0)
  expect(total(({ met }) => met)).toBeGreaterThan(NEW_SEEDS)
  expect(total(({ kept }) => kept)).toBeGreaterThan(NEW_SEEDS)
})

test('it is noticed when expiry does not hear of readers', async () => {
  const lives = await liveThrough({
    seeds: range(1, MAX_SEEDS_TO_NOTICE),
    steps: STEPS,
    broken: 'holds',
    onLife: ({ problem }) => problem === null,
  })
  expect(problemsOf(lives)).toEqual([expect.stringContaining('what a reader has pinned cannot be read')])
})

test('it is noticed when the stamps of days forget what took rows away', async () => {
  const lives = await liveThrough({
    seeds: range(1, MAX_SEEDS_TO_NOTICE),
    steps: STEPS,
    broken: 'stamps',
    onLife: ({ problem }) => problem === null,
  })
  expect(problemsOf(lives)).toEqual([expect.stringContaining('now stands for')])
})
