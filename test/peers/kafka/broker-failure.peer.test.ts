import { afterEach, expect, test } from 'vitest'
import { covers, type OffsetVector } from '#core'
import type { KafkaLog } from '../../../src/ingest/log/kafka/kafka-log.js'
import { readAll, record, values, valuesOf } from '../../support/log-reading.js'
import { KafkaServer } from '../kafka-server.js'
import { kafkaOptions, startLog, stopAll, told } from './kafka-fixture.js'

const TOPIC = 'market-data.trades'
const PARTITIONS = 3
const KEYS = Array.from({ length: 8 }, (_, index) => `K${index}`)
const ROUNDS = 60
const SOURCE = { digest: '', accepted: 0, quarantined: 0, finished: false }

let server: KafkaServer

async function startServer(): Promise<KafkaServer> {
  server = await KafkaServer.start(told('TICKLAKE_TEST_KAFKA_HOME'))
  return server
}

afterEach(async () => {
  await stopAll()
  await server.stop()
})

/** Appends rounds of records as a load does: what the log says of the progress decides where one goes on. */
async function load(log: KafkaLog, sourceId: string, onRound: (round: number) => void): Promise<number> {
  let refused = 0
  for (;;) {
    const round = log.progress(sourceId)?.rowsDone ?? 0
    if (round === ROUNDS) return refused
    onRound(round)
    const records = KEYS.map((key) => record(key, `${sourceId} ${key} ${round}`))
    await log
      .append({
        records: new Map([[TOPIC, records]]),
        progress: { ...SOURCE, sourceId, rowsDone: round + 1 },
      })
      .catch((error: { code: string }) => {
        if (error.code !== 'unavailable') throw error
        refused++
      })
  }
}

/** Reads until the signal, and everything that is there then, in the order in which it came. */
async function follow(log: KafkaLog, signal: AbortSignal): Promise<string[]> {
  const read: string[] = []
  let position: OffsetVector = new Array<number>(PARTITIONS).fill(0)
  while (!signal.aborted || !covers(position, log.end(TOPIC))) {
    await log.appended(TOPIC, position, signal.aborted ? new AbortController().signal : signal)
    const { batches, next } = log.read(TOPIC, position, 1 << 20)
    for (const batch of batches) {
      const skipped = Math.max(0, position[batch.partition]! - batch.baseOffset)
      read.push(...values(batch).slice(skipped))
    }
    position = next
  }
  return read
}

test('a broker that is killed and comes back: each record once, in its order, for writer and reader', async () => {
  const { brokers } = await startServer()
  const options = kafkaOptions({ connection: { brokers: [brokers], sasl: null, tls: null } })
  const log = await startLog(options)
  await log.createTopic(TOPIC, PARTITIONS)
  const done = new AbortController()
  const following = follow(log, done.signal)
  let outage: Promise<void> | null = null
  let killed = 0
  // Two loads at once share transactions. The broker dies while they are under way, three times.
  const loads = ['one', 'two'].map((sourceId) =>
    load(log, sourceId, (round) => {
      if (outage === null && round >= 10 + 15 * killed && killed < 3) {
        killed++
        outage = server
          .kill()
          .then(() => server.restart())
          .then(() => {
            outage = null
          })
      }
    }),
  )
  await Promise.all(loads)
  await outage
  done.abort()
  const read = await following
  expect(killed).toBe(3)
  for (const sourceId of ['one', 'two']) {
    for (const key of KEYS) {
      const mine = read.filter((value) => value.startsWith(`${sourceId} ${key} `))
      expect(mine).toEqual(Array.from({ length: ROUNDS }, (_, round) => `${sourceId} ${key} ${round}`))
    }
  }
  const [again] = [await readAll(log, TOPIC, new Array<number>(PARTITIONS).fill(0))]
  expect(again.flat().length).toBe(2 * KEYS.length * ROUNDS)
}, 240_000)

test('while the broker is away, appends are refused after a while, and the breaker says so', async () => {
  const { brokers } = await startServer()
  const options = kafkaOptions({ connection: { brokers: [brokers], sasl: null, tls: null } })
  const log = await startLog(options)
  await log.createTopic(TOPIC, 1)
  await server.kill()
  const append = () => log.append({ records: new Map([[TOPIC, [record('A', 'a')]]]) })
  await expect(append()).rejects.toMatchObject({ code: 'unavailable' })
  expect(log.breakers.map(({ name, state }) => [name, state])).toEqual([
    ['Kafka (topics)', 'closed'],
    ['Kafka (produce)', expect.stringMatching(/open/)],
  ])
  await server.restart()
  await append()
  expect(valuesOf(await readAll(log, TOPIC, [0]))).toEqual([['a']])
  expect(log.breakers.map(({ state }) => state)).toEqual(['closed', 'closed'])
}, 240_000)

test('a log stops while the broker is away; what it was writing is refused', async () => {
  const { brokers } = await startServer()
  const options = kafkaOptions({ connection: { brokers: [brokers], sasl: null, tls: null } })
  const log = await startLog(options)
  await log.createTopic(TOPIC, 1)
  await server.kill()
  const refused = expect(
    log.append({ records: new Map([[TOPIC, [record('A', 'a')]]]) }),
  ).rejects.toMatchObject({ code: 'unavailable' })
  await log.stop()
  await refused
  await expect(startLog(options)).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('connect to Kafka'),
  })
})
