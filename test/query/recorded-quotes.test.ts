import { afterEach, beforeEach, expect, test } from 'vitest'
import type { AsofRequest, Prevailing } from '#query'
import { recordedLines, recordedPrice } from '../support/recorded-lines.js'
import { ROWS } from '../support/request-defaults.js'
import { Road } from '../support/road.js'
import { describeRealData } from '../support/shared-data.js'

let road: Road
beforeEach(async () => {
  road = await Road.open()
})
afterEach(() => road.close())

/** Midnight of 7 October 2013 in New York, ms. */
const MIDNIGHT_MS = Date.parse('2013-10-07T04:00:00Z')

describeRealData('trades of BAC', (pathOf) => {
  test('have the quotes that one walk through both recordings finds', async () => {
    const [trades, quotes] = (['trade', 'quote'] as const).map((kind) =>
      pathOf(`us-equity/bac/tick/20131007_${kind}.zip`),
    ) as [string, string]
    await road.loadFile(trades, 'lean-equity-trades')
    await road.loadFile(quotes, 'lean-equity-quotes')
    await road.settle()
    const [tradeLines, quoteLines] = [await recordedLines(trades), await recordedLines(quotes)]
    const walked = (prevailing: Prevailing) => {
      let next = 0
      return tradeLines.map(([ms, price]) => {
        const isIn = ([quoteMs]: readonly string[]) =>
          prevailing === 'at' ? Number(quoteMs) <= Number(ms) : Number(quoteMs) < Number(ms)
        while (next < quoteLines.length && isIn(quoteLines[next]!)) next++
        const quote = quoteLines[next - 1]
        return [
          nanosOf(ms!),
          recordedPrice(price!),
          quote ? nanosOf(quote[0]!) : null,
          quote ? recordedPrice(quote[1]!) : null,
          quote ? recordedPrice(quote[3]!) : null,
        ]
      })
    }
    const fields = ['ts_ns', 'price', 'quote_ts_ns', 'bid_price', 'ask_price']
    const request: AsofRequest = { ...ROWS, prevailing: 'at', maxAgeSeconds: 86_400, limit: null, fields }
    expect(tradeLines.length).toBeGreaterThan(80_000)
    for (const prevailing of ['at', 'before'] as const) {
      const { rows } = await road.router.asof({ ...request, prevailing }, { encoding: 'json' })
      expect(rows.map((row) => Object.values(JSON.parse(row)))).toEqual(walked(prevailing))
    }
  })
})

const nanosOf = (ms: string) => String(BigInt(MIDNIGHT_MS + Number(ms)) * 1_000_000n)
