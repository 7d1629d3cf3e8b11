import { expect, test } from 'vitest'
import { AcceptedLosses } from '../../../../src/ingest/log/kafka/accepted-losses.js'

test('only what is named is passed over', () => {
  const losses = new AcceptedLosses(' t/1:100-250, u/0:5-5 ,')
  expect(losses.pass('t', [7, 100], [0, 251])).toEqual([7, 251])
  expect(losses.pass('t', [7, 120], [0, 200])).toEqual([7, 200])
  expect(losses.pass('t', [7, 300], [0, 251])).toEqual([7, 300])
  for (const [topic, from, begin] of [
    ['t', [7, 99], [0, 251]],
    ['t', [7, 100], [0, 252]],
    ['t', [100, 0], [251, 0]],
    ['u', [0, 100], [0, 251]],
  ] as const) {
    expect(() => losses.pass(topic, from, begin)).toThrow(expect.objectContaining({ code: 'gone' }))
  }
})

test('a position that is no longer kept says what is missing and how to go on', () => {
  expect(() => new AcceptedLosses('').pass('t', [0, 3], [0, 10])).toThrow(
    'topic t, partition 1: offsets 3 to 9 are no longer kept; the log begins at 10. ' +
      'To go on without them, start with kafka.acceptLost set to t/1:3-9',
  )
})

test.each(['t', 't/0', 't/0:5', 't/0:9-5', 't/x:1-2'])('%j is no range', (setting) => {
  expect(() => new AcceptedLosses(setting)).toThrow(expect.objectContaining({ code: 'invalid_input' }))
})
