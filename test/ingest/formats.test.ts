import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { QualityFlag } from '#core'
import { listFormats, parseFormat } from '../../src/ingest/formats.js'
import { zipOf } from '../support/archives.js'
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

describe('front matter', () => {
  test('every shipped format says what it is', async () => {
    const formats = await listFormats([new URL('../../config/formats', import.meta.url).pathname])
    expect(
      formats.map(({ name, definition, sequence, requires }) => [
        name,
        definition.name,
        sequence,
        requires.join(),
      ]),
    ).toEqual([
      ['asx-quotes', 'quotes', 'none', 'symbol'],
      ['asx-trades', 'trades', 'none', 'symbol'],
      ['binance-ws-quotes', 'quotes', 'monotone', ''],
      ['binance-ws-trades', 'trades', 'contiguous', ''],
      ['csv-quotes', 'quotes', 'none', ''],
      ['csv-trades', 'trades', 'none', ''],
      ['lean-equity-quotes', 'quotes', 'none', ''],
      ['lean-equity-trades', 'trades', 'none', ''],
      ['lean-forex-quotes', 'quotes', 'none', ''],
      ['parquet-trades', 'trades', 'none', ''],
    ])
    for (const format of formats) expect(format.exchange, format.name).not.toBe('as stated with the load')
  })

  test.each([
    ['SELECT 1', /"table": "" is not one of trades, quotes/],
    ['-- table: bars', /"table": "bars" is not one of/],
    ['-- table: trades\n-- sequence: odd', /"sequence": "odd" is not one of contiguous, monotone, none/],
    ['-- table: trades\n-- requires: symbol, colour', /"requires": "colour" is not one of/],
    ['SELECT 1\n-- table: trades', /"table": ""/],
  ])('%j', (sql, message) => {
    expect(() => parseFormat('mine', sql)).toThrow(message)
  })
})

describe('asx', () => {
  test('trades, in Sydney time, with and without summer time', async () => {
    const result = await fixture.loadText(
      '7078.csv',
      '03/10/2014,07:57:14.754,36.667,20000,3,X,\r\n07/10/2014,10:00:00.000,36.7,1,,,77\r\n\r\n',
      'asx-trades',
      { symbol: 'BHP' },
    )
    expect(result).toMatchObject({ rowsRead: 3, accepted: 2, skipped: 1 })
    const shared = { symbol: 'BHP', exchange: 'ASX', side: 'unknown', currency: 'AUD', quality_flags: 0 }
    expect(trades()).toEqual([
      {
        ...shared,
        time: '2014-03-09T20:57:14.754Z',
        price: '36.667',
        size: '20000',
        venue: 'X',
        conditions: '3',
      },
      { ...shared, time: '2014-07-10T00:00:00.000Z', price: '36.7', size: '1' },
    ])
  })

  test('quotes, with an empty side and crossed', async () => {
    await fixture.loadText(
      '7078.csv',
      '03/10/2014,05:43:45.676,37.7,0.0,300,0\r\n03/10/2014,07:00:13.948,37.73,37.0,19,16\r\n',
      'asx-quotes',
      { symbol: 'BHP', exchange: 'ASX-TEST' },
    )
    expect(quotes()).toMatchObject([
      { exchange: 'ASX-TEST', bid_price: '37.7', bid_size: '300', ask_price: '0', ask_size: '0' },
      {
        time: '2014-03-09T20:00:13.948Z',
        bid_price: '37.73',
        bid_size: '19',
        ask_price: '37',
        ask_size: '16',
      },
    ])
  })

  test('bad lines', async () => {
    await fixture.loadText(
      '7078.csv',
      [
        '03/10/2014,07:57:14.754,36.667,20000,3,X',
        '13/10/2014,07:57:14.754,1,1,,,',
        '03/10/2014,25:00:00.000,1,1,,,',
        '03/10/2014,10:00:00.000,x,1,,,',
      ].join('\n'),
      'asx-trades',
      { symbol: 'BHP' },
    )
    expect(problems()).toEqual([
      '1 wrong_column_count: 6 columns where 7 are expected',
      expect.stringMatching(/^2 not_a_time: exchange_timestamp: "13\/10\/2014 07:57:14.754" is not a time/),
      expect.stringMatching(/^3 not_a_time/),
      '4 not_a_number: price: "x" is not a decimal number',
    ])
  })
})

