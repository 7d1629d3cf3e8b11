import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { loadConfig } from '#config'
import { parseExposition } from '../support/exposition.js'
import { IngestFixture } from '../support/ingest-fixture.js'

const { maintenance } = loadConfig({}, { env: {}, isTerminal: false, cores: 2 })
const FLUSH_EACH = { flush: { rows: 1, bytes: 2 ** 30, ageMs: 60_000 } }

let lake: IngestFixture
let folder: string

afterEach(async () => {
  await lake.close()
  await rm(folder, { recursive: true, force: true })
})

const OWN = 'source: trades\nbucket: 1h\nkeys: [exchange, side]\ncolumns: { traded: sum size }\n'

async function ask(method: string, path: string) {
  const response = await fetch(`${lake.url}${path}`, { method })
  // An envelope, or a problem.
  const answer = (await response.json()) as { data?: unknown; meta?: { rollup: string | null } }
  return { status: response.status, data: answer.data ?? answer, meta: answer.meta }
}

/** Asks again until it is so: rollups follow in their own time. */
async function until(path: string, is: (data: readonly Readonly<Record<string, unknown>>[]) => boolean) {
  for (;;) {
    // A list of objects.
    const data = (await ask('GET', path)).data as readonly Readonly<Record<string, unknown>>[]
    if (is(data)) return data
  }
}

test('bars come from rollups, shipped ones and others; jobs, states and metrics tell of them', async () => {
  folder = await mkdtemp(join(tmpdir(), 'ticklake-rollups-'))
  await writeFile(join(folder, 'sides_1h.yaml'), OWN)
  const rollups = { shipped: true, folder }
  lake = await IngestFixture.open({}, { ...FLUSH_EACH, rollups, maintenance: { ...maintenance, everyMs: 0 } })
  for (let number = 0; number < 4; number++) {
    const trade = {
      symbol: 'BHP',
      exchange: 'ASX',
      ts: `2024-03-10T10:00:0${number}Z`,
      price: `${number + 1}.5`,
      size: number + 1,
    }
    expect((await lake.post('trades', 'application/json', JSON.stringify([trade]))).status).toBe(200)
  }
  await until('/admin/tables', ([trades]) => trades?.rows === 4 && trades.rows_in_tail === 0)
  const raw = await ask('GET', '/v1/bars?interval=1m')
  expect(raw.meta?.rollup).toBeNull()
  const known = await until('/admin/rollups', (all) => all.every(({ current }) => current))
  expect(known.map(({ rollup }) => rollup)).toEqual(['bars_1h', 'bars_1m', 'quote_bars_1m', 'sides_1h'])
  expect(known[3]).toMatchObject({
    source: 'trades',
    keys: ['exchange', 'side'],
    columns: { traded: 'sum size' },
  })

  // The first commit was there before the rollups had begun.
  expect((await ask('POST', '/admin/tables/bars_1m/backfill')).status).toBe(202)
  await until('/admin/jobs', (jobs) => jobs[0]?.state === 'done')
  // Or what was read from rows would be given again.
  expect((await ask('DELETE', '/admin/cache')).status).toBe(200)
  const rolled = await ask('GET', '/v1/bars?interval=1m')
  expect(rolled.data).toEqual(raw.data)
  expect(rolled.meta?.rollup).toBe('bars_1m')
  expect((await ask('GET', '/v1/bars?interval=1s')).meta?.rollup).toBeNull()

  expect((await ask('POST', '/admin/tables/bars_1m/audit')).status).toBe(202)
  await until('/admin/jobs', (jobs) => jobs[0]?.state === 'done')
  const metrics = parseExposition(await (await fetch(`${lake.url}/metrics`)).text())
  expect(metrics.get('ticklake_rollup_audits_total{rollup="bars_1m"}')).toBe(1)
  expect(metrics.get('ticklake_rollup_mismatches_total{rollup="bars_1m"}')).toBe(0)
  expect(metrics.get('ticklake_rollup_pending{rollup="bars_1m"}')).toBe(0)
  expect(await ask('POST', '/admin/tables/trades/backfill')).toMatchObject({ status: 400 })
})
