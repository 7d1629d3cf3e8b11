import { randomUUID } from 'node:crypto'
import { assert, createLogger, type Logger, systemClock } from '#core'
import { KafkaLog, type KafkaLogOptions } from '../../../src/ingest/log/kafka/kafka-log.js'

const silent: Logger = createLogger({ level: 'silent', format: 'text' })

/** The brokers that the runner has started. */
export function brokers(): string[] {
  const given = process.env.TICKLAKE_TEST_KAFKA_BROKERS
  assert(
    given !== undefined,
    'TICKLAKE_TEST_KAFKA_BROKERS names the brokers: run npm run test:peers -- kafka',
  )
  return given.split(',')
}

/** Options of a log whose topics and group nobody else has. */
export function kafkaOptions(options: Partial<KafkaLogOptions> = {}): KafkaLogOptions {
  const name = randomUUID().slice(0, 8)
  return {
    connection: { brokers: brokers(), sasl: null, tls: null },
    topics: { replicationFactor: null, maxAgeMs: 604_800_000, maxPartitionBytes: 1024 ** 3 },
    topicPrefix: `${name}.`,
    group: `ticklake-${name}`,
    acceptLost: '',
    clock: systemClock,
    logger: silent,
    ...options,
  }
}

const running = new Set<KafkaLog>()

export async function startLog(options: KafkaLogOptions): Promise<KafkaLog> {
  const log = new KafkaLog(options)
  running.add(log)
  await log.start()
  return log
}

/** Stops every log that a test has started. */
export async function stopLogs(): Promise<void> {
  for (const log of running) await log.stop()
  running.clear()
}
