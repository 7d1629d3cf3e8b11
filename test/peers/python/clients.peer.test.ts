import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import avsc, { type Schema } from 'avsc'
import kafkajs from 'kafkajs'
import { expect, test } from 'vitest'
import { told } from '../told.js'

const SCHEMA: Schema = {
  type: 'record',
  name: 'Trade',
  fields: [
    { name: 'symbol', type: 'string' },
    { name: 'size', type: 'long' },
  ],
}

/** Runs a script beside this file with a question on its standard input. Throws with what it complained of. */
async function python(script: string, question: object): Promise<unknown> {
  const path = fileURLToPath(new URL(script, import.meta.url))
  const child = spawn(told('TICKLAKE_TEST_PYTHON'), ['-B', '-s', path], { stdio: 'pipe' })
  const closed = once(child, 'close')
  // A script that dies at once does not read its question; its exit code tells.
  child.stdin.on('error', () => {})
  child.stdin.end(JSON.stringify(question))
  const [answer, complaint] = await Promise.all([text(child.stdout), text(child.stderr)])
  const [code] = await closed
  if (code !== 0) throw new Error(`${script} ended with ${code}: ${complaint.trim()}`)
  return JSON.parse(answer)
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
  const answer = await python('confluent_round_trip.py', question)
  expect(answer).toEqual([ours, ...theirs])
})
