import { readdir, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { type Config, loadConfig } from '#config'
import { IngestFixture } from '../support/ingest-fixture.js'

const TRADES = 12
const { maintenance: DEFAULTS } = loadConfig({}, { env: {}, isTerminal: false, cores: 2 })
/** Each post becomes a file of its own. */
const FLUSH_EACH = { flush: { rows: 1, bytes: 2 ** 30, ageMs: 60_000 } }

let lake: IngestFixture

afterEach(() => lake.close())

/** A lake whose trades are in as many files as there are. */
async function openLake(maintenance: Partial<Config['maintenance']>): Promise<void> {
  lake = await IngestFixture.open({}, { ...FLUSH_EACH, maintenance: { ...DEFAULTS, ...maintenance } })
  for (let number = 0; number < TRADES; number++) {
    const ts = `2024-03-10T10:00:${String(number).padStart(2, '0')}Z`
    const trade = { symbol: `S${number % 3}`, exchange: 'ASX', ts, price: '1.5', size: number + 1 }
    const { status } = await lake.post('trades', 'application/json', JSON.stringify([trade]))
    expect(status).toBe(200)
    await table(({ rows, rows_in_tail }) => rows === number + 1 && rows_in_tail === 0)
  }
}

async function ask(method: string, path: string, body?: object) {
  const init = { method, ...(body && { body: JSON.stringify(body) }) }
  const response = await fetch(`${lake.url}${path}`, init)
  // An envelope, or a problem.
  const answer = (await response.json()) as { readonly data?: unknown }
  return { status: response.status, location: response.headers.get('location'), body: answer.data ?? answer }
}

interface JobAnswer {
  readonly state: string
  readonly ended_at: string | null
  readonly error: string | null
  readonly report: Readonly<Record<string, unknown>>
}

/** Asks for a job and waits for its end. */
async function run(kind: string, body?: object): Promise<JobAnswer> {
  const { status, location } = await ask('POST', `/admin/tables/trades/${kind}`, body)
  expect(status).toBe(202)
  for (;;) {
    // Of the form of a job.
    const job = (await ask('GET', location!)).body as JobAnswer
    if (job.ended_at !== null) return job
  }
}

interface TableAnswer {
  readonly files: number
  readonly rows: number
  readonly rows_in_tail: number
}

/** Of the table of trades, once it is as it should be. */
async function table(is: (table: TableAnswer) => boolean): Promise<TableAnswer> {
  for (;;) {
    const { body } = await ask('GET', '/admin/tables/trades')
    // Of the form of a table.
    const found = body as TableAnswer
    if (is(found)) return found
  }
}

describe('jobs', () => {
  test('compact a table as was told before, let its history go, and find it sound', async () => {
    await openLake({ everyMs: 0 })
    expect(await table(() => true)).toMatchObject({ files: TRADES, rows: TRADES, snapshots: TRADES })
    const rows = await lake.rows('/v1/trades', TRADES)

    const plan = { files_before: TRADES, files_after: 1, rows: TRADES }
    expect((await ask('GET', '/admin/tables/trades/plan')).body).toMatchObject(plan)
    const compacted = await run('compact')
    expect(compacted).toMatchObject({
      state: 'done',
      error: null,
      report: {
        predicted: { files_before: TRADES, files_after: 1 },
        measured: { files_before: TRADES, files_after: 1, rows: TRADES, passed_over: 0 },
      },
    })
    expect(await table(() => true)).toMatchObject({ files: 1, rows: TRADES, snapshots: TRADES + 1 })
    expect(await lake.rows('/v1/trades', TRADES)).toEqual(rows)
    expect((await ask('GET', '/admin/tables/trades/plan')).body).toMatchObject({ files_before: 0 })

    expect(await run('rewrite-manifests')).toMatchObject({ state: 'done', report: { after: 1, files: 1 } })
    const expired = await run('expire-snapshots', { max_age_ms: 0, min_to_keep: 1 })
    expect(expired).toMatchObject({ state: 'done', report: { snapshots: TRADES + 1 } })
    expect(expired.report.files).toBeGreaterThan(TRADES)
    expect(await table(() => true)).toMatchObject({ files: 1, rows: TRADES, snapshots: 1 })
    expect(await lake.rows('/v1/trades', TRADES)).toEqual(rows)

    const sound = await run('verify')
    expect(sound).toMatchObject({ state: 'done', report: { files: 1, rows: TRADES, problems: [] } })
    expect(await run('remove-orphans')).toMatchObject({
      state: 'done',
      report: { files: [], removed: false },
    })

    // Of the form of jobs.
    const jobs = (await ask('GET', '/admin/jobs')).body as { kind: string }[]
    expect(jobs.map(({ kind }) => kind)).toEqual([
      'remove-orphans',
      'verify',
      'expire-snapshots',
      'rewrite-manifests',
      'compact',
    ])
  })

  test('find a file that is damaged', async () => {
    await openLake({ everyMs: 0 })
    const folder = join(lake.data, 'warehouse/market_data/trades/data')
    const [file] = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.parquet'))
    await truncate(join(folder, file!), 100)
    const { report } = await run('verify')
    expect(report).toMatchObject({ files: TRADES, rows: TRADES - 1 })
    expect(report.problems).toEqual([expect.stringContaining(file!)])
  })

  test('are refused by name and value', async () => {
    await openLake({ everyMs: 0 })
    expect((await ask('POST', '/admin/tables/none/compact')).status).toBe(404)
    expect((await ask('GET', '/admin/tables/none/plan')).status).toBe(404)
    expect((await ask('GET', '/admin/jobs/none')).status).toBe(404)
    expect((await ask('POST', '/admin/jobs/none/cancel')).status).toBe(404)
    const refused = await ask('POST', '/admin/tables/trades/remove-orphans', { older_than_ms: 5 })
    expect(refused).toMatchObject({ status: 400, body: { detail: expect.stringContaining('older_than_ms') } })
    const unknown = await ask('POST', '/admin/tables/trades/compact', { target: 5 })
    expect(unknown.status).toBe(400)
  })
})

test('the policy compacts small files by itself', async () => {
  await openLake({ everyMs: 10, minInputFiles: 3 })
  const { rows } = await table(({ files, rows_in_tail }) => rows_in_tail === 0 && files < TRADES / 2)
  expect(rows).toBe(TRADES)
  expect(await lake.rows('/v1/trades', TRADES)).toHaveLength(TRADES)
})
