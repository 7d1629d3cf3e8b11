import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { loadConfig } from '#config'
import { createLogger, systemClock, TRADES } from '#core'
import { Lake } from '../../../src/cli/lake.js'
import { SeededRandom } from '../../support/seeded-random.js'
import { writeTradesFile } from '../../support/trades-file.js'
import { runScript } from '../script.js'
import { told } from '../told.js'
import { FOREIGN_SCHEMA, foreignTrade } from './foreign-trades.js'

const ROW_COUNT = 1_000
const brokers = told('TICKLAKE_TEST_KAFKA_BROKERS')

type Texts = Readonly<Record<string, string | null>>

let directory: string
let lake: Lake

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ticklake-python-'))
  const env = { TICKLAKE_KAFKA_BROKERS: brokers, TICKLAKE_QUALITY_DEDUPE_TRADES: 'message_id' }
  const config = loadConfig(
    { data: join(directory, 'data'), port: '0' },
    { env, isTerminal: false, cores: 2 },
  )
  const logger = createLogger({ level: 'silent', format: 'json' })
  lake = await Lake.start(config, { clock: systemClock, random: new SeededRandom(1), logger })
  await lake.caughtUp
})

afterEach(async () => {
  await lake.stop()
  await rm(directory, { recursive: true })
})

async function rows(query: string): Promise<Texts[]> {
  const response = await fetch(
    `${lake.url}/v1/trades?limit=10000&fields=symbol,ts_ns,price,size,message_id${query}`,
  )
  const { data }: { data: Texts[] } = Object(await response.json())
  return data
}

test('a Python consumer decodes our topic by the registry routes; a Python producer sends rows, some twice, and each arrives once', async () => {
  const path = join(directory, 'trades.csv')
  await writeTradesFile(path, { seed: 3, rowCount: ROW_COUNT, symbolCount: 5 })
  await lake.load({ path, fileName: 'trades.csv', format: 'csv-trades', again: false }).ended
  // Those that come again are within what is remembered; the last of them all is new.
  const sent = [0, 1, 2, 1, 0, 3, 3, 4].map((number) => foreignTrade(number, `${number + 40}.25`))
  const answer = await runScript(new URL('kafka_trades.py', import.meta.url), {
    url: `${lake.url}/schema-registry`,
    brokers,
    topic: TRADES.topic,
    count: ROW_COUNT,
    schema: FOREIGN_SCHEMA,
    records: sent,
  })
  const { seen }: { seen: Texts[] } = Object(answer)

  const ours = await rows('&exchange=MADE')
  expect(ours).toHaveLength(ROW_COUNT)
  const byId = new Map(ours.map((row) => [row.message_id, row]))
  for (const record of seen) {
    const row = byId.get(`${record.source}:${record.source_row}`)
    expect(row).toMatchObject({
      symbol: record.symbol,
      price: withoutZeros(record.price),
      size: withoutZeros(record.size),
      ts_ns: `${record.exchange_timestamp}${String(record.exchange_nanos).padStart(3, '0')}`,
    })
    expect(record.key).toBe(record.symbol)
  }
  expect(new Set(seen.map((record) => record.source_row)).size).toBe(ROW_COUNT)

  let theirs = await rows('&exchange=ASX')
  while (!theirs.some((row) => row.message_id === 'python 4')) {
    await setImmediate()
    theirs = await rows('&exchange=ASX')
  }
  expect(theirs.map((row) => [row.message_id, row.price])).toEqual(
    [0, 1, 2, 3, 4].map((number) => [`python ${number}`, `${number + 40}.25`]),
  )
  // The field that their schema has besides became a column: theirs have it, ours have nothing there.
  const moods = (await rows(',mood')).map((row) => [row.message_id?.split(' ')[0] === 'python', row.mood])
  expect(new Set(moods.map((mood) => JSON.stringify(mood)))).toEqual(
    new Set([JSON.stringify([true, 'calm']), JSON.stringify([false, null])]),
  )
  const versions = await (
    await fetch(`${lake.url}/schema-registry/subjects/${TRADES.topic}-value/versions`)
  ).json()
  expect(versions).toEqual([1, 2])
})

function withoutZeros(decimal: string | null | undefined): string {
  return (decimal ?? '').replace(/\.?0+$/, '')
}
