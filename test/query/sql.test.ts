import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { formatDecimal, TicklakeError } from '#core'
import type { Encoding } from '#query'
import type { SqlArguments } from '../../src/query/sql-statement.js'
import { eventRows } from '../support/event-rows.js'
import { type LakeFixture, openLakeFixture } from '../support/lake-fixture.js'
import { ROWS } from '../support/request-defaults.js'
import type { Row } from '../support/row-batch.js'
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

const ask = async (sql: string, parameters: SqlArguments = {}, limit = 50_000, encoding: Encoding = 'json') =>
  withTexts(await lake.sql.answer({ sql, parameters, limit }, { encoding }))

const rowsOf = async (sql: string, parameters: SqlArguments = {}) =>
  (await ask(sql, parameters)).rows.map((row): Record<string, unknown> => JSON.parse(row))

async function refusalOf(sql: string, parameters: SqlArguments = {}): Promise<TicklakeError> {
  const error = await ask(sql, parameters).then(
    () => null,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof TicklakeError)) throw new Error(`${sql} is not refused: ${error}`)
  return error
}

/** Each an attempt to get at something else than the tables, and what the refusal says. */
const ESCAPES: [string, string][] = JSON.parse(
  readFileSync(new URL('./sql-escapes.json', import.meta.url), 'utf8'),
)

describe('an escape', () => {
  test.each(ESCAPES)('is refused: %s', async (sql, said) => {
    const error = await refusalOf(sql)
    expect(error.code).toBe('invalid_input')
    expect(error.message).toMatch(new RegExp(said))
  })
})

/** What is allowed, with its rows: no table is needed. */
const ANSWERED: readonly [string, readonly unknown[]][] = [
  ['SELECT 1 AS a;', [{ a: 1 }]],
  [
    "VALUES (1, 'a'), (2, 'b')",
    [
      { col0: 1, col1: 'a' },
      { col0: 2, col1: 'b' },
    ],
  ],
  ["SELECT x FROM (VALUES (1, 'a'), (2, 'b')) v(x, y) ORDER BY x DESC", [{ x: 2 }, { x: 1 }]],
  [
    'SELECT 1.50::DECIMAL(38,9) AS d, 10::DECIMAL(5,0) AS e, 9223372036854775807 AS b',
    [{ d: '1.5', e: '10' }].map((row) => ({ ...row, b: expect.anything() })),
  ],
  ['SELECT 170141183460469231731687303715884105727 AS h', [{ h: '170141183460469231731687303715884105727' }]],
  [
    "SELECT 1e10 AS d, typeof(1e10) AS t, TRY_CAST('nan' AS DOUBLE) AS n",
    [{ d: 1e10, t: 'DOUBLE', n: 'nan' }],
  ],
  [
    "SELECT TIMESTAMPTZ '2020-01-02 03:04:05.000006Z' AS z, TIMESTAMP '2020-01-02 03:04:05' AS l, DATE '2020-01-02' AS d",
    [{ z: '2020-01-02T03:04:05.000006Z', l: '2020-01-02T03:04:05.000000', d: '2020-01-02' }],
  ],
  ["SELECT TIMESTAMP_NS '2020-01-01 00:00:00.123456789' AS n", [{ n: '2020-01-01T00:00:00.123456789' }]],
  ["SELECT NULL AS n, '\\x00\\xFF'::BLOB AS b, true AS t", [{ n: null, b: 'AP8=', t: true }]],
  [
    "SELECT [1.50, NULL] AS l, {'a': [2.50], 'b': NULL} AS s, MAP {'k': 3.0} AS m",
    [{ l: ['1.5', null], s: { a: ['2.5'], b: null }, m: [{ key: 'k', value: '3' }] }],
  ],
  [
    'WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT n FROM r ORDER BY n',
    [{ n: 1 }, { n: 2 }, { n: 3 }],
  ],
  [
    'WITH a AS (SELECT 1 AS x), b AS (SELECT a.x + 1 AS x FROM a) SELECT b.x, a.x AS y FROM a, b',
    [{ x: 2, y: 1 }],
  ],
  ['SELECT g FROM generate_series(1, 3) t(g)', [{ g: 1 }, { g: 2 }, { g: 3 }]],
  [`SELECT '{"a":\n 1}'::JSON AS j, chr(10) AS n`, [{ j: { a: 1 }, n: '\n' }]],
  ['SELECT unnest([1, 2]) AS u', [{ u: 1 }, { u: 2 }]],
  [
    'SELECT list_transform([1, 2], lambda x: x + 1) AS l, [x * 2 for x in [1, 2] if x > 1] AS c',
    [{ l: [2, 3], c: [4] }],
  ],
  ['SELECT 1 AS a, 2 AS a, \'x"y\' AS "q,"', [{ a: 1, a_1: 2, 'q,': 'x"y' }]],
  ['SELECT x, sum(x) OVER (ORDER BY x) AS s FROM (VALUES (1), (2)) v(x) QUALIFY s > 1', [{ x: 2, s: '3' }]],
  [
    "SELECT extract(year FROM TIMESTAMP '2020-01-01') AS y, trim(both 'x' FROM 'xax') AS t, substring('abc' FROM 2) AS s, position('b' IN 'abc') AS p",
    [{ y: 2020, t: 'a', s: 'bc', p: 2 }],
  ],
  [
    "SELECT TIMESTAMPTZ '2020-01-01 00:00:00Z' AT TIME ZONE 'Australia/Sydney' AS l",
    [{ l: '2020-01-01T11:00:00.000000' }],
  ],
]

