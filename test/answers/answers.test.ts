import { randomInt } from 'node:crypto'
import { expect, test } from 'vitest'
import { describeWrong, liveAndAsk } from './campaign.js'

/** `npm run check:answers` asks more, and a real Redis too; `-- --break-stamps` shows that a stale answer is noticed. */
const SHORT = { steps: 5, clients: 0, redisUrl: null }

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
  const outcome = await liveAndAsk(seed, { ...SHORT, clients: 16, maxQuestions: 48 })
  expect(describeWrong(outcome)).toBe('')
  expect(outcome.questions).toBeGreaterThan(16)
})
