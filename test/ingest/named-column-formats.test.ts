import { DuckDBInstance } from '@duckdb/node-api'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { QualityFlag } from '#core'
import { LoadFixture } from '../support/load-fixture.js'
import { essence } from '../support/log-records.js'

let fixture: LoadFixture
beforeEach(async () => {
  fixture = await LoadFixture.open()
})
afterEach(() => fixture.close())

const trades = () => fixture.trades().map(essence)
const quotes = () => fixture.quotes().map(essence)
const problems = () => fixture.quarantined().map(({ line, reason, detail }) => `${line} ${reason}: ${detail}`)

describe('csv', () => {
  test('a day, or a time of day, is not taken for seconds of 1970', async () => {
    const lines = ['20140310', '93000', '-1'].map((time) => `A,X,${time},1,1`)
    await fixture.loadText('a.csv', ['symbol,exchange,time,price,size', ...lines].join('\n'), 'csv-trades')
    expect(trades()).toEqual([])
    expect(problems()).toEqual([
      expect.stringMatching(/^2 not_a_time: .*20140310/),
      expect.stringMatching(/^3 not_a_time: .*93000/),
      expect.stringMatching(/^4 not_a_time/),
    ])
  })

  test('trades: names in any case and order, quoted fields, scientific notation', async () => {
    await fixture.loadText(
      'a.csv',
      '\ufeff"Side"," QTY","Timestamp",Price,"Symbol","note"\r\n"Buy",3.844E-5,"2023-09-05T16:00:01.281719Z",25741.02,"BTC-USD","a, ""b"""\r\n,1,"2023-09-05 16:00:02",1.123456785,"ETH",\r\n',
      'csv-trades',
      { exchange: 'COINBASE' },
    )
    expect(fixture.trades()[0]).toMatchObject({ exchange_timestamp: expect.stringMatching(/^1693929/) })
    expect(trades()).toEqual(
      expect.arrayContaining([
        {
          symbol: 'BTC-USD',
          exchange: 'COINBASE',
          side: 'buy',
          price: '25741.02',
          size: '0.00003844',
          time: '2023-09-05T16:00:01.281Z',
          quality_flags: 0,
        },
        {
          symbol: 'ETH',
          exchange: 'COINBASE',
          side: 'unknown',
          price: '1.12345678',
          size: '1',
          time: '2023-09-05T16:00:02.000Z',
          quality_flags: QualityFlag.rounded,
        },
      ]),
    )
  })

  test.each([
    ['1693929601', '1693929601000000', 0],
    ['1693929601281', '1693929601281000', 0],
    ['1693929601281719', '1693929601281719', 0],
    ['1693929601281719123', '1693929601281719', 123],
    ['1693929601.281719', '1693929601281719', 0],
    ['2023-09-05T16:00:01.281719123Z', '1693929601281719', 123],
    ['2023-09-05T18:00:01.281719+02:00', '1693929601281719', 0],
    ['2023-09-05 16:00:01', '1693929601000000', 0],
  ])('the time %s is understood', async (time, micros, nanos) => {
    await fixture.loadText('a.csv', `time,p,v,ticker\n${time},1,1,A`, 'csv-trades', { exchange: 'X' })
    expect(fixture.trades()).toMatchObject([{ exchange_timestamp: micros, exchange_nanos: nanos }])
  })

  test('quotes', async () => {
    await fixture.loadText(
      'a.csv',
      'ts,sym,feed,bid,ask,bid_qty,ask_qty,seq\n1693929601,A,X,1,2,3,,5\n',
      'csv-quotes',
    )
    expect(quotes()).toEqual([
      {
        symbol: 'A',
        exchange: 'X',
        bid_price: '1',
        ask_price: '2',
        bid_size: '3',
        sequence_number: '5',
        time: '2023-09-05T16:00:01.000Z',
        quality_flags: 0,
      },
    ])
  })

  test('bad lines', async () => {
    await fixture.loadText('a.csv', 'time,symbol,price,size\n1,A,1\n1,"A,1,1\n1,,1,1\n', 'csv-trades', {
      exchange: 'X',
    })
    expect(problems()).toEqual([
      '2 wrong_column_count: 3 columns where 4 are expected',
      '3 malformed: a quote is not closed',
      '4 missing_value: symbol: nothing is given',
    ])
  })

  test.each([
    [
      'csv-trades',
      'time,symbol,size',
      { exchange: 'X' },
      /no column for the price: it may be called price, px, .*; the file has time,symbol,size/,
    ],
    ['csv-trades', '1,2,3', { exchange: 'X' }, /no column for the time/],
    ['csv-trades', 'time,price,size', { exchange: 'X' }, /no column for the symbol \(or give --symbol\)/],
    ['csv-trades', 'time,price,size,symbol', {}, /no column for the exchange \(or give --exchange\)/],
    ['csv-quotes', 'time,bid,symbol', { exchange: 'X' }, /no column for the ask/],
  ])('%s without a usable header %s', async (format, header, options, message) => {
    await expect(fixture.loadText('a.csv', `${header}\n1,1,1,1\n`, format, options)).rejects.toThrow(message)
  })
})

