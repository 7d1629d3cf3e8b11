import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { loadConfig, type Surroundings } from '#config'

const plain: Surroundings = { env: {}, isTerminal: true, cores: 2 }

test('the defaults are valid and resolved', () => {
  const config = loadConfig({}, plain)
  expect(config).toMatchObject({
    data: resolve('data'),
    host: '127.0.0.1',
    port: 8080,
    logging: { level: 'info', format: 'text' },
    flush: { rows: 1_000_000, ageMs: 300_000 },
    engine: { threads: 1 },
  })
})

test('options override variables, variables override defaults', () => {
  const env = {
    TICKLAKE_PORT: '9000',
    TICKLAKE_ENGINE_MEMORY_LIMIT: '512MB',
    TICKLAKE_LOG_MAX_AGE_MS: '0',
  }
  const config = loadConfig({ port: '9001' }, { ...plain, env })
  expect(config.port).toBe(9001)
  expect(config.engine.memoryLimit).toBe('512MB')
  expect(config.log.maxAgeMs).toBe(0)
})

test('without brokers the log is embedded; with them it is on Kafka', () => {
  expect(loadConfig({}, plain).kafka).toBeNull()
  const env = {
    TICKLAKE_KAFKA_BROKERS: 'one:9092, two:9093',
    TICKLAKE_KAFKA_SASL_MECHANISM: 'scram-sha-512',
    TICKLAKE_KAFKA_SASL_USER: 'lake',
    TICKLAKE_KAFKA_SASL_PASSWORD: '1234',
    TICKLAKE_KAFKA_TLS_ENABLED: 'true',
  }
  expect(loadConfig({}, { ...plain, env }).kafka).toEqual({
    brokers: ['one:9092', 'two:9093'],
    group: 'ticklake',
    topicPrefix: '',
    replicationFactor: null,
    acceptLost: '',
    sasl: { mechanism: 'scram-sha-512', username: 'lake', password: '1234' },
    tls: { caFile: '' },
  })
})

test('logs are JSON away from a terminal and in production', () => {
  expect(loadConfig({}, { ...plain, isTerminal: false }).logging.format).toBe('json')
  expect(loadConfig({}, { ...plain, env: { NODE_ENV: 'production' } }).logging.format).toBe('json')
})

test('one core is left free where there are more than two', () => {
  expect(loadConfig({}, { ...plain, cores: 8 }).engine.threads).toBe(7)
  expect(loadConfig({}, { ...plain, cores: 1 }).engine.threads).toBe(1)
})

test.each([
  [{ data: 'a*' }, {}, '--data: "a*" is not the path of a folder without *, ? and [ in it'],
  [{ port: '80800' }, {}, '--port: "80800" is not a whole number from 0 to 65535'],
  [{ port: 'http' }, {}, '--port: "http" is not a whole number from 0 to 65535'],
  [{}, { TICKLAKE_FLUSH_ROWS: '0' }, 'TICKLAKE_FLUSH_ROWS: "0" is not a whole number from 1 to 100000000'],
  [
    {},
    { TICKLAKE_ENGINE_THREADS: 'many' },
    'TICKLAKE_ENGINE_THREADS: "many" is not a whole number from 1 to 1024, or auto',
  ],
  [
    {},
    { TICKLAKE_ENGINE_MEMORY_LIMIT: '2' },
    'TICKLAKE_ENGINE_MEMORY_LIMIT: "2" is not a size such as 512MB or 2GB',
  ],
  [
    {},
    { TICKLAKE_KAFKA_BROKERS: 'localhost' },
    'TICKLAKE_KAFKA_BROKERS: "localhost" is not a list of host:port with commas between',
  ],
  [
    {},
    { TICKLAKE_KAFKA_BROKERS: 'localhost:9092', TICKLAKE_KAFKA_SASL_MECHANISM: 'plain' },
    'kafka.sasl.user: "" is not the name of a user, which the mechanism needs',
  ],
  [{}, { TICKLAKE_LOGGING_LEVEL: 'loud' }, 'TICKLAKE_LOGGING_LEVEL: "loud" is not one of debug, info'],
  [
    {},
    { TICKLAKE_PRESSURE_ELEVATED_LAG: '9', TICKLAKE_PRESSURE_CRITICAL_LAG: '8' },
    'TICKLAKE_PRESSURE_ELEVATED_LAG: "9" is not at most 8, since pressure.criticalLag is 8',
  ],
  [
    {},
    { TICKLAKE_QUERIES_CONCURRENT: '11', UV_THREADPOOL_SIZE: '16' },
    'TICKLAKE_QUERIES_CONCURRENT: "11" is not at most 10: UV_THREADPOOL_SIZE (16) less 6',
  ],
  [
    {},
    { TICKLAKE_QUERIES_LARGE: '10' },
    'TICKLAKE_QUERIES_LARGE: "10" is not at most 9, since queries.concurrent is 10, and one is for small ones',
  ],
  [
    {},
    { TICKLAKE_QUERIES_STREAMED: '7' },
    'TICKLAKE_QUERIES_STREAMED: "7" is not at most 6, since queries.large is 6',
  ],
  [
    {},
    { TICKLAKE_QUERIES_MAX_TIMEOUT_MS: '1000' },
    'queries.timeoutMs: "30000" is not at most 1000, since queries.maxTimeoutMs is 1000',
  ],
  [
    {},
    { TICKLAKE_REGISTRY_URL: 'http://me:secret@registry:8081' },
    'TICKLAKE_REGISTRY_URL: "http://…@registry:8081" is not empty, or where a schema registry is',
  ],
  [
    {},
    { TICKLAKE_REGISTRY_URL: 'localhost:8081' },
    'TICKLAKE_REGISTRY_URL: "localhost:8081" is not empty, or',
  ],
  [{}, { TICKLAKE_PROT: '1' }, 'TICKLAKE_PROT: "1" is not a setting of ticklake'],
  [{ host: '0.0.0.0' }, {}, '--host: "0.0.0.0" is not a loopback address'],
])('a wrong value is named with what would be right: %o %o', (overrides, env, message) => {
  expect(() => loadConfig(overrides, { ...plain, env })).toThrow(message)
})

const FILE = readFileSync(new URL('../config/default.yaml', import.meta.url), 'utf8')

test.each([
  [
    'port:',
    'prot:',
    'config/default.yaml: "prot" is not a setting here; there are data, host, port, logging',
  ],
  ['  rows: ', '  row: ', 'flush: "row" is not a setting here; there are rows, bytes, ageMs'],
  ['  rows: 1000000', '  rows: [1]', 'flush.rows: "[ 1 ]" is not a whole number from 1 to 100000000'],
  ['port:', 'port: [', 'config/default.yaml is no YAML: '],
])('a file that is wrong is named with what would be right: %s → %s', (right, wrong, message) => {
  expect(FILE).toContain(`\n${right}`)
  expect(() => loadConfig({}, plain, FILE.replace(`\n${right}`, `\n${wrong}`))).toThrow(
    expect.objectContaining({ code: 'invalid_input', message: expect.stringContaining(message) }),
  )
})

test('a file without settings is refused, and a line that is no YAML is not told: a password may be in it', () => {
  expect(() => loadConfig({}, plain, '')).toThrow('config/default.yaml: "null" is not settings by name')
  expect(() => loadConfig({}, plain, 'registry:\n  password: "geheim\n')).toThrow(
    expect.objectContaining({ message: expect.not.stringContaining('geheim') }),
  )
})
