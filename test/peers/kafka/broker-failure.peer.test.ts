import { afterEach, expect, test } from 'vitest'
import { readAll, record, valuesOf } from '../../support/log-reading.js'
import { KafkaServer } from '../kafka-server.js'
import { kafkaOptions, startLog, stopAll, told } from './kafka-fixture.js'
import { SteadyLoad } from './steady-load.js'

const TOPIC = 'market-data.trades'

let server: KafkaServer

async function startServer(): Promise<KafkaServer> {
  server = await KafkaServer.start(told('TICKLAKE_TEST_KAFKA_HOME'))
  return server
}

afterEach(async () => {
  await stopAll()
  await server.stop()
})

test('a broker that is killed and comes back: each record once, in its order, for writer and reader', async () => {
  const { brokers } = await startServer()
  const options = kafkaOptions({ connection: { brokers: [brokers], sasl: null, tls: null } })
  const load = await SteadyLoad.start(await startLog(options))
  for (let killed = 0; killed < 3; killed++) {
    await load.advanced(15)
    await server.kill()
    await server.restart()
  }
  await load.advanced(15)
  await load.expectExact()
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
