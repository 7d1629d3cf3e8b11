// What kafkajs does by itself with the same records: its producer, each batch awaited, and its consumer's eachBatch.
import { compress, decompress } from '@mongodb-js/zstd'
import kafkajs from 'kafkajs'
import { systemClock } from '#core'
import { childInput } from '../child.js'

export interface BareResult {
  readonly produceSeconds: number
  readonly consumeSeconds: number
}

const { CompressionCodecs, CompressionTypes, Kafka, logLevel, Partitioners } = kafkajs
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: ({ buffer }: { buffer: Buffer }) => compress(buffer, 1),
  decompress: (buffer: Buffer) => decompress(buffer),
})

const TOPIC = 'bare'
const PARTITIONS = 4
/** A larger one would exceed a broker's max.message.bytes if it were not compressed. */
const BATCH_ROWS = 10_000

const { brokers, rowCount } = childInput<{ brokers: string; rowCount: number }>()
const kafka = new Kafka({ brokers: brokers.split(','), logLevel: logLevel.NOTHING })
const admin = kafka.admin()
await admin.connect()
await admin.createTopics({ topics: [{ topic: TOPIC, numPartitions: PARTITIONS }], waitForLeaders: true })
await admin.disconnect()

// Values of 100 bytes, most of which differ from row to row in as many as those of a trade.
const messages = Array.from({ length: BATCH_ROWS }, (_, row) => {
  const value = Buffer.alloc(100, `${row * 7919}`.padStart(10, '0'))
  return { key: `SYM${row % 400}`, value, partition: row % PARTITIONS }
})
const producer = kafka.producer({
  transactionalId: TOPIC,
  idempotent: true,
  maxInFlightRequests: 1,
  createPartitioner: Partitioners.DefaultPartitioner,
})
await producer.connect()
let startedMs = systemClock.monotonicMs()
for (let row = 0; row < rowCount; row += BATCH_ROWS) {
  const transaction = await producer.transaction()
  await transaction.send({ topic: TOPIC, compression: CompressionTypes.ZSTD, messages })
  await transaction.commit()
}
const produceSeconds = (systemClock.monotonicMs() - startedMs) / 1000
await producer.disconnect()

const consumer = kafka.consumer({ groupId: TOPIC, maxBytesPerPartition: 2 ** 20 })
await consumer.connect()
await consumer.subscribe({ topic: TOPIC, fromBeginning: true })
// Joining the group is not consuming.
consumer.on(consumer.events.GROUP_JOIN, () => {
  startedMs = systemClock.monotonicMs()
})
let read = 0
await new Promise<void>((resolve, reject) => {
  consumer
    .run({
      eachBatch: async ({ batch }) => {
        read += batch.messages.length
        if (read >= rowCount) resolve()
      },
    })
    .catch(reject)
})
const consumeSeconds = (systemClock.monotonicMs() - startedMs) / 1000
await consumer.disconnect()
const result: BareResult = { produceSeconds, consumeSeconds }
console.log(JSON.stringify(result))
