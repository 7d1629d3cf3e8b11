import { randomUUID } from 'node:crypto'
import kafkajs from 'kafkajs'
import { assert, createLogger, type Logger, systemClock } from '#core'
import { KafkaLog, type KafkaLogOptions } from '../../../src/ingest/log/kafka/kafka-log.js'

/** What the runner tells: see `suites.ts`. */
export function told(name: string): string {
  const value = process.env[name]
  assert(value !== undefined, `${name} is set: run this by npm run test:peers -- kafka`)
  return value
}

export const silent: Logger = createLogger({ level: 'silent', format: 'text' })

/** Options of a log whose topics and group nobody else has. */
export function kafkaOptions(options: Partial<KafkaLogOptions> = {}): KafkaLogOptions {
  const name = randomUUID().slice(0, 8)
  const { connection } = options
  return {
    connection: connection ?? { brokers: [told('TICKLAKE_TEST_KAFKA_BROKERS')], sasl: null, tls: null },
    topics: { replicationFactor: null, maxAgeMs: 604_800_000, maxPartitionBytes: 1024 ** 3 },
    topicPrefix: `${name}.`,
    group: `ticklake-${name}`,
    acceptLost: '',
    clock: systemClock,
    logger: silent,
    ...options,
  }
}

const running = new Set<{ stop(): Promise<void> }>()

export async function startLog(options: KafkaLogOptions): Promise<KafkaLog> {
  const log = new KafkaLog(options)
  running.add(log)
  await log.start()
  return log
}

/** Somebody else on the same brokers, with kafkajs as it is. */
export function foreign({ connection }: KafkaLogOptions): kafkajs.Kafka {
  return new kafkajs.Kafka({
    clientId: 'foreign',
    brokers: [...connection.brokers],
    logLevel: kafkajs.logLevel.NOTHING,
  })
}

/** Somebody else who administers the brokers. */
export async function foreignAdmin(options: KafkaLogOptions): Promise<kafkajs.Admin> {
  const admin = foreign(options).admin()
  running.add({ stop: () => admin.disconnect() })
  await admin.connect()
  return admin
}

/** Somebody else who produces, in transactions if an id is given. */
export async function foreignProducer(
  options: KafkaLogOptions,
  transactionalId?: string,
): Promise<kafkajs.Producer> {
  const producer = foreign(options).producer({
    createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
    ...(transactionalId && { transactionalId, idempotent: true, maxInFlightRequests: 1 }),
  })
  running.add({ stop: () => producer.disconnect() })
  await producer.connect()
  return producer
}

/** Stops everything that a test has started. */
export async function stopAll(): Promise<void> {
  for (const service of running) await service.stop()
  running.clear()
}
