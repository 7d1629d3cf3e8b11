import { expect, test } from 'vitest'
import { committedBatches, type FetchedPartition } from '../../../../src/ingest/log/kafka/fetch.js'
import { crc32c } from '../../../../src/ingest/log/kafka/internals.js'
import { encodeBatch } from '../../../../src/ingest/log/kafka/record-batch.js'
import { SeededRandom } from '../../../support/seeded-random.js'

/** A record batch at an offset: data, or the marker that ends a transaction. */
async function batchAt(
  offset: number,
  producerId: number,
  kind: 'data' | 'plain' | 'abort' | 'commit',
  count = 1,
) {
  const marker = Buffer.from([0, 0, 0, kind === 'commit' ? 1 : 0])
  // A key of data may look like an abort marker.
  const records = Array.from({ length: count }, () => ({ key: marker, value: Buffer.from('v') }))
  const bytes = await encodeBatch(records, {
    producerId: String(producerId),
    producerEpoch: 0,
    sequence: 0,
    timestampMs: 0,
  })
  bytes.writeBigInt64BE(BigInt(offset), 0)
  const isMarker = kind === 'abort' || kind === 'commit'
  if (isMarker) {
    // Markers are not compressed: length, attributes, time and offset deltas, key, value, headers.
    const record = Buffer.concat([Buffer.from([22, 0, 0, 0, 8]), marker, Buffer.from([0, 0, 0])])
    const control = Buffer.concat([bytes.subarray(0, 61), record])
    control.writeInt32BE(control.length - 12, 8)
    control.writeInt16BE((1 << 4) | (1 << 5), 21)
    control.writeUInt32BE(crc32c(control.subarray(21)), 17)
    return control
  }
  if (kind === 'plain') bytes.writeInt16BE(bytes.readInt16BE(21) & ~(1 << 4), 21)
  bytes.writeUInt32BE(crc32c(bytes.subarray(21)), 17)
  return bytes
}

test('of any interleaved transactions, only what was committed is seen, from wherever the fetch begins', async () => {
  for (let seed = 1; seed <= 30; seed++) {
    const random = new SeededRandom(seed)
    const stored: { bytes: Buffer; offset: number; next: number; producerId: number; visible: boolean }[] = []
    const aborted: { producerId: bigint; firstOffset: number; end: number }[] = []
    const open = new Map<number, { firstOffset: number; batches: { visible: boolean }[] }>()
    let offset = 0
    for (let step = 0; step < 40; step++) {
      const producerId = 1 + random.below(4)
      const transaction = open.get(producerId)
      if (transaction && random.oneIn(3)) {
        const kind = random.oneIn(2) ? 'abort' : 'commit'
        const bytes = await batchAt(offset, producerId, kind)
        stored.push({ bytes, offset, next: offset + 1, producerId, visible: false })
        for (const batch of transaction.batches) batch.visible = kind === 'commit'
        if (kind === 'abort') {
          const { firstOffset } = transaction
          aborted.push({ producerId: BigInt(producerId), firstOffset, end: offset })
        }
        open.delete(producerId)
        offset += 1
        continue
      }
      const kind = !transaction && random.oneIn(3) ? 'plain' : 'data'
      const count = 1 + random.below(3)
      const bytes = await batchAt(offset, producerId, kind, count)
      const batch = { bytes, offset, next: offset + count, producerId, visible: kind === 'plain' }
      stored.push(batch)
      if (kind === 'data') {
        const begun = transaction ?? { firstOffset: offset, batches: [] }
        begun.batches.push(batch)
        open.set(producerId, begun)
      }
      offset += count
    }
    const lastStable = Math.min(offset, ...[...open.values()].map(({ firstOffset }) => firstOffset))
    const stable = stored.filter(({ offset: start }) => start < lastStable)
    for (let from = 0; from < lastStable; from++) {
      const sent = stable.filter(({ next }) => next > from)
      const fetched: FetchedPartition = {
        partition: 0,
        errorCode: 0,
        logStart: 0,
        lastStable,
        // As a broker gives them: all that touch what it sends, in any order.
        aborted: aborted.filter(({ end }) => end >= from).reverse(),
        recordSet: Buffer.concat(sent.map(({ bytes }) => bytes)),
      }
      const { batches, next } = committedBatches(fetched, from)
      expect(
        batches.map(({ baseOffset }) => baseOffset),
        `seed ${seed}, from ${from}`,
      ).toEqual(sent.filter(({ visible }) => visible).map(({ offset: start }) => start))
      expect(next).toBe(lastStable)
    }
  }
})

test('nothing sent: the position stays', () => {
  const nothing = {
    partition: 0,
    errorCode: 0,
    logStart: 0,
    lastStable: 9,
    aborted: [],
    recordSet: Buffer.alloc(0),
  }
  expect(committedBatches(nothing, 9)).toEqual({ batches: [], next: 9 })
})
