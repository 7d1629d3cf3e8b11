import { compress, decompress } from '@mongodb-js/zstd'
import kafkajs, { type KafkaConfig } from 'kafkajs'
import { expect, test } from 'vitest'
import { KAFKA_USER, KafkaServer } from '../kafka-server.js'
import { told } from '../told.js'

const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = kafkajs

let decompressed = 0
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: ({ buffer }: { buffer: Buffer }) => compress(buffer),
  decompress: (buffer: Buffer) => {
    decompressed += 1
    return decompress(buffer)
  },
})

function client(config: KafkaConfig): kafkajs.Kafka {
  return new Kafka({ clientId: 'smoke', logLevel: logLevel.NOTHING, ...config })
}

/** Sends one transaction that is given up and one that is kept, both compressed; reads what a reader may see. */
async function exchange(kafka: kafkajs.Kafka, topic: string): Promise<string[]> {
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true })
  await admin.disconnect()

  const producer = kafka.producer({ transactionalId: topic, idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  for (const [values, end] of [
    [['dropped'], 'abort'],
    [['one', 'two', 'three'], 'commit'],
  ] as const) {
    const transaction = await producer.transaction()
    const messages = values.map((value) => ({ value }))
    await transaction.send({ topic, acks: -1, compression: CompressionTypes.ZSTD, messages })
    await transaction[end]()
  }
  await producer.disconnect()

  const consumer = kafka.consumer({ groupId: topic })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  const seen: string[] = []
  await new Promise<void>((resolve, reject) => {
    consumer.on('consumer.crash', ({ payload }) => {
      // It restarts by itself where trying again helps: a new group's coordinator takes a moment.
      if (!payload.restart) reject(payload.error)
    })
    consumer
      .run({
        eachMessage: async ({ message }) => {
          if (seen.push(String(message.value)) === 3) resolve()
        },
      })
      .catch(reject)
  })
  await consumer.disconnect()
  return seen
}

test('a transaction of zstd batches is read once it is committed', async () => {
  const before = decompressed
  const kafka = client({ brokers: [told('TICKLAKE_TEST_KAFKA_BROKERS')] })
  expect(await exchange(kafka, 'smoke.plain')).toEqual(['one', 'two', 'three'])
  expect(decompressed).toBeGreaterThan(before)
})

test.each([
  { mechanism: 'plain', ...KAFKA_USER },
  { mechanism: 'scram-sha-256', ...KAFKA_USER },
  { mechanism: 'scram-sha-512', ...KAFKA_USER },
] as const)('the user comes in by $mechanism', async (sasl) => {
  const kafka = client({ brokers: [told('TICKLAKE_TEST_KAFKA_SASL_BROKERS')], sasl })
  expect(await exchange(kafka, `smoke.${sasl.mechanism}`)).toEqual(['one', 'two', 'three'])
})

test('a server of the same installation is killed and comes back with what it had', async () => {
  const server = await KafkaServer.start(told('TICKLAKE_TEST_KAFKA_HOME'))
  try {
    const admin = client({ brokers: [server.brokers] }).admin()
    await admin.connect()
    await admin.createTopics({ topics: [{ topic: 'kept', numPartitions: 3 }], waitForLeaders: true })
    await admin.disconnect()
    await server.kill()
    await server.restart()
    await admin.connect()
    expect(await admin.listTopics()).toEqual(['kept'])
    await admin.disconnect()
  } finally {
    await server.stop()
  }
})
