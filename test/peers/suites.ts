import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { makeCertificates } from './kafka-certificates.js'
import { installKafka, KafkaServer, kafkaVersion } from './kafka-server.js'
import { installPython, versionsOf } from './python.js'
import { ReaderSuite, SharedTables } from './readers/reader-suite.js'
import { READERS } from './readers/readers.js'
import { installRedis } from './redis-server.js'
import { installRegistry, RegistryServer } from './registry-server.js'
import { ServerSuite, type Service } from './server-suite.js'
import type { Suite } from './suite.js'

const KAFKA_3 = '3.9.2'
const KAFKA_4 = '4.4.0'
/** The last of the releases that run on Java 17. */
const APICURIO = '2.6.13.Final'

const tables = new SharedTables()

/** Ends what suites share. */
export const endSuites = () => tables.close()

export const SUITES: readonly Suite[] = [
  ...READERS.map((reader) => new ReaderSuite(reader, tables)),
  catalogSuite('pyiceberg', 'PyIceberg by REST', ['pyiceberg', 'pyiceberg_core']),
  catalogSuite('duckdb', 'DuckDB by REST', ['duckdb', 'duckdb_extension_iceberg']),
  new ServerSuite({
    id: 'answers',
    title: 'pyarrow',
    tests: 'test/peers/answers/',
    install: async () => {
      const requirements = fileURLToPath(new URL('readers/requirements/pyiceberg.txt', import.meta.url))
      const python = await installPython('pyiceberg', requirements)
      const version = await versionsOf(python, ['pyarrow'])
      return async () => ({ version, env: { TICKLAKE_TEST_PYTHON: python }, stop: async () => {} })
    },
  }),
  new ServerSuite({
    id: 'redis',
    title: 'Redis',
    tests: 'test/peers/redis/',
    install: async () => {
      const { file, version } = await installRedis()
      // Its tests end and freeze servers: each starts a RedisServer of its own.
      return async () => ({ version, env: { TICKLAKE_TEST_REDIS: file }, stop: async () => {} })
    },
  }),
  kafkaSuite('kafka-3.9', KAFKA_3),
  kafkaSuite('kafka-4', KAFKA_4),
  new ServerSuite({
    id: 'kafka-cluster',
    title: 'Apache Kafka on three nodes',
    waits: true,
    tests: 'test/peers/kafka-cluster/',
    install: async () => {
      const home = await installKafka(KAFKA_4)
      // Its tests kill nodes: each starts a KafkaCluster of its own.
      const env = { TICKLAKE_TEST_KAFKA_HOME: home }
      return async () => ({ version: kafkaVersion(home), env, stop: async () => {} })
    },
  }),
  new ServerSuite({
    id: 'registry',
    title: 'Apicurio Registry',
    waits: true,
    tests: 'test/peers/registry/',
    install: async () => {
      const home = await installRegistry(APICURIO)
      return () => registryService(home)
    },
  }),
  new ServerSuite({
    id: 'python',
    title: 'Python clients',
    waits: true,
    tests: 'test/peers/python/',
    install: async () => {
      const home = await installKafka(KAFKA_4)
      const requirements = fileURLToPath(new URL('python/requirements.txt', import.meta.url))
      const python = await installPython('python-clients', requirements)
      const versions = await versionsOf(python, ['confluent-kafka', 'fastavro'])
      return async () => {
        const kafka = await kafkaService(home)
        const version = `${versions}, Apache Kafka ${kafka.version}`
        return { ...kafka, version, env: { ...kafka.env, TICKLAKE_TEST_PYTHON: python } }
      }
    },
  }),
]

/** An engine that knows the tables by the REST catalog: there is no server but ours. */
function catalogSuite(name: 'pyiceberg' | 'duckdb', title: string, packages: readonly string[]): Suite {
  return new ServerSuite({
    id: `catalog-${name}`,
    title,
    tests: `test/peers/catalog/${name}.peer.test.ts`,
    install: async () => {
      const requirements = fileURLToPath(new URL(`readers/requirements/${name}.txt`, import.meta.url))
      const python = await installPython(name, requirements)
      const version = await versionsOf(python, packages)
      return async () => ({ version, env: { TICKLAKE_TEST_PYTHON: python }, stop: async () => {} })
    },
  })
}

function kafkaSuite(id: string, version: string): Suite {
  return new ServerSuite({
    id,
    title: 'Apache Kafka',
    waits: true,
    tests: 'test/peers/kafka/',
    install: async () => {
      const home = await installKafka(version)
      return () => kafkaService(home)
    },
  })
}

async function kafkaService(home: string): Promise<Service> {
  const directory = await mkdtemp(join(tmpdir(), 'ticklake-certificates-'))
  const forget = () => rm(directory, { recursive: true, force: true })
  const certificates = await makeCertificates(directory)
  const server = await KafkaServer.start(home, { certificates }).catch(async (error: unknown) => {
    await forget()
    throw error
  })
  return {
    version: server.version,
    env: {
      TICKLAKE_TEST_KAFKA_BROKERS: server.brokers,
      TICKLAKE_TEST_KAFKA_SASL_BROKERS: server.saslBrokers,
      TICKLAKE_TEST_KAFKA_TLS_BROKERS: server.tlsBrokers!,
      TICKLAKE_TEST_KAFKA_SASL_TLS_BROKERS: server.saslTlsBrokers!,
      TICKLAKE_TEST_KAFKA_CA_FILE: certificates.authorityFile,
      // For tests that kill a broker: they start a KafkaServer of their own.
      TICKLAKE_TEST_KAFKA_HOME: home,
    },
    stop: async () => {
      await server.stop()
      await forget()
    },
  }
}

async function registryService(home: string): Promise<Service> {
  const server = await RegistryServer.start(home)
  return {
    version: server.version,
    env: {
      TICKLAKE_TEST_REGISTRY_URL: server.url,
      // For tests that end a registry: they start a RegistryServer of their own.
      TICKLAKE_TEST_REGISTRY_HOME: home,
    },
    stop: () => server.stop(),
  }
}
