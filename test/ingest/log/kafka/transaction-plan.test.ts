import { expect, test } from 'vitest'
import { TransactionPlan } from '../../../../src/ingest/log/kafka/transaction-plan.js'
import { record } from '../../../support/log-reading.js'

const byFirst = (key: string) => Number(key[0])

test('appends share batches, and each knows its own part', () => {
  const plan = new TransactionPlan()
  const first = plan.add('t', [record('1a', 'x'), record('0a', 'y'), record('1b', 'z')], byFirst)
  const second = plan.add('t', [record('1a', 'u')], byFirst)
  expect(plan.batches.map(({ partition, records }) => [partition, records.length])).toEqual([
    [1, 3],
    [0, 1],
  ])
  expect(plan.ranges(first, [100, 50])).toEqual([
    { partition: 0, from: 50, to: 51 },
    { partition: 1, from: 100, to: 102 },
  ])
  expect(plan.ranges(second, [100, 50])).toEqual([{ partition: 1, from: 102, to: 103 }])
  expect(plan.endOf('t', [100, 50])).toEqual(
    new Map([
      [1, 103],
      [0, 51],
    ]),
  )
  expect(plan.endOf('u', [100, 50])).toEqual(new Map())
})

test('long appends become several batches; where another producer wrote between them, the ranges say so', () => {
  const plan = new TransactionPlan()
  const parts = plan.add(
    't',
    Array.from({ length: 10_000 }, () => record('0', 'x')),
    byFirst,
  )
  expect(plan.batches.map(({ records }) => records.length)).toEqual([4096, 4096, 1808])
  expect(plan.ranges(parts, [0, 4096, 8192])).toEqual([{ partition: 0, from: 0, to: 10_000 }])
  expect(plan.ranges(parts, [0, 4100, 8196])).toEqual([
    { partition: 0, from: 0, to: 4096 },
    { partition: 0, from: 4100, to: 10_004 },
  ])
  const big = { key: '0', value: new Uint8Array(700_000) }
  const large = new TransactionPlan()
  large.add('t', [big, big, big], byFirst)
  expect(large.batches.map(({ records }) => records.length)).toEqual([1, 1, 1])
})
