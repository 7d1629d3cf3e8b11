import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadConfig } from '#config'
import { createLogger, systemClock } from '#core'
import { Lake } from '../../src/cli/lake.js'
import { type Exposition, parseExposition } from '../support/exposition.js'
import { SeededRandom } from '../support/seeded-random.js'

let data: string
let lake: Lake

beforeEach(async () => {
  data = await mkdtemp(join(tmpdir(), 'ticklake-metrics-'))
  lake = await startLake()
})

afterEach(async () => {
  await lake.stop()
  await rm(data, { recursive: true })
})

async function startLake(): Promise<Lake> {
  const config = loadConfig({ data, port: '0' }, { env: {}, isTerminal: false, cores: 2 })
  const logger = createLogger({ level: 'silent', format: 'json' })
  const started = await Lake.start(config, { clock: systemClock, random: new SeededRandom(1), logger })
  await started.caughtUp
  return started
}

async function scrape(): Promise<Exposition> {
  const response = await fetch(`${lake.url}/metrics`)
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  return parseExposition(await response.text())
}

async function load(lines: readonly string[]): Promise<void> {
  const path = join(data, 'trades.csv')
  await writeFile(path, ['symbol,exchange,time,price,size', ...lines].join('\n'))
  await lake.load({ path, fileName: 'trades.csv', format: 'csv-trades', again: true }).ended
}

const good = (row: number) => `S${row % 3},X,${1_700_000_000_000 + row},${row + 1}.25,${row + 1}`
const LINES = [
  ...Array.from({ length: 100 }, (_, row) => good(row)),
  'S0,X,soon,1,1',
  'S1,X,1700000000000,dear,1',
  'S2,X,1700000000000,cheap,1',
]

describe('a scrape', () => {
  test('counts what was loaded: accepted, refused by reason, flushed', async () => {
    await load(LINES)
    const metrics = await scrape()
    expect(metrics.get('ticklake_rows_total{table="trades"}')).toBe(100)
    expect(metrics.get('ticklake_rows_total{table="quotes"}')).toBe(0)
    expect(metrics.get('ticklake_rows_total{table="quarantine"}')).toBe(3)
    expect(metrics.get('ticklake_quarantined_rows_total{reason="not_a_time",table="trades"}')).toBe(1)
    expect(metrics.get('ticklake_quarantined_rows_total{reason="not_a_number",table="trades"}')).toBe(2)
    expect(metrics.get('ticklake_flushes_total{table="trades"}')).toBe(1)
    expect(metrics.get('ticklake_flushed_rows_total{table="trades"}')).toBe(100)
    expect(metrics.get('ticklake_flush_failures_total{table="trades"}')).toBe(0)
    expect(metrics.get('ticklake_flush_write_seconds_total{table="trades"}')).toBeGreaterThan(0)
    expect(metrics.get('ticklake_flush_commit_seconds_total{table="trades"}')).toBeGreaterThan(0)
    await load(LINES)
    const later = await scrape()
    expect(later.get('ticklake_rows_total{table="trades"}')).toBe(200)
    expect(later.get('ticklake_quarantined_rows_total{reason="not_a_number",table="trades"}')).toBe(4)
    expect(later.get('ticklake_flushes_total{table="trades"}')).toBe(2)
  })

  test('says how far the tables are, and how the lake is', async () => {
    const before = await scrape()
    expect(before.has('ticklake_snapshot_age_seconds{table="trades"}')).toBe(false)
    await load(LINES)
    const metrics = await scrape()
    expect(metrics.get('ticklake_lag_records{table="trades"}')).toBe(0)
    expect(metrics.get('ticklake_lag_seconds{table="trades"}')).toBe(0)
    expect(metrics.get('ticklake_tail_rows{table="trades"}')).toBe(0)
    expect(metrics.get('ticklake_tail_fill_ratio{table="trades"}')).toBe(0)
    expect(metrics.get('ticklake_snapshot_age_seconds{table="trades"}')).toBeGreaterThanOrEqual(0)
    expect(metrics.get('ticklake_consumer_failed{table="trades"}')).toBe(0)
    expect(metrics.get('ticklake_pressure{state="normal"}')).toBe(1)
    expect(metrics.get('ticklake_pressure{state="critical"}')).toBe(0)
    expect(metrics.get('ticklake_loads{state="running"}')).toBe(0)
    expect(metrics.get('nodejs_heap_size_used_bytes')).toBeGreaterThan(0)
    expect(metrics.get('process_resident_memory_bytes')).toBeGreaterThan(0)
  })

  test('counts answers by route and status, with the time that they took', async () => {
    const count = (metrics: Exposition, status: number) =>
      metrics.get(`ticklake_query_seconds_count{path="/v1/trades",status="${status}"}`)
    expect(count(await scrape(), 200)).toBeUndefined()
    for (const limit of [1, 2, 0]) await (await fetch(`${lake.url}/v1/trades?limit=${limit}`)).text()
    const metrics = await scrape()
    expect([count(metrics, 200), count(metrics, 400)]).toEqual([2, 1])
    expect(metrics.get('ticklake_query_seconds_sum{path="/v1/trades",status="200"}')).toBeGreaterThan(0)
  })

  test('begins anew with the process: what is committed is not counted again', async () => {
    await load(LINES)
    await lake.stop()
    lake = await startLake()
    const metrics = await scrape()
    expect(metrics.get('ticklake_rows_total{table="trades"}')).toBe(0)
    expect(metrics.get('ticklake_snapshot_age_seconds{table="trades"}')).toBeGreaterThanOrEqual(0)
  })
})

test('/health/ready tells what the metrics tell', async () => {
  await load(LINES)
  const response = await fetch(`${lake.url}/health/ready`)
  expect(response.status).toBe(200)
  const calm = {
    lag_records: 0,
    lag_seconds: 0,
    tail_rows: 0,
    tail_fill: 0,
    failure: null,
    stalled: null,
    flush_failure: null,
  }
  expect(await response.json()).toEqual({
    status: 'ready',
    pressure: 'normal',
    tables: ['trades', 'quotes', 'quarantine', 'corrections'].map((table) => ({ table, ...calm })),
    breakers: [],
  })
})
