import { expect, test } from 'vitest'
import { parseRollup } from '../../src/cli/rollups.js'

const WHOLE = `
source: trades
bucket: 15m
keys: [exchange, symbol, side]
columns:
  opened: first price
  traded: sum  size
`

test('a file says what its rollup is; the name of the file is that of the table', () => {
  expect(parseRollup('sides_15m.yaml', WHOLE)).toEqual({
    name: 'sides_15m',
    source: 'trades',
    bucketSeconds: 900,
    keys: ['exchange', 'symbol', 'side'],
    columns: [
      { name: 'opened', aggregate: 'first', value: 'price' },
      { name: 'traded', aggregate: 'sum', value: 'size' },
    ],
  })
})

test.each([
  ['no source', WHOLE.replace('trades', 'orders'), ['source', 'orders', 'trades, quotes']],
  ['a bucket that is no time', WHOLE.replace('15m', 'often'), ['bucket', 'often', '5m']],
  ['a bucket that does not divide a day', WHOLE.replace('15m', '7m'), ['bucket', '420s', 'divides a day']],
  ['a key that is no text', WHOLE.replace('side]', 'price]'), ['keys', 'price', 'symbol']],
  ['a key that there is not', WHOLE.replace('side]', 'broker]'), ['keys', 'broker', 'symbol']],
  ['no aggregate', WHOLE.replace('first price', 'median price'), ['opened', 'median price', 'first price']],
  ['no value', WHOLE.replace('first price', 'first bid'), ['opened', 'bid', 'price, size, notional']],
  ['a name in capitals', WHOLE.replace('opened', 'Opened'), ['columns', 'Opened', 'small letters']],
  ['a name twice', WHOLE.replace('traded', 'opened_at'), ['columns', 'opened_at', 'no other column']],
  ['an unknown setting', `${WHOLE}where: side = 'buy'`, ['where', 'columns']],
])('%s is refused, with what would be right', (_, text, named) => {
  let message = ''
  try {
    parseRollup('wrong.yaml', text)
  } catch (error) {
    message = String(error)
  }
  for (const part of ['wrong.yaml', ...named]) expect(message).toContain(part)
})
