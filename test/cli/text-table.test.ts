import { expect, test } from 'vitest'
import { candleChart } from '../../src/cli/candles.js'
import { groupDigits, parseCsv, textTable } from '../../src/cli/text-table.js'

test('numbers stand right, text left, null is empty', () => {
  const rows = [
    ['BHP', '36.667', 12],
    ['A', '0.5', null],
  ]
  expect(textTable(['symbol', 'price', 'count'], rows).split('\n')).toEqual([
    'symbol   price  count',
    '──────  ──────  ─────',
    'BHP     36.667     12',
    'A          0.5',
  ])
})

test('no rows: only the names', () => {
  expect(textTable(['symbol'], [])).toBe('symbol\n──────')
})

test('digits are grouped by thousands', () => {
  expect([1, 1234, 1234567, 12n].map(groupDigits)).toEqual(['1', '1,234', '1,234,567', '12'])
})

test('candles show body, wick and direction', () => {
  const up = { open: 2, high: 4, low: 0, close: 3 }
  const down = { open: 3, high: 3, low: 1, close: 1 }
  expect(candleChart([up, down], 4).split('\n')).toEqual([
    '     4.000 │',
    '           █░',
    '           │░',
    '     0.000 │',
  ])
})

test.each([
  [
    'a,b\n1,2\n',
    [
      ['a', 'b'],
      ['1', '2'],
    ],
  ],
  [
    'a,b\r\n1,\r\n',
    [
      ['a', 'b'],
      ['1', ''],
    ],
  ],
  ['a\n"x, ""y""\nz"\n', [['a'], ['x, "y"\nz']]],
  [
    'a,b\n,""',
    [
      ['a', 'b'],
      ['', ''],
    ],
  ],
  ['', []],
])('CSV %j is read by its rules', (text, records) => {
  expect(parseCsv(text)).toEqual(records)
})
