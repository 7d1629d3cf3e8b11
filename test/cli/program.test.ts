import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { projectRoot } from '../support/tracked-files.js'

interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs the program from its sources, as a process of its own. */
async function ticklake(...words: readonly string[]): Promise<Outcome> {
  const node = ['--conditions=source', '--import', 'tsx', join(projectRoot, 'src/main.cts'), ...words]
  const options = { cwd: projectRoot, env: { PATH: process.env.PATH, TICKLAKE_PORT: '1' } }
  try {
    return { code: 0, ...(await promisify(execFile)(process.execPath, node, options)) }
  } catch (error) {
    // execFile rejects with the outcome of the process.
    const { code, stdout, stderr } = error as Outcome
    return { code, stdout, stderr }
  }
}

const TRADES = [
  'time,symbol,price,size,side',
  '2026-03-02T10:00:00.000001Z,BANO,9.49,100,buy',
  '2026-03-02T10:00:00.000001Z,BANO,9.49,100,buy',
  '2026-03-02T10:00:30Z,BANO,9.50,200,sell',
  '2026-03-02T10:01:00Z,TIVU,free,200,sell',
].join('\n')

let folder: string
let data: string
let file: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ticklake-cli-'))
  data = join(folder, 'data')
  file = join(folder, 'trades.csv')
  await writeFile(file, `${TRADES}\n`)
})

afterAll(() => rm(folder, { recursive: true, force: true }))

describe('a wrong command line ends with 2', () => {
  test.each([
    [['frobnicate'], "error: unknown command 'frobnicate'"],
    [['serve', '--prot', '1'], "error: unknown option '--prot'"],
    [['query', 'trade'], 'Allowed choices are trades, quotes, bars, vwap, asof, snapshot, latest, symbols'],
    [['query', 'trades', '--url', 'http://127.0.0.1:1', '--data', 'd'], 'cannot be used with option'],
    [['load', 'a.csv'], "required option '--format <name>' not specified"],
    [['serve', '--port', '80800'], 'error: --port: "80800" is not a whole number from 0 to 65535'],
    [['serve', '--host', '0.0.0.0'], 'error: --host: "0.0.0.0" is not a loopback address'],
    [
      ['query', 'trades', '--interval', '5m'],
      'error: --interval: "5m" is not for trades: it is an option of bars, vwap',
    ],
    [
      ['query', 'bars', '--max-age', '5m'],
      'error: --max-age: "5m" is not for bars: it is an option of asof, snapshot',
    ],
    [['query', 'symbols', '--data', 'nowhere'], 'error: --data: "nowhere" is not a data folder'],
    [
      ['load', 'a.csv', '--format', './nowhere.sql'],
      '--format: "./nowhere.sql" is not an SQL file that can be read',
    ],
    [['query', 'trades', '--limit', 'all'], 'error: --limit: "all" is not a whole number of rows from 1'],
  ])('%j', async (words, message) => {
    const { code, stderr } = await ticklake(...words)
    expect(stderr).toContain(message)
    expect(stderr).not.toMatch(/^\s+at /m)
    expect(code).toBe(2)
  })
})

test('without a server, a command says how to start one and ends with 1', async () => {
  const { code, stderr } = await ticklake('query', 'trades')
  expect(stderr).toContain('no server answers at http://127.0.0.1:1: start one with `ticklake serve`')
  expect(code).toBe(1)
})

test('a file is loaded, committed and found again by later processes', async () => {
  const loaded = await ticklake(
    'load',
    file,
    '--format',
    'csv-trades',
    '--exchange',
    'X',
    '--data',
    data,
    '--json',
  )
  expect(loaded.stderr).toBe('')
  const report = JSON.parse(loaded.stdout)
  expect(report).toMatchObject({
    file,
    already_loaded: false,
    rows_read: 4,
    accepted: 3,
    quarantined: 1,
    skipped: 0,
    quarantine_reasons: { not_a_number: 1 },
  })
  expect(report.source_id).toMatch(/^[0-9a-z]{12}$/)
  expect(report.snapshot_id).toMatch(/^\d+$/)

  const bars = await ticklake(
    'query',
    'bars',
    '--data',
    data,
    '--output',
    'csv',
    '--fields',
    'symbol,open,close,volume',
  )
  expect(bars.stdout).toBe('symbol,open,close,volume\r\nBANO,9.49,9.5,400\r\n')

  const again = await ticklake('load', file, '--format', 'csv-trades', '--exchange', 'X', '--data', data)
  expect(again.stdout).toContain('was loaded before (3 rows); nothing done')

  const tables = await ticklake('tables', '--data', data, '--output', 'json')
  expect(JSON.parse(tables.stdout)).toMatchObject([
    { table: 'trades', rows: 3, rows_in_tail: 0, snapshots: 1 },
    { table: 'quotes', rows: 0, snapshots: 0 },
    { table: 'quarantine', rows: 1, snapshots: 1 },
    { table: 'corrections', rows: 0, snapshots: 0 },
    { table: 'sequence_gaps', rows: 0, snapshots: 0, offsets: [] },
    { table: 'bars_1h', offsets: [] },
    { table: 'bars_1m', offsets: [] },
    { table: 'quote_bars_1m', offsets: [] },
  ])
})

test('what the lake refuses is told as the option that it came from', async () => {
  const { code, stderr } = await ticklake('query', 'bars', '--interval', '7x', '--data', data)
  expect(stderr).toBe('error: --interval: "7x" is not an interval from 1s to 1d, such as 1s, 5m, 1h or 1d\n')
  expect(code).toBe(2)
})

test('an answer without rows says so, beside the names of its columns', async () => {
  const { code, stdout, stderr } = await ticklake('query', 'trades', '--symbols', 'NONE', '--data', data)
  expect(stdout).toMatch(/^ts +exchange +symbol +price/)
  expect(stderr).toBe('no rows: `ticklake query symbols` shows what there is\n')
  expect(code).toBe(0)
})

test('a file of which not one row is taken is no success', async () => {
  const words = ['--format', 'asx-trades', '--symbol', 'X', '--data', join(folder, 'wrong')]
  const { code, stdout, stderr } = await ticklake('load', file, ...words)
  expect(stdout).toContain('5 to quarantine (wrong_column_count 5)')
  expect(stderr).toBe(`error: ${file}: not one row was taken: is this the right --format?\n`)
  expect(code).toBe(1)
})

test('a data folder that cannot be used is named, with the reason', async () => {
  const { code, stderr } = await ticklake('serve', '--port', '0', '--data', file)
  expect(stderr).toMatch(/^error: cannot use .*trades[.]csv as data folder: EEXIST/)
  expect(code).toBe(1)
})

test.runIf(existsSync('/proc/self'))('one whose parents cannot be made is named too', async () => {
  const { code, stderr } = await ticklake('serve', '--port', '0', '--data', '/proc/absent/lake')
  expect(stderr).toMatch(/^error: cannot use [/]proc[/]absent[/]lake as data folder: ENOENT/)
  expect(code).toBe(1)
})

test('a file that fails is named, the others are loaded, and the command ends with 1', async () => {
  const missing = join(folder, 'missing.csv')
  const words = ['--format', 'csv-trades', '--exchange', 'Y', '--data', join(folder, 'other')]
  const { code, stdout, stderr } = await ticklake('load', missing, file, ...words)
  expect(code).toBe(1)
  expect(stderr).toContain(`error: ${missing}: no such file or directory\n`)
  expect(stderr).toContain('error: 1 of 2 files failed')
  expect(stdout).toContain(`${file}: 3 rows`)
})