describe('lean', () => {
  test('equity trades: date and symbol from the name, New York time, scaled prices, fractional milliseconds', async () => {
    const csv =
      '34200000,1674200,210,Q,2000,0\n34200000.123456,1,100,P,,1\n86399999.999999,1674200.5,1,D,0,0\n'
    await fixture.loadText(
      '20131008_trade.zip',
      zipOf({ '20131008_spy_Trade_Tick.csv': csv }),
      'lean-equity-trades',
    )
    const shared = { symbol: 'SPY', exchange: 'US-SIP', side: 'unknown', currency: 'USD', quality_flags: 0 }
    expect(trades()).toEqual([
      {
        ...shared,
        time: '2013-10-08T13:30:00.000Z',
        price: '167.42',
        size: '210',
        venue: 'Q',
        conditions: '2000',
      },
      {
        ...shared,
        time: '1381239000000123.456',
        price: '0.0001',
        size: '100',
        venue: 'P',
        conditions: 'suspicious',
      },
      { ...shared, time: '1381291199999999.999', price: '167.42005', size: '1', venue: 'D', conditions: '0' },
    ])
  })

  test('options win over the name, and winter is not summer', async () => {
    await fixture.loadText('20131008_spy_Trade_Tick.csv', '34200000,1,1,Q,,0', 'lean-equity-trades', {
      date: '2013-12-02',
      symbol: 'X',
    })
    expect(trades()).toMatchObject([{ symbol: 'X', time: '2013-12-02T14:30:00.000Z' }])
  })

  test('a day on which the clock changes: a skipped time moves on, a doubled one is the later', async () => {
    const at = (hour: number) => `${hour * 3_600_000 + 1_800_000},1,1,Q,,0\n`
    await fixture.loadText('20130310_a_trade_tick.csv', at(1) + at(2) + at(3), 'lean-equity-trades')
    await fixture.loadText('20131103_a_trade_tick.csv', at(0) + at(1) + at(2), 'lean-equity-trades')
    expect(trades().map((trade) => trade.time)).toEqual([
      '2013-03-10T06:30:00.000Z',
      '2013-03-10T07:30:00.000Z',
      '2013-03-10T07:30:00.000Z',
      '2013-11-03T04:30:00.000Z',
      '2013-11-03T06:30:00.000Z',
      '2013-11-03T07:30:00.000Z',
    ])
  })

  test('equity quotes', async () => {
    await fixture.loadText(
      '20131007_bac_Quote_Tick.csv',
      '14400151,0,0,140200,500,Q,1,0\n',
      'lean-equity-quotes',
    )
    expect(quotes()).toMatchObject([
      {
        symbol: 'BAC',
        time: '2013-10-07T08:00:00.151Z',
        bid_price: '0',
        bid_size: '0',
        ask_price: '14.02',
        ask_size: '500',
        venue: 'Q',
        conditions: '1',
      },
    ])
  })

  test('forex quotes: UTC, unscaled, without sizes, without a final line end', async () => {
    await fixture.loadText(
      '20140501_eurusd_tick_quote.csv',
      '292,1.38676,1.38686\r\n920,1.38676,1.38687',
      'lean-forex-quotes',
    )
    expect(quotes()).toEqual([
      {
        symbol: 'EURUSD',
        exchange: 'OANDA',
        time: '2014-05-01T00:00:00.292Z',
        bid_price: '1.38676',
        ask_price: '1.38686',
        quality_flags: 0,
      },
      {
        symbol: 'EURUSD',
        exchange: 'OANDA',
        time: '2014-05-01T00:00:00.920Z',
        bid_price: '1.38676',
        ask_price: '1.38687',
        quality_flags: 0,
      },
    ])
  })

  test('bad lines, and names that say nothing', async () => {
    await fixture.loadText(
      '20131007_a_trade_tick.csv',
      '86400000,1,1,Q,,0\n-1,1,1,Q,,0\n1.1234567,1,1,Q,,0\n1,x,1,Q,,0\n1,1\n',
      'lean-equity-trades',
    )
    expect(problems().map((problem) => problem.split(':').slice(0, 2).join(':'))).toEqual([
      '1 not_a_time: exchange_timestamp',
      '2 not_a_time: exchange_timestamp',
      '3 not_a_time: exchange_timestamp',
      '4 not_a_number: price',
      '5 wrong_column_count: 2 columns where 6 are expected',
    ])
    await expect(fixture.loadText('a.csv', '1,1,1', 'lean-forex-quotes')).rejects.toThrow(
      /date: give --date; the name a.csv/,
    )
    await expect(
      fixture.loadText('20131007_spy_minute_trade.csv', '1,1,1,Q,,0', 'lean-equity-trades'),
    ).rejects.toThrow(/symbol: give --symbol/)
  })
})

