import { afterAll, beforeAll, expect, test } from 'vitest'
import { formatMicros } from '#core'
import { loadCalendars } from '../../src/cli/calendars.js'
import { loadConditions } from '../../src/cli/conditions.js'
import { recordedLines, recordedPrice } from '../support/recorded-lines.js'
import { BARS } from '../support/request-defaults.js'
import { Road } from '../support/road.js'
import { describeRealData } from '../support/shared-data.js'
import type { TextRouter } from '../support/text-router.js'

const config = (name: string) => new URL(`../../config/${name}`, import.meta.url).pathname

const SYMBOLS = ['spy', 'bac']

/** Midnight of 7 October 2013 in New York, µs. */
const MIDNIGHT = BigInt(Date.parse('2013-10-07T04:00:00Z')) * 1000n
const [OPEN_MS, CLOSE_MS] = [34_200_000, 57_600_000]
/** Those in which LEAN takes prices from the auctions. */
const AUCTION_MINUTES = [OPEN_MS, CLOSE_MS - 60_000, CLOSE_MS]

const timeOf = (ms: number) => formatMicros(MIDNIGHT + BigInt(ms) * 1000n)
async function barsOf(router: TextRouter, request: object): Promise<readonly Record<string, unknown>[]> {
  const { rows } = await router.bars({ ...BARS, ...request }, { encoding: 'json' })
  return rows.map((row) => JSON.parse(row))
}

describeRealData('bars of US trades', (pathOf) => {
  let road: Road
  let router: TextRouter
  beforeAll(async () => {
    road = await Road.open()
    for (const symbol of SYMBOLS)
      await road.loadFile(pathOf(`us-equity/${symbol}/tick/20131007_trade.zip`), 'lean-equity-trades')
    await road.settle()
    router = road.routerBy(
      await loadCalendars(config('calendars')),
      await loadConditions(config('conditions')),
    )
  })
  afterAll(() => road.close())

  test.each(SYMBOLS)('of %s by their conditions are the minutes that LEAN has of them', async (symbol) => {
    const minutes = await recordedLines(pathOf(`us-equity/${symbol}/minute/20131007_trade.zip`))
    const fields = ['ts', 'open', 'high', 'low', 'close', 'volume']
    const expected = minutes.map(([ms, open, high, low, close, volume]) => ({
      ts: timeOf(Number(ms)),
      ...{
        open: recordedPrice(open!),
        high: recordedPrice(high!),
        low: recordedPrice(low!),
        close: recordedPrice(close!),
        volume,
      },
    }))
    const bars = await barsOf(router, {
      symbols: [symbol.toUpperCase()],
      intervalSeconds: 60,
      prints: 'eligible',
      fields,
    })
    const auctions = AUCTION_MINUTES.map(timeOf)
    const apart = ({ ts }: { readonly ts?: unknown }) => !auctions.includes(String(ts))
    expect(bars.filter(apart)).toEqual(expected.filter(apart))
    expect(expected.length).toBeGreaterThan(500)
    const extremes = (of: readonly Record<string, unknown>[]) =>
      of.map(({ ts, high, low }) => [ts, high, low])
    expect(extremes(bars)).toEqual(extremes(expected))
  })

  test('of SPY by session are those of the New York day', async () => {
    const path = pathOf('us-equity/spy/tick/20131007_trade.zip')
    const trades = (await recordedLines(path)).map(([ms, price, size]) => ({
      ...{ ms: Number(ms), price: Number(price), size: Number(size) },
    }))
    const barByHand = (from: number, to: number) => {
      const inside = trades.filter(({ ms }) => ms >= from && ms < to)
      const prices = inside.map(({ price }) => price)
      return {
        ts: timeOf(from),
        open: recordedPrice(prices[0]!),
        high: recordedPrice(prices.reduce((a, b) => Math.max(a, b))),
        low: recordedPrice(prices.reduce((a, b) => Math.min(a, b))),
        close: recordedPrice(prices.at(-1)!),
        volume: String(inside.reduce((sum, { size }) => sum + size, 0)),
        count: inside.length,
      }
    }
    const fields = ['ts', 'open', 'high', 'low', 'close', 'volume', 'count']
    const symbols = ['SPY']
    const day = { symbols, intervalSeconds: 86_400, fields }
    expect(await barsOf(router, { ...day, session: 'regular' })).toEqual([barByHand(OPEN_MS, CLOSE_MS)])
    expect(await barsOf(router, { ...day, session: 'pre' })).toEqual([barByHand(0, OPEN_MS)])
    expect(await barsOf(router, { ...day, session: 'post' })).toEqual([barByHand(CLOSE_MS, 86_400_000)])
    expect(await barsOf(router, { ...day, session: 'all' })).toEqual([barByHand(0, 86_400_000)])
    const hours = await barsOf(router, { symbols, intervalSeconds: 3_600, session: 'regular', fields })
    expect(hours).toEqual(
      Array.from({ length: 7 }, (_, hour) =>
        barByHand(OPEN_MS + hour * 3_600_000, Math.min(OPEN_MS + (hour + 1) * 3_600_000, CLOSE_MS)),
      ),
    )
  })
})
