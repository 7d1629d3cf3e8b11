import { readdirSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { tableFromIPC } from 'apache-arrow'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { sqlString } from '#engine'
import { arrowOpening, type RowsRequest } from '#query'
import { ArrowEncoder } from '../../src/query/encodings/arrow-encoder.js'
import { arrowRows, arrowStream, jsonRow, type TextRow } from '../support/arrow-rows.js'
import { EVENTS_START_MICROS, eventRows } from '../support/event-rows.js'
import { type LakeFixture, openLakeFixture } from '../support/lake-fixture.js'
import { BARS } from '../support/request-defaults.js'
import type { Row } from '../support/row-batch.js'
import { SeededRandom } from '../support/seeded-random.js'

const EVERYTHING = {
  symbols: null,
  exchange: null,
  startNanos: null,
  endNanos: null,
  pageToken: null,
} as const
const ROWS: RowsRequest = { ...EVERYTHING, table: 'trades', order: 'asc', fields: null, limit: 50_000 }
const MOST = 999_999_999_999_999_999n

let lake: LakeFixture
beforeEach(async () => {
  lake = await openLakeFixture()
})
afterEach(() => lake.close())

/** Any text that DuckDB holds. */
const text = fc.oneof(
  fc.constant(null),
  fc.constant(''),
  fc
    .string({ unit: 'binary', maxLength: 30 })
    .map((value) => Buffer.from(value.replaceAll('\0', '')).toString()),
  fc.constantFrom('a "b", c\r\n', '株式会社トヨタ自動車', '🙂🙂🙂🙂', 'twelve bytes', 'thirteen bytes'),
)
const decimal = fc.oneof(fc.constantFrom(null, MOST, -MOST, 0n, 1n, -1n), fc.bigInt(-MOST, MOST))
const trade = fc.record({
  symbol: text.map((value) => value ?? 'BHP'),
  exchange: fc.constantFrom('ASX', 'CHIX'),
  exchange_timestamp: fc.oneof(
    fc.constant(null),
    fc.bigInt(-(10n ** 15n), 4n * 10n ** 15n),
    fc.constant(EVENTS_START_MICROS),
  ),
  exchange_nanos: fc.oneof(fc.constant(null), fc.integer({ min: 0, max: 999 })),
  sequence_number: fc.oneof(fc.constant(null), fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n)),
  trade_id: text,
  price: decimal,
  size: decimal,
  side: fc.constantFrom(null, 'buy', 'sell'),
  venue: text,
  conditions: text,
  currency: text,
  message_id: text,
  quality_flags: fc.oneof(fc.constant(null), fc.nat(2 ** 31 - 1)),
  ingest_timestamp: fc.constant(EVENTS_START_MICROS + 1n),
})

describe('rows', () => {
  test('are the same in every encoding, value by value (a failure prints its seed)', async () => {
    const property = fc.asyncProperty(
      fc.array(trade, { maxLength: 40 }),
      fc.nat(40),
      fc.boolean(),
      async (trades, flushed, isAll) => {
        await lake.trades.clear()
        const rows = trades.map(
          (row, index): Row => ({ ...row, source: 's', log_partition: 0, log_offset: BigInt(index) }),
        )
        await lake.trades.add(rows.slice(0, flushed))
        await lake.trades.flush()
        await lake.trades.add(rows.slice(flushed))
        const request = { ...ROWS, limit: isAll ? null : 50_000 }
        const expected = (await lake.router.rows(request, { encoding: 'ndjson' })).rows.map(jsonRow)
        expect(expected).toHaveLength(rows.length)
        const arrow = await lake.router.rows(request, { encoding: 'arrow' })
        expect(arrowRows(await arrowStream(arrow))).toEqual(expected)
        expect(await parquetRows(request)).toEqual(expected)
      },
    )
    await fc.assert(property, { numRuns: 30, verbose: true })
  })

  test('of several batches have each their own dictionaries, and one schema', async () => {
    const encoder = new ArrowEncoder()
    const messages: Uint8Array[] = []
    let columns: Parameters<typeof arrowOpening>[0] = []
    const sql = `SELECT {'symbol': CASE WHEN i % 7 > 0 THEN 'symbol ' || (i // 500) END, 'number': i, 'isEven': i % 2 = 0} AS row
      FROM range(100_000) t(i)`
    for await (const chunk of lake.engine.rows(sql)) {
      columns = chunk.columns
      messages.push(...encoder.encode(chunk.columns, chunk.rowCount))
    }
    messages.push(...encoder.end())
    const stream = Buffer.concat([arrowOpening(columns, new Map()), ...messages])
    expect(tableFromIPC(stream).batches.length).toBeGreaterThan(2)
    const expected = Array.from({ length: 100_000 }, (_, i) => ({
      symbol: i % 7 > 0 ? `symbol ${Math.floor(i / 500)}` : null,
      number: String(i),
      isEven: String(i % 2 === 0),
    }))
    expect(arrowRows(stream)).toEqual(expected)
  })

  test('in Arrow are of types that say what they are, also when there are none', async () => {
    const columns = async (fields: readonly string[] | null) => {
      const answer = await lake.router.rows({ ...ROWS, fields }, { encoding: 'arrow' })
      return tableFromIPC(await arrowStream(answer)).schema.fields.map(({ name, type }) => `${name} ${type}`)
    }
    expect(await columns(null)).toEqual([
      'symbol Dictionary<Int32, Utf8>',
      'exchange Dictionary<Int32, Utf8>',
      'ts Timestamp<MICROSECOND, UTC>',
      'ts_ns Timestamp<NANOSECOND, UTC>',
      'price Decimal[18e+8]',
      'size Decimal[18e+8]',
      'side Dictionary<Int32, Utf8>',
      'venue Dictionary<Int32, Utf8>',
      'sequence Int64',
      'trade_id Utf8',
      'conditions Dictionary<Int32, Utf8>',
      'currency Dictionary<Int32, Utf8>',
      'message_id Utf8',
      'flags Int64',
      'ingest_ts Timestamp<MICROSECOND, UTC>',
    ])
    expect(await columns(['price', 'symbol'])).toEqual([
      'price Decimal[18e+8]',
      'symbol Dictionary<Int32, Utf8>',
    ])
  })

  test('the opening of a stream says what the answer says of itself', async () => {
    const { columns } = await lake.router.rows(ROWS, { encoding: 'arrow' })
    const opening = arrowOpening(columns ?? [], new Map([['ticklake.receipt', 'r']]))
    expect(tableFromIPC(opening).schema.metadata.get('ticklake.receipt')).toBe('r')
  })
})

