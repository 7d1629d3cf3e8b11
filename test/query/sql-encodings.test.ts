import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { tableFromIPC } from 'apache-arrow'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sqlName, sqlString } from '#engine'
import type { Answer, Encoding } from '#query'
import { arrowRows, arrowStream, jsonRow, type TextRow } from '../support/arrow-rows.js'
import { eventRows } from '../support/event-rows.js'
import { type LakeFixture, openLakeFixture } from '../support/lake-fixture.js'
import { SeededRandom } from '../support/seeded-random.js'
import { withTexts } from '../support/text-router.js'

let lake: LakeFixture
beforeEach(async () => {
  lake = await openLakeFixture()
})
afterEach(() => {
  expect(lake.trades.pinCount + lake.quotes.pinCount, 'every version is released').toBe(0)
  lake.close()
})

const answerTo = (sql: string, limit: number | null, encoding: Encoding) =>
  lake.sql.answer({ sql, parameters: {}, limit }, { encoding })

/** An expression, the type that Arrow has for it, and its value as a text. */
const TYPED: readonly [string, string, string][] = [
  ['true', 'Bool', 'true'],
  ['(-7)::TINYINT', 'Int64', '-7'],
  ['4294967295::UINTEGER', 'Int64', '4294967295'],
  ['9223372036854775807::BIGINT', 'Int64', '9223372036854775807'],
  ['18446744073709551615::UBIGINT', 'Decimal[20e0]', '18446744073709551615'],
  ['sum(9223372036854775807::BIGINT) OVER ()', 'Decimal[38e0]', '18446744073709551614'],
  ['-1.50::DECIMAL(3, 2)', 'Decimal[10e+2]', '-1.5'],
  ['36.67::DECIMAL(18, 8)', 'Decimal[18e+8]', '36.67'],
  ['(-0.000000001)::DECIMAL(38, 9)', 'Decimal[38e+9]', '-0.000000001'],
  ['0.25::FLOAT', 'Float64', '0.25'],
  ['1e-7', 'Float64', '1e-7'],
  ['\'株式会社 "a", b\'', 'Utf8', '株式会社 "a", b'],
  ["DATE '1969-12-31'", 'Date32<DAY>', '1969-12-31'],
  ["TIMESTAMPTZ '2020-01-02 03:04:05.000006Z'", 'Timestamp<MICROSECOND, UTC>', '2020-01-02T03:04:05.000006Z'],
  ["'2020-01-02 03:04:05.678'::TIMESTAMP_MS", 'Timestamp<MICROSECOND>', '2020-01-02T03:04:05.678000Z'],
  ["'2020-01-01 00:00:00.123456789'::TIMESTAMP_NS", 'Timestamp<NANOSECOND, UTC>', '1577836800123456789'],
  ["TIME '09:30:00'", 'Utf8', '09:30:00'],
  ["'\\x00\\xFF'::BLOB", 'Utf8', 'AP8='],
  ['[1.50, NULL]', 'Utf8', '["1.5",null]'],
  ["{'a': 1, 'b': [2.0]}", 'Utf8', '{"a":1,"b":["2"]}'],
  ["MAP {'k': 3}", 'Utf8', '[{"key":"k","value":3}]'],
  ["to_json({'a': 1})", 'Utf8', '{"a":1}'],
]
const VALUES = TYPED.map(([, , text], index): [string, string] => [`v${index}`, text])
const NULLS = VALUES.map(([name]): [string, null] => [name, null])
const TYPED_SQL = `WITH v AS (SELECT ${TYPED.map(([sql], index) => `${sql} AS v${index}`).join(', ')} FROM range(2))
  SELECT * FROM v WHERE false UNION ALL (SELECT * FROM v LIMIT 1) UNION ALL SELECT ${NULLS.map(() => 'NULL').join(', ')}`