describe('an answer', () => {
  test.each(ANSWERED)('to %s', async (sql, rows) => {
    expect(await rowsOf(sql)).toEqual(rows)
  })

  test('holds 64 bits exactly as a number', async () => {
    expect((await ask('SELECT 9223372036854775807 AS b, -9223372036854775807 AS c')).rows).toEqual([
      '{"b":9223372036854775807,"c":-9223372036854775807}',
    ])
  })

  test('as CSV quotes what has to be, lists as JSON', async () => {
    const answer = await ask("SELECT 1.50 AS a, NULL AS b, '' AS c, 'x,\"y' AS d, ['p'] AS e", {}, 10, 'csv')
    expect(answer.rows).toEqual(['1.5,,"","x,""y","[""p""]"'])
  })

  test('takes values exactly', async () => {
    const values = { text: '36.67', whole: 3n, large: '9223372036854775807', yes: true, none: null }
    const sql =
      'SELECT $text::DECIMAL(18,8) * $whole AS d, $large::BIGINT = 9223372036854775807 AS l, $yes AS y, $none AS n, typeof($whole) AS t'
    expect(await rowsOf(sql, values)).toEqual([{ d: '110.01', l: true, y: true, n: null, t: 'BIGINT' }])
    expect(await rowsOf("SELECT ? || ? AS s, '?' AS q", { 1: 'a', 2: "b'; --" })).toEqual([
      { s: "ab'; --", q: '?' },
    ])
  })

  test('says that it was cut, by rows and by bytes', async () => {
    const sql = 'SELECT g FROM generate_series(1, 100) t(g)'
    const cut = await ask(sql, {}, 10)
    expect([cut.rows.length, cut.complete, cut.meta.sql?.cut]).toEqual([10, false, 'rows'])
    const whole = await ask(sql, {}, 100)
    expect([whole.rows.length, whole.complete, whole.meta.sql?.cut]).toEqual([100, true, null])
    const large = await ask(
      'SELECT string_agg(a.g) AS s FROM generate_series(1, 100000) a(g), generate_series(1, 100) b(g) GROUP BY b.g',
    )
    expect([large.complete, large.meta.sql?.cut]).toEqual([false, 'bytes'])
    expect(large.rows.length).toBeGreaterThan(10)
  })

  test('keeps the order of a large result', async () => {
    const rows = await rowsOf('SELECT g FROM generate_series(1, 40000) t(g) ORDER BY g DESC')
    expect(rows.map(({ g }) => g)).toEqual(Array.from({ length: 40_000 }, (_, index) => 40_000 - index))
  })
})

