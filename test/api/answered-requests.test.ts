import { expect, test } from 'vitest'
import { AnsweredRequests } from '../../src/api/answered-requests.js'

const REQUEST = ['POST', '/x', '{}']

function counting(answered: AnsweredRequests<{ text: string }>) {
  let made = 0
  const ask = (key: string, text: string) =>
    answered.answer(key, REQUEST, async () => {
      made++
      return { text }
    })
  return { ask, made: () => made }
}

test('the newest thousand answers are remembered', async () => {
  const { ask, made } = counting(new AnsweredRequests())
  for (let key = 0; key < 1_001; key++) await ask(`k${key}`, 'done')
  await ask('k1', 'done')
  expect(made()).toBe(1_001)
  await ask('k0', 'done')
  expect(made()).toBe(1_002)
})

test('so are 16 MiB of them, and a longer one not at all', async () => {
  const { ask, made } = counting(new AnsweredRequests())
  const half = 'x'.repeat(8 * 1024 * 1024)
  for (const key of ['a', 'b', 'c']) await ask(key, half)
  await ask('b', half)
  await ask('c', half)
  expect(made()).toBe(3)
  await ask('a', half)
  expect(made()).toBe(4)
  await ask('long', half + half + half)
  await ask('long', half)
  expect(made()).toBe(6)
})

test('one that made room for others while it was under way takes none afterwards', async () => {
  const answered = new AnsweredRequests<{ text: string }>()
  let finish: (answer: { text: string }) => void = () => {}
  const slow = answered.answer('slow', REQUEST, () => new Promise((resolve) => (finish = resolve)))
  const { ask, made } = counting(answered)
  for (let key = 0; key < 1_000; key++) await ask(`k${key}`, 'done')
  finish({ text: 'x'.repeat(16 * 1024 * 1024) })
  await slow
  await ask('k999', 'done')
  await ask('k0', 'done')
  expect(made()).toBe(1_000)
})
