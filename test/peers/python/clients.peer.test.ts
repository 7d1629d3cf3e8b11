import avsc, { type Schema } from 'avsc'
import kafkajs from 'kafkajs'
import { expect, test } from 'vitest'
import { runScript } from '../script.js'
import { told } from '../told.js'

const SCHEMA: Schema = {
  type: 'record',
  name: 'Trade',
  fields: [
    { name: 'symbol', type: 'string' },
    { name: 'size', type: 'long' },
  ],
}

test('Python reads what Node and Python wrote, in order', async () => {
  const topic = 'smoke.python'
  const brokers = told('TICKLAKE_TEST_KAFKA_BROKERS')
  const kafka = new kafkajs.Kafka({ brokers: [brokers], logLevel: kafkajs.logLevel.NOTHING })
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true })
  await admin.disconnect()
  const ours = { symbol: 'BHP', size: 1 }
  const theirs = [
    { symbol: 'RIO', size: 2 },
    { symbol: 'CBA', size: 3 },
  ]
  const producer = kafka.producer()
  await producer.connect()
  const value = avsc.Type.forSchema(SCHEMA).toBuffer(ours)
  await producer.send({ topic, acks: -1, messages: [{ value }] })
  await producer.disconnect()

  const question = { brokers, topic, schema: SCHEMA, records: theirs, count: 3 }
  const answer = await runScript(new URL('confluent_round_trip.py', import.meta.url), question)
  expect(answer).toEqual([ours, ...theirs])
})