describe('what is wrong', () => {
  test.each([
    ['SELECT symbol,\n  pricee\nFROM trades', 'pricee', { offset: 17, line: 2, column: 3 }],
    ["SELECT 'ßß', nope FROM trades", 'nope', { offset: 13, line: 1, column: 14 }],
    ['SELECT *\nFROM trads', 'trads', { offset: 14, line: 2, column: 6 }],
    ['SELECT 1 +\n FROM trades', 'syntax error', { offset: 12, line: 2, column: 2 }],
    ['SELECT symbol FROM trades WHERE nofunction(1)', 'nofunction', { offset: 32, line: 1, column: 33 }],
    ['WITH a AS (SELECT price AS p FROM trades) SELECT q FROM a', '"q"', { offset: 49, line: 1, column: 50 }],
  ])('is told with its place: %s', async (sql, said, position) => {
    const error = await refusalOf(sql)
    expect(error.message).toContain(said)
    expect(error.detail).toMatchObject({ field: 'sql', position })
  })

  test('in values is told too', async () => {
    expect((await refusalOf('SELECT $a', {})).message).toContain('the parameter a has no value')
    expect((await refusalOf('SELECT 1', { a: 'x' })).message).toContain('params: "a"')
    await lake.trades.add(eventRows(new SeededRandom(1), 5, 0, 'trades'))
    expect((await refusalOf('SELECT symbol::INTEGER FROM trades')).message).toContain('Could not convert')
  })

  test('and nested too deeply is refused, not a crash', async () => {
    for (const sql of [`SELECT ${'1+'.repeat(900)}1`, `SELECT ${'('.repeat(30_000)}`])
      expect((await refusalOf(sql)).code).toBe('invalid_input')
  })
})

/** By exchange and symbol: rows, and exact sums of price × size, of trades. */
function sums(rows: readonly Row[]) {
  const groups = new Map<string, { count: number; sum: bigint }>()
  for (const { exchange, symbol, price, size } of rows) {
    if (typeof price !== 'bigint' || typeof size !== 'bigint') throw new TypeError('trades have prices')
    const key = `${exchange} ${symbol}`
    const { count, sum } = groups.get(key) ?? { count: 0, sum: 0n }
    groups.set(key, { count: count + 1, sum: sum + price * size })
  }
  return [...groups].map(([key, { count, sum }]) => `${key} ${count} ${sum}`).sort()
}

const SUMS = `WITH t AS (SELECT exchange || ' ' || symbol AS key, price, size FROM trades)
  SELECT key || ' ' || count(*) || ' ' || replace(CAST(sum(CAST(price AS DECIMAL(38,8)) * size) AS VARCHAR), '.', '') AS line FROM t GROUP BY key ORDER BY 1`