describe('every list', () => {
  const instruments = { ...EVERYTHING, table: 'trades', limit: 100 } as const
  const bars = { ...BARS, timeZone: 'Australia/Sydney' }
  const log = { of: null, reason: null, sourceId: null, kind: null, order: 'asc', fields: null } as const
  const lists: Readonly<
    Record<
      string,
      (
        lake: LakeFixture,
        encoding: 'ndjson' | 'arrow' | 'parquet',
      ) => ReturnType<LakeFixture['router']['rows']>
    >
  > = {
    quotes: ({ router }, encoding) => router.rows({ ...ROWS, table: 'quotes' }, { encoding }),
    bars: ({ router }, encoding) => router.bars({ ...bars, limit: 1_000 }, { encoding }),
    'bars of mid': ({ router }, encoding) => router.bars({ ...bars, of: 'mid', limit: null }, { encoding }),
    'filled bars': ({ router }, encoding) =>
      router.bars({ ...bars, fill: 'prev', prints: 'eligible', limit: 1_000 }, { encoding }),
    vwap: ({ router }, encoding) => router.vwap({ ...BARS, intervalSeconds: null }, { encoding }),
    'vwap of intervals': ({ router }, encoding) => router.vwap(BARS, { encoding }),
    asof: ({ router }, encoding) =>
      router.asof({ ...ROWS, prevailing: 'at', maxAgeSeconds: 86_400 }, { encoding }),
    'market snapshot': ({ router }, encoding) => router.marketSnapshot(ROWS, { encoding }),
    latest: ({ router }, encoding) => router.latest({ ...instruments, fields: null }, { encoding }),
    symbols: ({ router }, encoding) => router.symbols(instruments, { encoding }),
    coverage: ({ router }, encoding) => router.coverage(instruments, { encoding }),
    quality: ({ router }, encoding) => router.quality(instruments, { encoding }),
    'quality of tables': ({ router }, encoding) => router.tableQuality({ encoding }),
    count: ({ router }, encoding) => router.count({ ...EVERYTHING, table: 'trades' }, { encoding }),
    'count of a symbol': ({ router }, encoding) =>
      router.count({ ...EVERYTHING, symbols: ['BHP'], table: 'trades' }, { encoding }),
    quarantine: ({ router }, encoding) =>
      router.quarantine({ ...EVERYTHING, ...log, limit: 10 }, { encoding }),
    corrections: ({ router }, encoding) =>
      router.corrections(
        { ...EVERYTHING, of: null, state: null, source: null, order: 'asc', fields: null, limit: null },
        { encoding },
      ),
    snapshots: ({ router }, encoding) => router.snapshots({ table: 'trades' }, { encoding }),
  }

  test.each(Object.keys(lists))(
    'is the same in Arrow as in JSON, and is a Parquet file: %s',
    async (name) => {
      const list = lists[name]!
      const random = new SeededRandom(11)
      for (const isFull of [false, true]) {
        if (isFull) {
          await lake.trades.add(eventRows(random, 60, 0, 'trades'))
          await lake.quotes.add(eventRows(random, 60, 0, 'quotes'))
          await lake.trades.flush()
        }
        const expected = (await list(lake, 'ndjson')).rows.map(jsonRow)
        const arrow = await list(lake, 'arrow')
        const rows = arrowRows(await arrowStream(arrow))
        expect(rows).toEqual(expected)
        expect(arrow.columns?.map((column) => column.name)).toEqual(arrow.fields)
        const file = join(lake.directory, `list-${isFull}.parquet`)
        await writeFile(file, await (await list(lake, 'parquet')).data.bytes())
        const { columns } = await lake.engine.query(
          `SELECT count(*)::VARCHAR FROM read_parquet(${sqlString(file)})`,
        )
        expect(columns[0]).toEqual([String(expected.length)])
      }
    },
  )
})

