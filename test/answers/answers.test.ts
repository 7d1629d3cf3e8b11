import { randomInt } from 'node:crypto'
import { expect, test } from 'vitest'
import { describeWrong, liveAndAsk } from './campaign.js'

/** `npm run check:answers` asks more, and a real Redis too. */
const SHORT = { steps: 8, clients: 0, redisUrl: null }
/** A key that does not tell what happened to its days is found out in one of the first lives. */
const MAX_SEEDS_TO_NOTICE = 20

test('rows, rollups and what is kept give what a plain model of the lake gives, byte for byte [inv 8]', async () => {
  const seed = randomInt(2 ** 31)
  console.log(`seed ${seed}`)
  const outcome = await liveAndAsk(seed, SHORT)
  expect(describeWrong(outcome)).toBe('')
  expect(outcome.pages.rows).toBeGreaterThan(0)
  // Or nothing would have been tried of them.
  expect(outcome.pages.memory + outcome.pages.rollup).toBeGreaterThan(0)
})

test('so do those who ask at once while the lake goes on, each at the version that its answer names', async () => {
  const seed = randomInt(2 ** 31)
  console.log(`seed ${seed}`)
  const outcome = await liveAndAsk(seed, { ...SHORT, steps: 3, clients: 16 })
  expect(describeWrong(outcome)).toBe('')
  expect(outcome.questions).toBeGreaterThan(16)
})

test('a kept answer whose key forgets what happened to its days is noticed', async () => {
  let wrong = ''
  for (let seed = 1; seed <= MAX_SEEDS_TO_NOTICE && wrong === ''; seed++)
    wrong = describeWrong(await liveAndAsk(seed, { ...SHORT, steps: 15, isBroken: true }))
  expect(wrong).toContain('memory, ')
})