describe('over a lake', () => {
  test('sums equal those counted by hand, in files, in the tail and in both', async () => {
    const property = fc.asyncProperty(
      fc.integer(),
      fc.integer({ min: 0, max: 3 }),
      async (seed, committed) => {
        const random = new SeededRandom(seed)
        await lake.trades.clear()
        for (let batch = 0; batch < 3; batch++) {
          const rows = eventRows(random, 30, batch * 30, 'trades')
          await (batch < committed ? lake.trades.addCommitted(rows) : lake.trades.add(rows))
        }
        const lines = (await rowsOf(SUMS)).map(({ line }) => unscaled(String(line)))
        expect(lines.sort()).toEqual(sums(lake.trades.rows))
        const threshold = formatDecimal(lake.trades.rows[0]!.price as bigint)
        const above = await rowsOf('SELECT count(*) AS n FROM trades WHERE price > $p', { p: threshold })
        const expected = lake.trades.rows.filter(
          ({ price }) => (price as bigint) > (lake.trades.rows[0]!.price as bigint),
        )
        expect(above).toEqual([{ n: expected.length }])
      },
    )
    await fc.assert(property, { numRuns: 12, verbose: true })
  })

  test('an answer is that of the version it names, while rows come in and are flushed', async () => {
    const random = new SeededRandom(7)
    const work = async () => {
      for (let batch = 0; batch < 12; batch++) {
        await lake.trades.add(eventRows(random, 20, batch * 20, 'trades'))
        if (random.oneIn(3)) await lake.trades.flush()
      }
    }
    const working = work()
    for (let question = 0; question < 25; question++) {
      const answer = await ask(
        'SELECT count(*) AS n, count(DISTINCT log_offset) AS d, (SELECT count(*) FROM trades) AS m FROM trades',
      )
      const [, , [batches]] = JSON.parse(
        Buffer.from(answer.meta.receipt.split('.')[0]!, 'base64url').toString(),
      )
      expect(JSON.parse(answer.rows[0]!)).toMatchObject({ n: batches * 20, m: batches * 20 })
    }
    await working
  })

  test('trades meet the prevailing quote, each table with its receipt', async () => {
    const random = new SeededRandom(3)
    await lake.trades.addCommitted(eventRows(random, 40, 0, 'trades'))
    await lake.quotes.add(eventRows(random, 40, 0, 'quotes'))
    const answer = await ask(`SELECT t.symbol, t.price, q.bid_price FROM trades t ASOF LEFT JOIN quotes q
      ON t.symbol = q.symbol AND t.exchange = q.exchange AND t.exchange_timestamp >= q.exchange_timestamp`)
    expect(answer.rows.length).toBe(40)
    expect(answer.meta.route).toBe('hybrid')
    expect(answer.meta.tables?.map(({ table, route }) => [table, route])).toEqual([
      ['trades', 'historical'],
      ['quotes', 'real-time'],
    ])
    expect(answer.meta.sql?.columns).toEqual([
      { name: 'symbol', type: 'VARCHAR' },
      { name: 'price', type: 'DECIMAL(18,8)' },
      { name: 'bid_price', type: 'DECIMAL(18,8)' },
    ])
  })

  test('a statement ends when its signal does', async () => {
    const controller = new AbortController()
    const asked = lake.sql.answer(
      { sql: 'SELECT count(*) FROM range(1000000000000) a(x) WHERE x % 7 = 8', parameters: {}, limit: 1 },
      { encoding: 'json', signal: controller.signal },
    )
    setImmediate(() => controller.abort(new Error('the client left')))
    await expect(asked).rejects.toThrow('the client left')
  })
})

describe('a statement, whatever it reads,', () => {
  test('leaves the places that are kept for what is small', async () => {
    const bounded = await openLakeFixture(undefined, undefined, { concurrent: 2, large: 1, streamed: 1 })
    const controller = new AbortController()
    const sql = 'SELECT count(*) FROM range(1000000000000) a(x) WHERE x % 7 = 8'
    const answers = [1, 2].map(() =>
      bounded.sql.answer({ sql, parameters: {}, limit: 1 }, { encoding: 'json', signal: controller.signal }),
    )
    const ended = Promise.allSettled(answers)
    try {
      await bounded.trades.add(eventRows(new SeededRandom(1), 10, 0, 'trades'))
      while (bounded.limits.status().waiting.large === 0) await new Promise(setImmediate)
      const answer = await bounded.router.rows(ROWS, { encoding: 'json' })
      expect(answer.rows).toHaveLength(10)
      expect(bounded.limits.status().running).toEqual({ small: 0, large: 1, streamed: 0 })
    } finally {
      controller.abort()
      await ended
      bounded.close()
    }
  })
})

/** Sums have a scale of 16; nulls and empty sums are none here. */
function unscaled(line: string): string {
  return line.replace(/ (-?)0*(\d+)$/, ' $1$2')
}
