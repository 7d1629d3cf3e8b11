import { join } from 'node:path'
import type { Config } from '#config'
import type { Breaker, Clock, Logger, Service } from '#core'
import { EmbeddedLog, KafkaLog, type Log, type StateStore } from '#ingest'

/** The log of a lake, and what goes with it. */
export interface OpenedLog {
  readonly log: Log
  /** Where an embedded registry keeps its schemas: with the log's records. */
  readonly schemaStore: StateStore
  /** What stands before the brokers; nothing stands before the embedded log. */
  readonly breakers: readonly Breaker[]
}

/** Starts the log that the configuration asks for: on Kafka when it names brokers, else in the data folder. */
export async function openLog(
  config: Config,
  { clock, logger }: { readonly clock: Clock; readonly logger: Logger },
  start: <S extends Service>(service: S) => Promise<S>,
): Promise<OpenedLog> {
  const { maxPartitionBytes, maxAgeMs } = config.log
  if (config.kafka === null) {
    const folder = join(config.data, 'log')
    const log = await start(new EmbeddedLog(folder, clock, { maxPartitionBytes, maxAgeMs }))
    return { log, schemaStore: log.store, breakers: [] }
  }
  const { brokers, sasl, tls, group, topicPrefix, replicationFactor, acceptLost } = config.kafka
  const log = await start(
    new KafkaLog({
      connection: { brokers, sasl, tls },
      topics: { replicationFactor, maxAgeMs, maxPartitionBytes },
      topicPrefix,
      group,
      acceptLost,
      clock,
      logger,
    }),
  )
  return { log, schemaStore: log.schemaStore, breakers: log.breakers }
}
