import { createRequire } from 'node:module'
import { gzipSync } from 'node:zlib'
import { compress, decompress } from '@mongodb-js/zstd'
import kafkajs from 'kafkajs'
import { describe, expect, test } from 'vitest'
import { crc32c } from '../../../../src/ingest/log/kafka/internals.js'
import type { ProducedRecord } from '../../../../src/ingest/log/kafka/record.js'
import { encodeBatch, openBatch, splitBatches } from '../../../../src/ingest/log/kafka/record-batch.js'
import { values } from '../../../support/log-reading.js'
import { SeededRandom } from '../../../support/seeded-random.js'

const require = createRequire(import.meta.url)

/** kafkajs's own way of writing and reading batches: the oracle. */
const Decoder: new (bytes: Buffer) => object = require('kafkajs/src/protocol/decoder')
const decodeByKafkajs: (decoder: object) => Promise<{
  inTransaction: boolean
  producerId: string
  producerEpoch: number
  firstSequence: number
  records: { offset: string; key: Buffer; value: Buffer; timestamp: string }[]
}> = require('kafkajs/src/protocol/recordBatch/v0/decoder')
const { RecordBatch: encodeByKafkajs } = require('kafkajs/src/protocol/recordBatch/v0')
const recordByKafkajs = require('kafkajs/src/protocol/recordBatch/record/v0')

const { CompressionCodecs, CompressionTypes } = kafkajs
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: ({ buffer }: { buffer: Buffer }) => compress(buffer),
  decompress: (buffer: Buffer) => decompress(buffer),
})

const ORIGIN = {
  producerId: '4294967299',
  producerEpoch: 7,
  sequence: 2 ** 31 - 5,
  timestampMs: 1_725_000_000_000,
}

function someRecords(random: SeededRandom, count: number): ProducedRecord[] {
  const bytes = (length: number) => Buffer.from(Array.from({ length }, () => random.below(256)))
  return Array.from({ length: count }, () => ({
    key: bytes(random.below(20)),
    // Also lengths that take two and three bytes.
    value: bytes(random.oneIn(10) ? random.below(20_000) : random.below(200)),
  }))
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

describe('a batch', () => {
  test('that is written is what kafkajs reads', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const records = someRecords(new SeededRandom(seed), 1 + seed * 7)
      const read = await decodeByKafkajs(new Decoder(await encodeBatch(records, ORIGIN)))
      expect(read, `seed ${seed}`).toMatchObject({
        inTransaction: true,
        producerId: ORIGIN.producerId,
        producerEpoch: ORIGIN.producerEpoch,
        firstSequence: ORIGIN.sequence,
      })
      expect(
        read.records.map(({ offset, key, value }) => [Number(offset), hex(key), hex(value)]),
        `seed ${seed}`,
      ).toEqual(records.map(({ key, value }, index) => [index, hex(key), hex(value)]))
    }
  })

  test.each([
    ['none', CompressionTypes.None],
    ['gzip', CompressionTypes.GZIP],
    ['zstd', CompressionTypes.ZSTD],
  ])('that kafkajs writes with compression %s is read, headers and all', async (_, compression) => {
    for (let seed = 1; seed <= 10; seed++) {
      const random = new SeededRandom(seed)
      const records = someRecords(random, 1 + random.below(300))
      const { buffer }: { buffer: Buffer } = await encodeByKafkajs({
        compression,
        firstTimestamp: 1_725_000_000_000,
        maxTimestamp: 1_725_000_000_123,
        lastOffsetDelta: records.length - 1,
        records: records.map((record, offsetDelta) =>
          recordByKafkajs({
            ...record,
            offsetDelta,
            timestampDelta: random.below(1e6),
            headers: random.oneIn(3) ? { source: 'x'.repeat(random.below(300)) } : {},
          }),
        ),
      })
      buffer.writeBigInt64BE(1_000_000n * BigInt(seed), 0)
      const [batch, ...more] = splitBatches(buffer)
      expect(more).toEqual([])
      const opened = await openBatch(3, batch!)
      expect(opened).toMatchObject({
        partition: 3,
        baseOffset: 1_000_000 * seed,
        count: records.length,
        appendedAtMicros: 1_725_000_000_123_000n,
      })
      expect(batch!.nextOffset).toBe(opened.baseOffset + records.length)
      expect(values(opened), `seed ${seed}`).toEqual(
        records.map(({ value }) => Buffer.from(value).toString()),
      )
    }
  })

  test('that is cut short is left out; a changed byte is found', async () => {
    const records = someRecords(new SeededRandom(1), 3)
    const whole = await encodeBatch(records, ORIGIN)
    for (const length of [0, 12, 60, whole.length - 1]) {
      const cut = Buffer.concat([whole, whole.subarray(0, length)])
      expect(splitBatches(cut).length).toBe(1)
    }
    expect(splitBatches(Buffer.concat([whole, whole])).length).toBe(2)
    for (let byte = 17; byte < whole.length; byte++) {
      const changed = Buffer.from(whole)
      changed[byte]! ^= 1
      expect(() => splitBatches(changed), `byte ${byte}`).toThrow(
        expect.objectContaining({ code: 'corrupt', message: expect.stringContaining('offset 0 is damaged') }),
      )
    }
  })

  test('that cannot be read says why', async () => {
    const whole = await encodeBatch(someRecords(new SeededRandom(1), 3), ORIGIN)
    const old = Buffer.from(whole)
    old.writeInt8(1, 16)
    expect(() => splitBatches(old)).toThrow(expect.objectContaining({ code: 'invalid_input' }))
    for (const [codec, name] of [
      [2, 'snappy'],
      [3, 'lz4'],
      [7, 'codec 7'],
    ] as const) {
      const other = Buffer.from(whole)
      other.writeInt16BE(codec, 21)
      other.writeUInt32BE(crc32c(other.subarray(21)), 17)
      await expect(openBatch(0, splitBatches(other)[0]!)).rejects.toMatchObject({
        code: 'invalid_input',
        message: expect.stringContaining(`compressed with ${name}`),
      })
    }
  })

  test('of a topic that was compacted is refused: its offsets have holes', async () => {
    const { buffer }: { buffer: Buffer } = await encodeByKafkajs({
      lastOffsetDelta: 2,
      records: [0, 2].map((offsetDelta) => recordByKafkajs({ offsetDelta, key: 'k', value: 'v' })),
    })
    await expect(openBatch(0, splitBatches(buffer)[0]!)).rejects.toMatchObject({
      code: 'corrupt',
      message: expect.stringContaining('record 1 is missing'),
    })
  })

  test('whose records end early is damaged, whatever its checksum says', async () => {
    const whole = await encodeBatch(someRecords(new SeededRandom(2), 3), ORIGIN)
    const short = Buffer.concat([whole.subarray(0, 61), gzipSync(Buffer.from([40, 0, 0, 0]))])
    short.writeInt32BE(short.length - 12, 8)
    short.writeInt16BE(1, 21)
    short.writeUInt32BE(crc32c(short.subarray(21)), 17)
    await expect(openBatch(0, splitBatches(short)[0]!)).rejects.toMatchObject({ code: 'corrupt' })
  })
})
