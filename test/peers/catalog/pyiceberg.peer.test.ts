import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseDecimal } from '#core'
import { runScript } from '../script.js'
import { COLUMN_NAMES, FedLake, plain, sumOf } from './fed-lake.js'

const SCRIPT = new URL('pyiceberg_catalog.py', import.meta.url)

let lake: FedLake

beforeAll(async () => {
  lake = await FedLake.open(41)
  for (let bodies = 0; bodies < 10; bodies++) await lake.post()
})

afterAll(() => lake.close())

async function ask(step: string, question: object = {}): Promise<Readonly<Record<string, unknown>>> {
  return Object(await runScript(SCRIPT, { url: lake.url, step, ...question }))
}

/** Everything is asked of PyIceberg, and of the rows that HTTP gives. */
async function expectAgreement(): Promise<void> {
  const rows = await lake.settled()
  const micros = rows.map((row) => BigInt(row.ts_ns) / 1000n).sort((a, b) => (a < b ? -1 : 1))
  const middle = micros[Math.floor(micros.length / 2)]!
  const price = rows[0]!.price
  const isFrom = ({ ts_ns }: { ts_ns: string }) => BigInt(ts_ns) >= middle * 1000n
  const isCheaper = (row: { price: string }) =>
    parseDecimal('price', row.price) < parseDecimal('price', price)
  const theirs = await ask('read', { symbol: 'S1', middle: String(middle), price })
  expect({ ...theirs, price: plain(theirs.price), size: plain(theirs.size) }).toEqual({
    namespaces: expect.arrayContaining(['market_data']),
    tables: expect.arrayContaining(
      ['quarantine', 'quotes', 'sequence_gaps', 'trades'].map((t) => `market_data.${t}`),
    ),
    count: rows.length,
    price: sumOf(rows, 'price'),
    size: sumOf(rows, 'size'),
    filters: {
      symbol: rows.filter(({ symbol }) => symbol === 'S1').length,
      from: rows.filter(isFrom).length,
      before: rows.filter((row) => !isFrom(row)).length,
      both: rows.filter((row) => row.symbol === 'S1' && isFrom(row)).length,
      price: rows.filter(isCheaper).length,
      'no price': 0,
    },
  })
}

test('lists, loads and scans with filters: counts and exact sums are ours', async () => {
  await expectAgreement()
})

test('appends three times while rows come in, and none of either is lost', async () => {
  const batches = [1, 2, 3].map((batch) => lake.trades(`APPENDED-${batch}`, 30 * batch))
  const answer = await lake.during(ask('append', { batches }))
  expect(answer).toEqual({ 'lost races': expect.any(Number) })
  // As soon as the commit is made, before anything is committed from the log.
  const appended = await lake.rows(`&symbols=${batches.map((rows) => rows[0]!.symbol).join(',')}`)
  expect(sumOf(appended, 'size')).toBe(sumOf(batches.flat(), 'size'))
  expect(await lake.settled()).toHaveLength(lake.posted + batches.flat().length)
  await expectAgreement()
})

test('evolves the schema while rows come in: adds, renames and drops a column; tags a snapshot', async () => {
  const rows = lake.trades('NOTED', 3)
  const before = (await lake.settled()).length
  const answer = await lake.during(ask('evolve', { rows }))
  expect(answer).toEqual({
    remarks: [null, null, null, 'noted', 'noted', 'noted'],
    tagged: expect.any(Number),
    now: expect.any(Number),
    columns: COLUMN_NAMES,
  })
  // Rows came in meanwhile.
  expect(answer.tagged).toBeGreaterThanOrEqual(before + rows.length)
  expect(answer.now).toBeGreaterThanOrEqual(Number(answer.tagged) + rows.length)
  expect(await lake.rows('&symbols=NOTED')).toHaveLength(2 * rows.length)
  await expectAgreement()
})

test('is refused what would break ingest, with the reason, as PyIceberg knows it', async () => {
  const answer = await ask('refuse')
  const like = (text: string) => expect.stringContaining(text)
  expect(answer).toEqual({
    drop: like('filled by ticklake and cannot be dropped'),
    rename: like('filled by ticklake and cannot be renamed'),
    create: like('TableAlreadyExistsError'),
    'drop price': like('price of trades, which ingest writes, cannot be dropped'),
    'roll back': like('the rows between would be lost'),
    'drop namespace': like('market_data'),
    'unknown table': like('NoSuchTableError'),
    'unknown namespace': like('NoSuchNamespaceError'),
    'nested namespace': like('BadRequestError'),
  })
  await lake.post()
  await expectAgreement()
})

test('makes, fills, moves and drops tables of its own, which outlast a restart', async () => {
  const rows = [...lake.trades('A', 5), ...lake.trades('B', 6)]
  expect(await ask('own tables', { rows })).toEqual({
    renamed: 12,
    bucketed: 22,
    staged: 11,
    properties: 'test',
    left: [],
    exist: [true, false],
  })
  await expectAgreement()
})
