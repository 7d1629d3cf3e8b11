import { expect, test } from 'vitest'
import { PartitionFeed } from '../../../../src/ingest/log/kafka/partition-feed.js'
import type { RecordBatch } from '../../../../src/ingest/log/log.js'

function batch(baseOffset: number, count: number): RecordBatch {
  const bytes = new Uint8Array(count)
  return { partition: 0, baseOffset, count, appendedAtMicros: 0n, bytes, ends: new Uint32Array(count) }
}

test('a batch is passed when the reader is behind it, with the control records that follow', () => {
  const feed = new PartitionFeed(0)
  // Offsets 3 and 6 are markers; 7 and 8 were aborted.
  feed.add([batch(0, 3), batch(4, 2)], 9)
  expect(feed.at(0)).toMatchObject({ batch: { baseOffset: 0 }, next: 4 })
  expect(feed.at(1)).toMatchObject({ batch: { baseOffset: 4 }, next: 9 })
  expect(feed.at(2)).toBeUndefined()
  feed.moveTo(2)
  expect(feed.at(0)?.batch.baseOffset).toBe(0)
  feed.moveTo(3)
  expect([feed.at(0)?.batch.baseOffset, feed.bufferedBytes]).toEqual([4, 2])
  feed.moveTo(9)
  expect([feed.at(0), feed.bufferedBytes, feed.position]).toEqual([undefined, 0, 9])
})

test('a move to what was not fetched begins anew there', () => {
  for (const offset of [1, 20]) {
    const feed = new PartitionFeed(5)
    feed.add([batch(5, 5)], 10)
    feed.moveTo(offset)
    expect([feed.at(0), feed.bufferedBytes, feed.position]).toEqual([undefined, 0, offset])
  }
})