describe('parquet', () => {
  async function parquet(select: string): Promise<string> {
    const path = `${fixture.folder}/a.parquet`
    const instance = await DuckDBInstance.create(':memory:')
    const connection = await instance.connect()
    await connection.run(`SET TimeZone = 'UTC'`)
    await connection.run(`COPY (${select}) TO '${path}' (FORMAT parquet)`)
    connection.closeSync()
    instance.closeSync()
    return path
  }

  test('trades: names guessed, typed columns', async () => {
    const path =
      await parquet(`SELECT 'A' AS "Ticker", TIMESTAMPTZ '2023-09-05 16:00:01.281719Z' AS "Timestamp",
      1.5::DOUBLE AS "PRICE", 12.25::DECIMAL(10,2) AS "Qty", 'B' AS side, 42::BIGINT AS id, [1, 2] AS other
      UNION ALL SELECT 'A', NULL, 'nan'::DOUBLE, 1, NULL, 43, NULL`)
    const result = await fixture.load(path, 'parquet-trades', { exchange: 'X' })
    expect(result).toMatchObject({ rowsRead: 2, accepted: 1, quarantined: 1 })
    expect(trades()).toEqual([
      {
        symbol: 'A',
        exchange: 'X',
        price: '1.5',
        size: '12.25',
        side: 'buy',
        trade_id: '42',
        time: '2023-09-05T16:00:01.281Z',
        quality_flags: 0,
      },
    ])
    expect(fixture.quarantined()[0]).toMatchObject({
      line: '2',
      reason: 'missing_value',
      original: expect.stringContaining('"price":"nan"'),
    })
  })

  test.each(['make_timestamp_ns(1693929601281719123)', '1693929601281719123::BIGINT'])(
    'time as %s',
    async (time) => {
      const path = await parquet(
        `SELECT 'A' AS symbol, 'X' AS exchange, ${time} AS ts, 1 AS price, 2 AS size`,
      )
      await fixture.load(path, 'parquet-trades')
      expect(fixture.trades()).toMatchObject([
        { exchange_timestamp: '1693929601281719', exchange_nanos: 123 },
      ])
    },
  )

  test('a missing column is an error that lists what there is', async () => {
    const path = await parquet(`SELECT 'A' AS symbol, 1 AS ts, 2 AS size`)
    await expect(fixture.load(path, 'parquet-trades', { exchange: 'X' })).rejects.toThrow(
      /no column for the price: it may be called price.*the file has symbol,ts,size/,
    )
  })
})

test('a large file keeps its order', async () => {
  const rowCount = 150_000
  const lines = Array.from({ length: rowCount }, (_, row) => `${1_700_000_000_000 + (row % 5)},1.${row},1`)
  await fixture.loadText('a.csv', ['time,price,size', ...lines].join('\n'), 'csv-trades', {
    symbol: 'A',
    exchange: 'X',
  })
  const rows = fixture.trades()
  expect(rows).toHaveLength(rowCount)
  const misplaced = rows.filter(
    (row, index) => row.source_row !== String(index + 1) || row.price !== `1.${index}`.replace(/\.?0+$/, ''),
  )
  expect(misplaced).toEqual([])
})