describe('binance', () => {
  const combined = (stream: string, data: object) => JSON.stringify({ stream, data })
  const trade = {
    e: 'trade',
    E: 2,
    T: 1723161255342,
    s: 'BTCUSDT',
    t: 7,
    p: '61837.63000000',
    q: '0.02',
    m: true,
  }
  const ticker = { u: 9, s: 'BTCUSDT', b: '1.1', B: '2', a: '1.2', A: '3' }
  const depth = { e: 'depthUpdate', E: 1, s: 'BTCUSDT', b: [['1', '2']], a: [] }
  const lines = [
    `1723161254087896568 ${combined('btcusdt@trade', { ...trade, M: true })}`,
    `1723161254087896569 ${combined('btcusdt@depth', depth)}`,
    `1723161254087896570 ${combined('btcusdt@bookTicker', ticker)}`,
    `1723161254087896571 ${combined('btcusdt@trade', { ...trade, t: 8, m: false, X: 'MARKET' })}`,
    `1723161254087896572 ${JSON.stringify({ ...trade, s: 'BTCUSD_PERP', t: 9, X: 'MARKET' })}`,
    `1723161254087896573 ${combined('b@bookTicker', { ...ticker, e: 'bookTicker', T: 1723161255342, E: 3 })}`,
    `1723161254087896574 ${JSON.stringify({ ...ticker, e: 'bookTicker', T: 1723161255342, E: 3, s: 'BTCUSD_PERP', ps: 'BTCUSD' })}`,
    `1723161254087896575 {"lastUpdateId":5,"bids":[["1","2"]],"asks":[]}`,
    '1723161254087896576 {"stream":"btcusdt@trade","data":{"e":"trade"',
    '',
  ].join('\n')

  test('trades, the exchange told from the message', async () => {
    const result = await fixture.loadText('a.txt', lines, 'binance-ws-trades')
    expect(result).toMatchObject({ rowsRead: 9, accepted: 3, quarantined: 1, skipped: 5 })
    const shared = {
      time: '2024-08-08T23:54:15.342Z',
      price: '61837.63',
      size: '0.02',
      quality_flags: QualityFlag.contiguousSequence,
    }
    expect(trades()).toEqual(
      expect.arrayContaining([
        {
          ...shared,
          symbol: 'BTCUSDT',
          exchange: 'BINANCE',
          side: 'sell',
          trade_id: '7',
          sequence_number: '7',
        },
        {
          ...shared,
          symbol: 'BTCUSDT',
          exchange: 'BINANCE-UM',
          side: 'buy',
          trade_id: '8',
          sequence_number: '8',
          conditions: 'MARKET',
        },
        {
          ...shared,
          symbol: 'BTCUSD_PERP',
          exchange: 'BINANCE-CM',
          side: 'sell',
          trade_id: '9',
          sequence_number: '9',
          conditions: 'MARKET',
        },
      ]),
    )
    expect(problems()).toEqual(['9 malformed: not a JSON message'])
  })

  test('quotes: receive time, flagged, where the event has none', async () => {
    const result = await fixture.loadText('a.txt', lines, 'binance-ws-quotes')
    expect(result).toMatchObject({ rowsRead: 9, accepted: 3, quarantined: 1, skipped: 5 })
    const shared = { bid_price: '1.1', bid_size: '2', ask_price: '1.2', ask_size: '3', sequence_number: '9' }
    const exact = { time: '2024-08-08T23:54:15.342Z', quality_flags: QualityFlag.monotoneSequence }
    expect(quotes()).toEqual(
      expect.arrayContaining([
        {
          ...shared,
          symbol: 'BTCUSDT',
          exchange: 'BINANCE',
          time: '1723161254087896.570',
          quality_flags: QualityFlag.receiveTime | QualityFlag.monotoneSequence,
        },
        { ...shared, ...exact, symbol: 'BTCUSDT', exchange: 'BINANCE-UM' },
        { ...shared, ...exact, symbol: 'BTCUSD_PERP', exchange: 'BINANCE-CM' },
      ]),
    )
  })
})