describe.each([10, null])('in every encoding, limit %s,', (limit) => {
  test('values are exact, and have types where the encoding has them', async () => {
    const rows = [Object.fromEntries(VALUES), Object.fromEntries(NULLS)]
    const arrow = await arrowStream(await answerTo(TYPED_SQL, limit, 'arrow'))
    expect(tableFromIPC(arrow).schema.fields.map(({ type }) => String(type))).toEqual(
      TYPED.map(([, type]) => type),
    )
    expect(arrowRows(arrow)).toEqual(rows)
    const parquet = await parquetColumns(await answerTo(TYPED_SQL, limit, 'parquet'))
    expect(parquet.map(({ name }) => name)).toEqual(NULLS.map(([name]) => name))
    expect(parquet.map(({ type }) => type)).toEqual(TYPED.map(([, type]) => PARQUET_TYPES[type] ?? type))
    const texts = await withTexts(await answerTo(TYPED_SQL, limit, 'ndjson'))
    expect(texts.rows).toHaveLength(2)
    expect(jsonRow(texts.rows[1]!)).toEqual(rows[1])
  })

  test('rows are the same, in their order', async () => {
    const random = new SeededRandom(5)
    await lake.trades.addCommitted(eventRows(random, 60, 0, 'trades'))
    await lake.trades.add(eventRows(random, 60, 60, 'trades'))
    const sql = `SELECT t.symbol, price, g, exchange_timestamp AS at FROM trades t, range(40) r(g)
      ORDER BY exchange_timestamp DESC, t.symbol, price, g`
    const expected = (await withTexts(await answerTo(sql, 50_000, 'ndjson'))).rows.map(jsonRow)
    expect(expected).toHaveLength(4_800)
    const shown = expected.slice(0, limit ?? expected.length)
    const complete = limit === null
    const json = await withTexts(await answerTo(sql, limit, 'json'))
    expect([json.rows.map(jsonRow), json.complete]).toEqual([shown, complete])
    const csv = await withTexts(await answerTo(sql, limit, 'csv'))
    expect([csv.rows, csv.complete]).toEqual([shown.map(csvRow), complete])
    const arrow = await answerTo(sql, limit, 'arrow')
    expect([arrowRows(await arrowStream(arrow)), arrow.complete]).toEqual([shown, complete])
    const parquet = await answerTo(sql, limit, 'parquet')
    expect(parquet.complete).toBe(complete)
    const symbols = (await parquetColumns(parquet))[0]?.texts
    expect(symbols).toEqual(shown.map(({ symbol }) => symbol))
  })

  test('any text is the name of a column, and no two are alike', async () => {
    const hostile = `a'")) TO '/tmp/x' (FORMAT csv); --`
    const names = ['a', 'a_1', 'A_1_1', hostile, ' ', 'x,y']
    const sql = `SELECT 1 AS a, 2 AS a, 3 AS "A_1", ${names.slice(3).map((name) => `4 AS ${sqlName(name)}`)}`
    const answer = await answerTo(sql, limit, 'arrow')
    expect(answer.fields).toEqual(names)
    expect(Object.keys(arrowRows(await arrowStream(answer))[0] ?? {})).toEqual(names)
    const parquet = await parquetColumns(await answerTo(sql, limit, 'parquet'))
    expect(parquet.map(({ name }) => name)).toEqual(names)
    const [row] = (await withTexts(await answerTo(sql, limit, 'ndjson'))).rows
    expect(Object.keys(jsonRow(row ?? '{}'))).toEqual(names)
  })

  test.each(['arrow', 'parquet'] as const)(
    'what has no type of its size is refused, as %s',
    async (encoding) => {
      for (const [value, said] of [
        ["'infinity'::TIMESTAMP", 'infinity is no time'],
        ["'-infinity'::DATE", 'infinity is no time'],
        ['170141183460469231731687303715884105727', 'DECIMAL\\(38,0\\)'],
      ] as const) {
        await expect(answerTo(`SELECT ${value} AS v`, limit, encoding)).rejects.toMatchObject({
          code: 'invalid_input',
          message: expect.stringMatching(said),
        })
      }
    },
  )
})

test('what is wrong beyond the first rows is no end of a page', async () => {
  const sql =
    "SELECT (CASE WHEN g < 49000 THEN '1' ELSE 'x' END)::INTEGER AS i, filler FROM range(50000) t(g), (SELECT 'a long text, so that few rows fill what DuckDB reads ahead' AS filler)"
  for (const encoding of ['json', 'arrow', 'parquet'] as const) {
    await expect(answerTo(sql, 50_000, encoding)).rejects.toMatchObject({ code: 'invalid_input' })
  }
})

