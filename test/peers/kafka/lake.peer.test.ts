import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { loadConfig } from '#config'
import { systemClock } from '#core'
import { Lake } from '../../../src/cli/lake.js'
import { SeededRandom } from '../../support/seeded-random.js'
import { type RowsBySymbol, writeTradesFile } from '../../support/trades-file.js'
import { foreignAdmin, kafkaOptions, silent, stopAll, told } from './kafka-fixture.js'

const ROWS = 30_000
/** More than the rows of any symbol. */
const LIMIT = 10_000

const folders: string[] = []
const lakes = new Set<Lake>()

afterEach(async () => {
  for (const lake of lakes) await lake.stop()
  lakes.clear()
  await stopAll()
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true })
})

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ticklake-kafka-lake-'))
  folders.push(folder)
  return folder
}

type Settings = Readonly<Record<string, string>>

/** Settings of a lake on the runner's brokers that shares nothing with others. */
function onKafka(): Settings {
  const { topicPrefix, group } = kafkaOptions()
  return {
    TICKLAKE_KAFKA_BROKERS: told('TICKLAKE_TEST_KAFKA_BROKERS'),
    TICKLAKE_KAFKA_TOPIC_PREFIX: topicPrefix,
    TICKLAKE_KAFKA_GROUP: group,
  }
}

async function startLake(data: string, settings: Settings = {}): Promise<Lake> {
  const config = loadConfig({ data, port: '0' }, { env: settings, isTerminal: false, cores: 2 })
  const surroundings = { clock: systemClock, random: new SeededRandom(1), logger: silent }
  const lake = await Lake.start(config, surroundings)
  lakes.add(lake)
  await lake.caughtUp
  return lake
}

async function stopLake(lake: Lake): Promise<void> {
  lakes.delete(lake)
  await lake.stop()
}

async function load(lake: Lake, path: string, again = false): Promise<void> {
  await lake.load({ path, fileName: 'trades.csv', format: 'csv-trades', again }).ended
}

async function get(lake: Lake, path: string): Promise<string> {
  const response = await fetch(`${lake.url}${path}`)
  expect(response.status, path).toBe(200)
  return response.text()
}

/** Every row of a symbol in its order, without where in the log it is and when it came there. */
async function rowsOf(lake: Lake, symbol: string): Promise<string[]> {
  const query = `symbols=${symbol}&exchange=MADE&limit=${LIMIT}&fields=ts_ns,price,size,side,message_id&format=csv`
  const [, ...rows] = (await get(lake, `/v1/trades?${query}`)).trimEnd().split('\n')
  return rows
}

test('a file loaded through Kafka gives the rows that it gives through the embedded log, once', async () => {
  const path = join(await newFolder(), 'trades.csv')
  const counts: RowsBySymbol = await writeTradesFile(path, { seed: 3, rowCount: ROWS, symbolCount: 5 })
  const embedded = await startLake(await newFolder())
  await load(embedded, path)
  const data = await newFolder()
  const settings = onKafka()
  let lake = await startLake(data, settings)
  await load(lake, path)
  const compare = async () => {
    for (const [symbol, count] of counts) {
      const rows = await rowsOf(lake, symbol)
      expect(rows.length).toBe(count)
      expect(rows).toEqual(await rowsOf(embedded, symbol))
    }
  }
  await compare()
  // Progress is in the log: the file is not loaded twice, by the next process neither.
  await load(lake, path)
  await stopLake(lake)
  lake = await startLake(data, settings)
  await load(lake, path)
  await compare()
})

test('a lake that lost its tables reads everything from Kafka again', async () => {
  const path = join(await newFolder(), 'trades.csv')
  const counts = await writeTradesFile(path, { seed: 4, rowCount: 5_000, symbolCount: 3 })
  const settings = onKafka()
  const first = await startLake(await newFolder(), settings)
  await load(first, path)
  const before = await Promise.all([...counts.keys()].map((symbol) => rowsOf(first, symbol)))
  await stopLake(first)
  const second = await startLake(await newFolder(), settings)
  expect(await Promise.all([...counts.keys()].map((symbol) => rowsOf(second, symbol)))).toEqual(before)
})

test('added partitions: refused by log and tables, taken once they are accepted', async () => {
  const path = join(await newFolder(), 'trades.csv')
  const counts = await writeTradesFile(path, { seed: 5, rowCount: 2_000, symbolCount: 9 })
  const data = await newFolder()
  const settings = onKafka()
  const first = await startLake(data, settings)
  await load(first, path)
  await stopLake(first)
  const prefix = settings.TICKLAKE_KAFKA_TOPIC_PREFIX!
  const admin = await foreignAdmin(kafkaOptions())
  const topics = ['trades', 'quotes', 'quarantine', 'corrections']
  await admin.createPartitions({
    topicPartitions: topics.map((name) => ({ topic: `${prefix}market-data.${name}`, count: 6 })),
  })
  await expect(startLake(data, settings)).rejects.toMatchObject({ code: 'conflict' })
  const wider = { ...settings, TICKLAKE_LOG_PARTITIONS: '6' }
  await expect(startLake(data, wider)).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringContaining('log.acceptAddedPartitions'),
  })
  const lake = await startLake(data, { ...wider, TICKLAKE_LOG_ACCEPT_ADDED_PARTITIONS: 'true' })
  await load(lake, path, true)
  for (const [symbol, count] of counts) expect((await rowsOf(lake, symbol)).length).toBe(2 * count)
})
