import { afterAll, beforeAll, expect, test } from 'vitest'
import { runScript } from '../script.js'
import { FedLake, plain, sumOf } from './fed-lake.js'

const SCRIPT = new URL('duckdb_catalog.py', import.meta.url)
const TRADES = 'lake.market_data.trades'
/** DuckDB does not sort what it inserts, and asks to be told that this is known. */
const UNSORTED = 'SET unsafe_iceberg_ignore_sort_order = true'

let lake: FedLake

beforeAll(async () => {
  lake = await FedLake.open(43)
  for (let bodies = 0; bodies < 10; bodies++) await lake.post()
})

afterAll(() => lake.close())

type Rows = readonly (readonly (string | null)[])[]

/** Of each statement its rows, or why it failed. */
async function ask(...statements: readonly string[]): Promise<readonly (Rows | string)[]> {
  const answers: readonly (Rows | string)[] = Object(await runScript(SCRIPT, { url: lake.url, statements }))
  return answers
}

async function cell(statement: string): Promise<string | null | undefined> {
  const [rows] = await ask(statement)
  if (typeof rows === 'string') throw new Error(rows)
  return rows?.[0]?.[0]
}

function timeOf(micros: bigint): string {
  return `make_timestamptz(${micros})`
}

async function expectAgreement(): Promise<void> {
  const rows = await lake.settled()
  const micros = rows.map((row) => BigInt(row.ts_ns) / 1000n).sort((a, b) => (a < b ? -1 : 1))
  const middle = micros[Math.floor(micros.length / 2)]!
  const isFrom = ({ ts_ns }: { ts_ns: string }) => BigInt(ts_ns) >= middle * 1000n
  const count = `SELECT count(*) FROM ${TRADES}`
  const answers = await ask(
    `SELECT count(*), sum(price), sum(size) FROM ${TRADES}`,
    `${count} WHERE symbol = 'S1'`,
    `${count} WHERE exchange_timestamp >= ${timeOf(middle)}`,
    `${count} WHERE exchange_timestamp < ${timeOf(middle)} AND symbol = 'S1'`,
    `${count} WHERE price IS NULL`,
  )
  const [all, ...filtered] = answers.map((answer) => (typeof answer === 'string' ? answer : answer[0]))
  expect([all?.[0], plain(all?.[1]), plain(all?.[2])]).toEqual([
    String(rows.length),
    sumOf(rows, 'price'),
    sumOf(rows, 'size'),
  ])
  expect(filtered).toEqual(
    [
      rows.filter(({ symbol }) => symbol === 'S1'),
      rows.filter(isFrom),
      rows.filter((row) => row.symbol === 'S1' && !isFrom(row)),
      [],
    ].map(({ length }) => [String(length)]),
  )
}

test('reads by ATTACH, with filters: counts and exact sums are ours', async () => {
  const [tables] = await ask(
    "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'market_data' ORDER BY 1",
  )
  const rollups = [['bars_1h'], ['bars_1m'], ['quote_bars_1m']]
  const others = [['corrections'], ['quarantine'], ['quotes'], ['sequence_gaps'], ['trades']]
  expect(tables).toEqual([...rollups, ...others].sort())
  await expectAgreement()
})

test('travels in time, by snapshot and by time', async () => {
  await lake.settled()
  const [snapshots] = await ask(
    `SELECT snapshot_id, timestamp_ms FROM iceberg_snapshots(${TRADES}) ORDER BY sequence_number`,
  )
  const [first] = Object(snapshots) as Rows
  const data: readonly { snapshot_id: string; ts: string }[] = Object(
    await (await fetch(`${lake.url}/v1/snapshots?table=trades`)).json(),
  ).data
  expect(data.map((one) => one.snapshot_id)).toContain(first![0])
  const total = (await lake.rows()).length
  expect(await cell(`SELECT count(*) FROM ${TRADES} AT (VERSION => ${first![0]})`)).toBe('40')
  expect(await cell(`SELECT count(*) FROM ${TRADES} AT (TIMESTAMP => now())`)).toBe(String(total))
})

test('inserts while rows come in; what it inserts is seen at once', async () => {
  const rows = lake.trades('INSERTED', 25)
  const values = rows.map(
    ({ symbol, micros, price, size }) =>
      `('${symbol}', 'MADE', ${timeOf(BigInt(micros))}, ${price}, ${size})`,
  )
  const insert = `INSERT INTO ${TRADES} (symbol, exchange, exchange_timestamp, price, size) VALUES`
  // A commit that lost its race is told so, and made again, as it is with any catalog.
  const inserted = await lake.during(
    (async () => {
      for (;;) {
        const [, answer] = await ask(UNSORTED, `${insert} ${values.join(', ')}`)
        if (typeof answer !== 'string') return answer
        expect(answer).toMatch(/409|CommitFailedException/)
      }
    })(),
  )
  expect(inserted).toEqual([[String(rows.length)]])
  const seen = await lake.rows('&symbols=INSERTED')
  expect(seen).toHaveLength(rows.length)
  expect(sumOf(seen, 'price')).toBe(sumOf(rows, 'price'))
  expect(await lake.settled()).toHaveLength(lake.posted + rows.length)
  await expectAgreement()
})

test('makes, fills, changes and drops tables of its own', async () => {
  const answers = await ask(
    'CREATE SCHEMA lake.ducks',
    'CREATE TABLE lake.ducks.made (a INTEGER, b VARCHAR)',
    "INSERT INTO lake.ducks.made VALUES (1, 'x'), (2, 'y')",
    `CREATE TABLE lake.ducks.selected AS SELECT symbol, count(*) AS n FROM ${TRADES} GROUP BY symbol`,
    `SELECT (SELECT sum(n) FROM lake.ducks.selected) = (SELECT count(*) FROM ${TRADES})`,
    'DELETE FROM lake.ducks.made WHERE a = 1',
    "UPDATE lake.ducks.made SET b = 'z' WHERE a = 2",
    'SELECT a, b FROM lake.ducks.made',
    'ALTER TABLE lake.ducks.made ADD COLUMN c BIGINT',
    'DROP TABLE lake.ducks.selected',
  )
  const done: Rows = []
  expect(answers).toEqual([
    done,
    done,
    [['2']],
    [[expect.any(String)]],
    [['True']],
    [['1']],
    [['1']],
    [['2', 'z']],
    done,
    done,
  ])
  await lake.settled()
  expect(await ask('SELECT a, b, c FROM lake.ducks.made')).toEqual([[['2', 'z', null]]])
  expect(await ask('DROP TABLE lake.ducks.made', 'DROP SCHEMA lake.ducks')).toEqual([done, done])
})

test('is refused what would break ingest, with the reason', async () => {
  const two =
    "(symbol, exchange, exchange_timestamp) VALUES ('TWO', 'MADE', TIMESTAMPTZ '2024-08-31 10:00:00+00')"
  const answers = await ask(
    UNSORTED,
    `DROP TABLE ${TRADES}`,
    "INSERT INTO lake.market_data.sequence_gaps (symbol) VALUES ('x')",
    `BEGIN`,
    `INSERT INTO ${TRADES} ${two}`,
    `INSERT INTO lake.market_data.quotes ${two}`,
    `COMMIT`,
  )
  expect(answers[1]).toMatch(/filled by ticklake and cannot be dropped/)
  expect(answers[2]).toMatch(/derived from the other tables/)
  expect(answers[6]).toMatch(/a transaction here is of one table/)
  expect(await lake.rows('&symbols=TWO')).toEqual([])
  await expectAgreement()
})