describe('an answer that is streamed', () => {
  test.each(['json', 'ndjson', 'csv', 'arrow'] as const)(
    'is an error where its later rows cannot be computed, never a shorter one, as %s',
    async (encoding) => {
      await lake.trades.addCommitted(eventRows(new SeededRandom(1), 40, 0, 'trades'))
      const sql = `SELECT t.symbol, (CASE WHEN g < 24000 THEN '1' ELSE 'x' END)::INTEGER AS i
        FROM range(25000) r(g), trades t`
      const { data } = await answerTo(sql, null, encoding)
      const reading = (async () => {
        let bytes = 0
        for await (const part of data) bytes += part.length
        return bytes
      })()
      await expect(reading).rejects.toMatchObject({
        code: 'invalid_input',
        message: expect.stringMatching("Could not convert string 'x'"),
      })
      await data.close()
      expect(lake.limits.status().running).toEqual({ small: 0, large: 0, streamed: 0 })
      expect((await withTexts(await answerTo('SELECT 1 AS a', 1, 'ndjson'))).rows).toEqual(['{"a":1}'])
    },
  )

  test.each(['ndjson', 'arrow'] as const)(
    'holds its versions until it is read or closed, as %s',
    async (encoding) => {
      await lake.trades.addCommitted(eventRows(new SeededRandom(1), 40, 0, 'trades'))
      await lake.quotes.add(eventRows(new SeededRandom(2), 40, 0, 'quotes'))
      const sql = 'SELECT t.symbol FROM trades t, quotes, range(100)'
      for (const isRead of [true, false]) {
        const { data } = await answerTo(sql, null, encoding)
        expect([lake.trades.pinCount, lake.quotes.pinCount]).toEqual([1, 1])
        if (isRead) await data.bytes()
        else await data.close()
        expect([lake.trades.pinCount, lake.quotes.pinCount]).toEqual([0, 0])
      }
    },
  )

  test('is cut off by no number of bytes', async () => {
    const answer = await answerTo(
      'SELECT string_agg(a.g) AS s FROM range(100000) a(g), range(100) b(g) GROUP BY b.g',
      null,
      'arrow',
    )
    expect((await answer.data.bytes()).length).toBeGreaterThan(40_000_000)
    expect([answer.complete, answer.meta.sql?.cut]).toEqual([true, null])
  })
})

function csvRow(row: TextRow): string {
  return Object.values(row).join(',')
}

/** What DuckDB has of Arrow's types when it reads them from Parquet; their names otherwise. */
const PARQUET_TYPES: Readonly<Record<string, string>> = {
  Bool: 'BOOLEAN',
  Int64: 'BIGINT',
  Float64: 'DOUBLE',
  Utf8: 'VARCHAR',
  'Date32<DAY>': 'DATE',
  'Timestamp<MICROSECOND, UTC>': 'TIMESTAMP WITH TIME ZONE',
  'Timestamp<MICROSECOND>': 'TIMESTAMP',
  'Timestamp<NANOSECOND, UTC>': 'TIMESTAMP_NS',
  'Decimal[20e0]': 'DECIMAL(20,0)',
  'Decimal[38e0]': 'DECIMAL(38,0)',
  'Decimal[10e+2]': 'DECIMAL(10,2)',
  'Decimal[18e+8]': 'DECIMAL(18,8)',
  'Decimal[38e+9]': 'DECIMAL(38,9)',
}

/** The columns of an answer's file, their values as texts. */
async function parquetColumns({ data }: Answer) {
  const file = join(lake.directory, 'back.parquet')
  await writeFile(file, await data.bytes())
  const from = `FROM read_parquet(${sqlString(file)})`
  const described = await lake.engine.query(
    `SELECT column_name, column_type FROM (DESCRIBE SELECT * ${from})`,
  )
  const { columns } = await lake.engine.query(`SELECT COLUMNS(*)::VARCHAR ${from}`)
  return columns.map((texts, index) => ({
    name: described.columns[0]?.[index],
    type: described.columns[1]?.[index],
    texts,
  }))
}
