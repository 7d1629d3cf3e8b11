import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { readAll, record, valuesOf } from '../../support/log-reading.js'
import { makeCertificates } from '../kafka-certificates.js'
import { KAFKA_USER } from '../kafka-server.js'
import { kafkaOptions, startLog, stopAll, told } from './kafka-fixture.js'

afterEach(stopAll)

const TOPIC = 'market-data.trades'
const caFile = told('TICKLAKE_TEST_KAFKA_CA_FILE')
const tlsBrokers = [told('TICKLAKE_TEST_KAFKA_TLS_BROKERS')]
const saslTlsBrokers = [told('TICKLAKE_TEST_KAFKA_SASL_TLS_BROKERS')]
const scram = { mechanism: 'scram-sha-512', ...KAFKA_USER } as const

test.each([
  { name: 'with TLS', brokers: tlsBrokers, sasl: null },
  { name: 'with TLS and SCRAM', brokers: saslTlsBrokers, sasl: scram },
])('a log is written and read $name', async ({ brokers, sasl }) => {
  const log = await startLog(kafkaOptions({ connection: { brokers, sasl, tls: { caFile } } }))
  await log.createTopic(TOPIC, 2)
  const values = ['a', 'b', 'c']
  await log.append({ records: new Map([[TOPIC, values.map((value) => record('A', value))]]) })
  expect(valuesOf(await readAll(log, TOPIC, [0, 0])).flat()).toEqual(values)
})

test.each([
  {
    name: 'an authority that nobody has named',
    connection: { brokers: tlsBrokers, sasl: null, tls: { caFile: '' } },
    said: 'signed by an authority that Node does not know; kafka.tls.caFile names the PEM file of one',
  },
  {
    name: 'plain text to a listener with TLS',
    connection: { brokers: tlsBrokers, sasl: null, tls: null },
    said: 'the broker may ask for TLS (kafka.tls.enabled) or a login (kafka.sasl.mechanism)',
  },
  {
    name: 'plain text with a login to a listener with TLS',
    connection: { brokers: saslTlsBrokers, sasl: scram, tls: null },
    said: 'the broker may ask for TLS (kafka.tls.enabled)',
  },
  {
    name: 'TLS without the login that is asked for',
    connection: { brokers: saslTlsBrokers, sasl: null, tls: { caFile } },
    said: 'the broker may ask for a login (kafka.sasl.mechanism)',
  },
  {
    name: 'TLS to a listener of plain text',
    connection: { brokers: [told('TICKLAKE_TEST_KAFKA_BROKERS')], sasl: null, tls: { caFile } },
    said: 'the broker may not speak TLS there (kafka.tls.enabled, kafka.brokers)',
  },
])('$name: the log does not start, and says why', async ({ connection, said }) => {
  await expect(startLog(kafkaOptions({ connection }))).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining(said),
  })
})

test('an authority that has not signed: the log does not start, and names its file', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'ticklake-authority-'))
  try {
    const { authorityFile } = await makeCertificates(directory)
    const connection = { brokers: tlsBrokers, sasl: null, tls: { caFile: authorityFile } }
    await expect(startLog(kafkaOptions({ connection }))).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining(`signed by no authority in ${authorityFile} (kafka.tls.caFile)`),
    })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
})