describe('pages', () => {
  test.each(['asc', 'desc'] as const)('of every encoding are joined what is streamed, %s', async (order) => {
    const random = new SeededRandom(3)
    await lake.trades.add(eventRows(random, 50, 0, 'trades'))
    await lake.trades.flush()
    await lake.trades.add([...eventRows(random, 50, 50, 'trades'), { symbol: 'NIL', exchange: 'ASX' }])
    const request = { ...ROWS, order, limit: null }
    const whole = (await lake.router.rows(request, { encoding: 'ndjson' })).rows.map(jsonRow)
    expect(whole).toHaveLength(101)
    for (const encoding of ['csv', 'arrow', 'parquet'] as const) {
      const pages = await pageTokens(order, encoding)
      expect(pages).toEqual(await pageTokens(order, 'ndjson'))
      const rest = { ...request, pageToken: pages[1]! }
      if (encoding === 'csv') continue
      const rows =
        encoding === 'arrow'
          ? arrowRows(await arrowStream(await lake.router.rows(rest, { encoding })))
          : await parquetRows(rest)
      expect(rows).toEqual(whole.slice(60))
    }
  })
})

test('a list that goes on within rows that tie leaves out those that were given, and no others', async () => {
  const tied = Array.from({ length: 5 }, () => ({
    ...eventRows(new SeededRandom(5), 1, 0, 'trades')[0]!,
    log_partition: null,
    log_offset: null,
  }))
  await lake.trades.addCommitted([...tied, ...eventRows(new SeededRandom(6), 40, 0, 'trades')])
  const whole = (await lake.router.rows({ ...ROWS, limit: null }, { encoding: 'ndjson' })).rows
  for (let given = 1; given < whole.length; given++) {
    const { nextPageToken } = await lake.router.rows({ ...ROWS, limit: given }, { encoding: 'ndjson' })
    const rest = await lake.router.rows(
      { ...ROWS, limit: null, pageToken: nextPageToken },
      { encoding: 'ndjson' },
    )
    expect(rest.rows).toEqual(whole.slice(given))
  }
})

/** The tokens of pages of 30 rows. */
async function pageTokens(order: 'asc' | 'desc', encoding: 'csv' | 'ndjson' | 'arrow' | 'parquet') {
  const tokens: string[] = []
  for (let pageToken: string | null = null; ; pageToken = tokens.at(-1)!) {
    const answer = await lake.queries.rows({ ...ROWS, order, limit: 30, pageToken }, { encoding })
    await answer.data.close()
    if (answer.nextPageToken === null) return tokens
    tokens.push(answer.nextPageToken)
  }
}

/** What DuckDB reads of the Parquet file of an answer, as texts; and no file is left behind. */
async function parquetRows(request: RowsRequest): Promise<readonly TextRow[]> {
  const { data } = await lake.router.rows(request, { encoding: 'parquet' })
  expect(readdirSync(lake.directory).filter((name) => name.startsWith('answer-'))).toEqual([])
  const file = join(lake.directory, 'back.parquet')
  await writeFile(file, await data.bytes())
  const number = (name: string) => `rtrim(rtrim(${name}::VARCHAR, '0'), '.') AS ${name}`
  const time = (name: string) => `strftime(${name}::TIMESTAMP, '%Y-%m-%dT%H:%M:%S.%fZ') AS ${name}`
  const { names, columns, rowCount } = await lake.engine.query(
    `SELECT * REPLACE (${time('ts')}, epoch_ns(ts_ns)::VARCHAR AS ts_ns, ${number('price')}, ${number('size')},
       sequence::VARCHAR AS sequence, flags::VARCHAR AS flags, ${time('ingest_ts')}) FROM read_parquet(${sqlString(file)})`,
  )
  return Array.from({ length: rowCount }, (_, row) =>
    Object.fromEntries(names.map((name, column) => [name, columns[column]?.[row] as string | null])),
  )
}
