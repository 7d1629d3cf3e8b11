import { afterEach, beforeEach, expect, test } from 'vitest'
import { LoadFixture } from '../support/load-fixture.js'
import { describeRealData } from '../support/shared-data.js'

let fixture: LoadFixture
beforeEach(async () => {
  fixture = await LoadFixture.open()
})
afterEach(() => fixture.close())

describeRealData('real recordings load without a loss', (pathOf) => {
  test.each<[string, string, object, { rowsRead: number; accepted: number; skipped?: number }]>([
    ['asx/trades/7078.csv', 'asx-trades', { symbol: 'BHP' }, { rowsRead: 91_631, accepted: 91_631 }],
    ['asx/trades/7181.csv', 'asx-trades', { symbol: 'DVN' }, { rowsRead: 232, accepted: 232 }],
    ['asx/quotes/7078.csv', 'asx-quotes', { symbol: 'BHP' }, { rowsRead: 77_849, accepted: 77_849 }],
    [
      'us-equity/bac/tick/20131007_trade.zip',
      'lean-equity-trades',
      {},
      { rowsRead: 88_172, accepted: 88_172 },
    ],
    [
      'us-equity/bac/tick/20131007_quote.zip',
      'lean-equity-quotes',
      {},
      { rowsRead: 476_855, accepted: 476_855 },
    ],
    [
      'fx-ticks/oanda/eurusd/tick/20140501_quote.zip',
      'lean-forex-quotes',
      {},
      { rowsRead: 24_179, accepted: 24_179 },
    ],
    ['binance-raw/spot_btcusdt_20240808.gz', 'binance-ws-trades', {}, { rowsRead: 41_249, accepted: 9_757 }],
    ['binance-raw/spot_btcusdt_20240808.gz', 'binance-ws-quotes', {}, { rowsRead: 41_249, accepted: 28_040 }],
    ['binance-raw/usdm_ethusdt_20240808.gz', 'binance-ws-trades', {}, { rowsRead: 74_655, accepted: 14_076 }],
    [
      'binance-raw/cm_btcusd_perp_20240808.gz',
      'binance-ws-quotes',
      {},
      { rowsRead: 48_270, accepted: 19_136 },
    ],
    ['csv/btc_trades.csv', 'csv-trades', { exchange: 'COINBASE' }, { rowsRead: 5_882, accepted: 5_882 }],
  ])('%s as %s', async (file, format, options, counts) => {
    const skipped = counts.rowsRead - counts.accepted
    expect(await fixture.load(pathOf(file), format, options)).toMatchObject({
      ...counts,
      skipped,
      quarantined: 0,
    })
  })

  test('each of the three Binance exchanges is told from its messages', async () => {
    const exchanges = new Map<string, Set<string>>()
    for (const [file, exchange] of [
      ['spot_ethusdt', 'BINANCE'],
      ['usdm_ethusdt', 'BINANCE-UM'],
      ['cm_ethusd_perp', 'BINANCE-CM'],
    ] as const) {
      const own = await LoadFixture.open()
      await own.load(pathOf(`binance-raw/${file}_20240808.gz`), 'binance-ws-trades')
      exchanges.set(exchange, new Set(own.trades().map((trade) => String(trade.exchange))))
      await own.close()
    }
    for (const [exchange, found] of exchanges) expect([...found]).toEqual([exchange])
  })
})
