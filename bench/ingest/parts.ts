import { mkdir } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { type Config, loadConfig } from '#config'
import { createLogger, systemClock, systemRandom, type TableName } from '#core'
import { Engine } from '#engine'
import { Consumer, EmbeddedRegistry, type Log } from '#ingest'
import { type CatalogServer, type StreamTable, Warehouse } from '#storage'
import { loadCalendars } from '../../src/cli/calendars.js'
import { CALENDARS, inspectionOf } from '../../src/cli/lake.js'
import { openLog } from '../../src/cli/log.js'

export const logger = createLogger({ level: 'warn', format: 'text' })

/** The parts of a lake that bring rows from a log into tables, on default settings. */
export interface Parts {
  readonly config: Config
  readonly engine: Engine
  readonly log: Log
  readonly registry: EmbeddedRegistry
  readonly tables: ReadonlyMap<TableName, StreamTable>
  readonly trades: StreamTable
  readonly catalog: CatalogServer
  consumer(): Consumer
  stop(): Promise<void>
}

/** Opens the log of one folder and the tables of another. */
export async function openParts(logFolder: string, data: string): Promise<Parts> {
  const config = loadConfig({ data })
  const tempDirectory = join(data, 'temp')
  await mkdir(tempDirectory, { recursive: true })
  const engine = await Engine.open({
    ...config.engine,
    connections: config.queries.concurrent,
    tempDirectory,
  })
  const { log, registry } = await openTopics(logFolder, config)
  const warehouse = await Warehouse.open({
    directory: data,
    engine,
    clock: systemClock,
    random: systemRandom,
    logger,
    partitionCount: config.log.partitions,
    flush: config.flush,
    fence: 1,
  })
  await warehouse.start()
  const sessions = await loadCalendars(CALENDARS)
  const { tables } = warehouse
  const trades = tables.get('trades')
  if (!trades) throw new Error('the warehouse has no table of trades')
  return {
    config,
    engine,
    log,
    registry,
    tables,
    trades,
    catalog: warehouse.catalog,
    consumer: () =>
      new Consumer({
        log,
        registry,
        table: trades,
        inspect: inspectionOf(config.quality, sessions, trades, engine, logger),
        clock: systemClock,
        logger,
        unknownWaitMs: 0,
        maxAddedColumns: 0,
      }),
    stop: async () => {
      await warehouse.stop()
      await log.stop()
      await engine.close()
    },
  }
}

/**
 * Opens a log that keeps everything, with the topics of trades, of quotes and of refused records: in the folder, which is named log,
 * or on Kafka when TICKLAKE_KAFKA_BROKERS says so, with topics named after the folder above.
 */
export async function openTopics(
  folder: string,
  config: Config,
): Promise<{ log: Log; registry: EmbeddedRegistry }> {
  const name = basename(dirname(folder))
  const keeping: Config = {
    ...config,
    data: dirname(folder),
    log: { ...config.log, maxPartitionBytes: 2 ** 50 },
    kafka: config.kafka && { ...config.kafka, topicPrefix: `${name}.`, group: name },
  }
  const { log, schemaStore } = await openLog(keeping, { clock: systemClock, logger }, async (service) => {
    await service.start()
    return service
  })
  for (const topic of ['market-data.trades', 'market-data.quotes', 'market-data.quarantine']) {
    await log.createTopic(topic, config.log.partitions)
  }
  return { log, registry: new EmbeddedRegistry(schemaStore) }
}
