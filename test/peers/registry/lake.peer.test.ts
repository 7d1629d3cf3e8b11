import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { loadConfig } from '#config'
import { createLogger, systemClock, TRADES } from '#core'
import { Lake } from '../../../src/cli/lake.js'
import { avroSchema } from '../../../src/ingest/avro-schema.js'
import { SeededRandom } from '../../support/seeded-random.js'
import { writeTradesFile } from '../../support/trades-file.js'
import { told } from '../told.js'

const url = told('TICKLAKE_TEST_REGISTRY_URL')
const ROW_COUNT = 2_000

let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ticklake-lake-'))
})

afterEach(() => rm(directory, { recursive: true }))

/** A lake on the folder of this test; a registry's URL is all that differs from the defaults. */
async function start(seed: number, registryUrl = url): Promise<Lake> {
  const env = { TICKLAKE_REGISTRY_URL: registryUrl }
  const config = loadConfig(
    { data: join(directory, 'data'), port: '0' },
    { env, isTerminal: false, cores: 2 },
  )
  const logger = createLogger({ level: 'silent', format: 'json' })
  return Lake.start(config, { clock: systemClock, random: new SeededRandom(seed), logger })
}

async function json(address: string): Promise<unknown> {
  return (await fetch(address)).json()
}

test('a whole lake keeps its schemas in the real registry, and goes on with them after a restart', async () => {
  const path = join(directory, 'trades.csv')
  await writeTradesFile(path, { seed: 1, rowCount: ROW_COUNT, symbolCount: 3 })
  const first = await start(1)
  const result = await first.loader.load({ path, fileName: 'trades.csv', format: 'csv-trades', again: false })
  expect(result.accepted).toBe(ROW_COUNT)
  const subject = `${TRADES.topic}-value`
  const registered = await json(`${url}/subjects/${subject}/versions/latest`)
  expect(JSON.parse(Object(registered).schema)).toEqual(avroSchema(TRADES))
  expect(await json(`${url}/config/${subject}`)).toEqual({ compatibilityLevel: 'BACKWARD' })
  expect(await json(`${first.url}/schema-registry/subjects`)).toEqual({
    error_code: 404,
    message: `schemas are not served here: the registry is at ${url}`,
  })
  await first.stop()

  const second = await start(2)
  const again = await second.loader.load({ path, fileName: 'trades.csv', format: 'csv-trades', again: true })
  expect(again.accepted).toBe(ROW_COUNT)
  await second.stop()

  const third = await start(3)
  await third.caughtUp
  expect(await json(`${third.url}/v1/trades/count`)).toMatchObject({ data: { count: 2 * ROW_COUNT } })
  await third.stop()
})

test('without a registry that answers, what is committed is answered, and a load fails with the reason', async () => {
  const path = join(directory, 'trades.csv')
  await writeTradesFile(path, { seed: 2, rowCount: ROW_COUNT, symbolCount: 3 })
  const request = { path, fileName: 'trades.csv', format: 'csv-trades', again: true }
  const first = await start(1)
  await first.loader.load(request)
  await first.stop()

  // Nothing listens on port 2.
  const second = await start(2, 'http://127.0.0.1:2')
  await second.caughtUp
  expect(await json(`${second.url}/v1/trades/count`)).toMatchObject({ data: { count: ROW_COUNT } })
  // It is told before somebody needs the registry; the lake is ready all the same.
  const told = {
    name: 'schema registry',
    failure: expect.stringContaining('http://127.0.0.1:2 cannot be reached'),
  }
  await expect
    .poll(() => json(`${second.url}/health/ready`))
    .toMatchObject({ status: 'ready', breakers: [told] })
  await expect(second.loader.load(request)).rejects.toMatchObject({ code: 'unavailable' })
  await second.stop()
})
