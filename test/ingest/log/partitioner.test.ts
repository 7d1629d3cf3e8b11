import { expect, test } from 'vitest'
import { murmur2, partitionOf } from '../../../src/ingest/log/partitioner.js'

// org.apache.kafka.common.utils.UtilsTest.testMurmur2
test.each([
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
])('murmur2 of %j is that of Kafka', (key, hash) => {
  expect(murmur2(Buffer.from(key))).toBe(hash)
})

test('a negative hash loses its sign bit, as in Kafka', () => {
  expect(partitionOf('foobar', 1000)).toBe((-790332482 & 0x7fffffff) % 1000)
})

test('keys are hashed as UTF-8', () => {
  expect(partitionOf('株式会社', 2 ** 30)).toBe(
    (murmur2(Buffer.from('株式会社', 'utf8')) & 0x7fffffff) % 2 ** 30,
  )
})
