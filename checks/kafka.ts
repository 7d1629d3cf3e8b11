// Loads every recording twice, through the embedded log and through Apache Kafka, and compares the finished tables row
// for row: in each partition of the log the same rows in the same order, and the same refused lines.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { QUARANTINE, QUOTES, type TableDefinition, TRADES } from '#core'
import { Engine, sqlName, sqlString } from '#engine'
import { installKafka, KafkaServer } from '../test/peers/kafka-server.js'
import { AS_BUILT, type ProcessOptions, runTicklake } from '../test/support/ticklake-process.js'
import { loadArguments, RECORDINGS } from './recordings.js'
import { withTemporaryFolder } from './temporary-folder.js'

const version = process.argv[2] ?? '4.4.0'
/** What differs whichever log took a record: when it did, and where it counts on after a transaction's marker. */
const OF_THE_LOG = ['ingest_timestamp', 'received_at', 'log_offset']

async function loadAll(data: string, options: ProcessOptions): Promise<number> {
  const startedMs = Date.now()
  for (const sample of RECORDINGS) await runTicklake(loadArguments(sample, data), options)
  return (Date.now() - startedMs) / 1000
}

/** Where a table has its files, once it has any. */
function dataFolder(data: string, { name }: TableDefinition): string {
  return join(data, 'warehouse', 'market_data', name, 'data')
}

/** The rows of a table's files, each with its place in its partition of the log. */
function placedRows(data: string, definition: TableDefinition): string {
  const files = sqlString(join(dataFolder(data, definition), '**', '*.parquet'))
  const own = definition.columns
    .filter((column) => !OF_THE_LOG.includes(column.name))
    .map((column) => sqlName(column.name))
  return `(SELECT row_number() OVER (PARTITION BY log_partition ORDER BY log_offset) AS place, {${own
    .map((column) => `${sqlString(column.slice(1, -1))}: ${column}`)
    .join(', ')}} AS row, log_partition FROM read_parquet(${files}, hive_partitioning = false))`
}

await withTemporaryFolder(async (folder) => {
  const [embedded, throughKafka] = [join(folder, 'embedded'), join(folder, 'kafka')]
  console.log(`embedded log: loaded in ${(await loadAll(embedded, { program: AS_BUILT })).toFixed(0)} s`)
  const kafka = await KafkaServer.start(await installKafka(version))
  try {
    const settings = { TICKLAKE_KAFKA_BROKERS: kafka.brokers }
    const seconds = await loadAll(throughKafka, { program: AS_BUILT, settings })
    console.log(`Apache Kafka ${kafka.version}: loaded in ${seconds.toFixed(0)} s`)
  } finally {
    await kafka.stop()
  }
  const engine = await Engine.open({
    memoryLimit: '4GB',
    threads: 2,
    tempDirectory: join(folder, 'temp'),
    connections: 1,
  })
  let different = 0
  console.log('| table | rows through the embedded log | through Kafka | rows that differ |')
  console.log('|---|---:|---:|---:|')
  for (const definition of [TRADES, QUOTES, QUARANTINE]) {
    const folders = [embedded, throughKafka].map((data) => dataFolder(data, definition))
    if (!folders.some((path) => existsSync(path))) {
      console.log(`| ${definition.name} | 0 | 0 | 0 |`)
      continue
    }
    const [own, other] = [placedRows(embedded, definition), placedRows(throughKafka, definition)]
    const { columns } = await engine.query(
      `SELECT count(own.place), count(other.place), count(*) FILTER (own.row IS DISTINCT FROM other.row)
       FROM ${own} AS own FULL JOIN ${other} AS other USING (log_partition, place)`,
    )
    const [ownRows, otherRows, differing] = columns.map(([value]) => Number(value))
    console.log(`| ${definition.name} | ${ownRows} | ${otherRows} | ${differing} |`)
    different += differing ?? 0
  }
  await engine.close()
  process.exitCode = different === 0 ? 0 : 1
})
