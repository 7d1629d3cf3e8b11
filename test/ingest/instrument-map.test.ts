import { expect, test } from 'vitest'
import { batchColumnNames, TRADES } from '#core'
import { BatchBuilder } from '../../src/ingest/batch-builder.js'
import { InstrumentMap } from '../../src/ingest/instrument-map.js'
import { AWKWARD_SYMBOLS } from '../support/market-rows.js'
import { SeededRandom } from '../support/seeded-random.js'

const names = batchColumnNames(TRADES)
const SYMBOL = names.indexOf('symbol')
const EXCHANGE = names.indexOf('exchange')

/** Rows of these instruments, as the decoder would write them. */
function rowsOf(instruments: readonly (readonly [exchange: string, symbol: string])[]): BatchBuilder {
  const rows = new BatchBuilder(TRADES, instruments.length)
  instruments.forEach(([exchange, symbol], row) => {
    for (const [column, text] of [
      [EXCHANGE, exchange],
      [SYMBOL, symbol],
    ] as const) {
      const bytes = Buffer.from(text)
      rows.cells[column]![row * 4] = bytes.length
      if (bytes.length <= 12) rows.cellBytes[column]!.set(bytes, row * 16 + 4)
      else rows.long[column]!.set(row, bytes)
    }
  })
  return rows
}

test('each instrument finds its own, however alike their names and however many there are', () => {
  const seed = 20_261_126
  console.log(`seed ${seed}`)
  const random = new SeededRandom(seed)
  const exchanges = ['X', 'XA', 'a long exchange name', 'a long exchange namf']
  const symbols = [
    ...AWKWARD_SYMBOLS,
    '',
    'A',
    'AX',
    ...Array.from({ length: 5000 }, (_, each) => `S${each}`),
  ]
  const all = exchanges.flatMap((exchange) => symbols.map((symbol) => [exchange, symbol] as const))
  const rows = rowsOf(all)
  const order = all.map((_, index) => index).sort(() => (random.oneIn(2) ? 1 : -1))
  const map = new InstrumentMap<number>(EXCHANGE, SYMBOL)
  const added = new Set<number>()
  for (const index of order) {
    expect(map.get(rows, index)).toBe(undefined)
    map.add(...all[index]!, index)
    added.add(index)
    const other = random.below(all.length)
    expect(map.get(rows, other)).toBe(added.has(other) ? other : undefined)
  }
  expect(map.size).toBe(all.length)
  for (const index of order) expect(map.get(rows, index)).toBe(index)
})
