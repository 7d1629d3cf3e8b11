import { expect, test } from 'vitest'
import { QUARANTINE, QUOTES, TRADES } from '#core'
import { ConsumerProgress } from '../../src/ingest/consumer-progress.js'
import type { RecordBatch } from '../../src/ingest/log/log.js'
import { ManualClock } from '../support/manual-clock.js'
import { batchOfRows } from '../support/row-batch.js'

const START_MS = 1_700_000_000_000

function appendedAt(ms: number): RecordBatch {
  const nothing = { bytes: new Uint8Array(), ends: new Uint32Array() }
  return { partition: 0, baseOffset: 0, count: 0, appendedAtMicros: BigInt(ms) * 1000n, ...nothing }
}

const NO_ROWS = batchOfRows(TRADES, [])

test('is behind by the age of what was read last, or since there was nothing left to read', () => {
  const clock = new ManualClock(START_MS)
  const progress = new ConsumerProgress(clock)
  clock.advance(500)
  expect(progress.behindMs).toBe(500)
  // A backlog of an hour.
  progress.took([appendedAt(START_MS - 3_600_000), appendedAt(START_MS - 3_599_000)], NO_ROWS)
  expect(progress.behindMs).toBe(3_599_500)
  progress.reachedEnd()
  clock.advance(40)
  expect(progress.behindMs).toBe(40)
  // The wall clock was set back: a time that has not come yet is no negative delay.
  clock.setWall(START_MS)
  expect(progress.behindMs).toBe(0)
})

test('counts rows, and those of the quarantine by table and reason', () => {
  const trades = new ConsumerProgress(new ManualClock())
  trades.took([], batchOfRows(TRADES, [{ symbol: 'BHP' }, { symbol: 'CBA' }]))
  expect([trades.rows, trades.refusals]).toEqual([2, []])
  const refused = (topic: string, reason: string) => ({ topic, reason })
  const quarantine = new ConsumerProgress(new ManualClock())
  const { topic } = TRADES
  quarantine.took(
    [],
    batchOfRows(QUARANTINE, [refused(topic, 'not_a_time'), refused(QUOTES.topic, 'negative')]),
  )
  quarantine.took(
    [],
    batchOfRows(QUARANTINE, [refused(topic, 'wrong_column_count'), refused(topic, 'not_a_time')]),
  )
  // A foreign writer may say anything, and must not make a metric of each.
  quarantine.took([], batchOfRows(QUARANTINE, [refused('orders', 'a'), refused('invoices', 'b')]))
  expect(quarantine.rows).toBe(6)
  expect(quarantine.refusals).toEqual([
    { table: 'trades', reason: 'not_a_time', count: 2 },
    { table: 'quotes', reason: 'negative', count: 1 },
    { table: 'trades', reason: 'wrong_column_count', count: 1 },
    { table: 'other', reason: 'other', count: 2 },
  ])
})
