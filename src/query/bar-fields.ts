import { decimalField, type Field, nanosField, numberField, textField, timeField } from './field.js'

// The text of a DECIMAL(38,s) holds all s decimals: without the point it is the scaled number.
const NOTIONAL = scaled('notional')
const VOLUME = scaled('volume')

/**
 * notional / volume at 8 decimals, half-even, as text; NULL without volume. A DECIMAL quotient is a DOUBLE in DuckDB:
 * whole numbers of scale 16 and 8 are divided instead, which gives one of scale 8.
 */
export const VWAP = (() => {
  const [n, v] = [`abs(${NOTIONAL})`, `abs(${VOLUME})`]
  const [quotient, remainder] = [`(${n} // ${v})`, `(${n} % ${v})`]
  // remainder > v - remainder, not 2 × remainder > v: that may leave 128 bits.
  const up = `(${remainder} > ${v} - ${remainder} OR (${remainder} = ${v} - ${remainder} AND ${quotient} % 2 = 1))`
  const rounded = `(${quotient} + CASE WHEN ${up} THEN 1 ELSE 0 END)`
  const sign = `CASE WHEN (${NOTIONAL} < 0) <> (${VOLUME} < 0) AND ${rounded} <> 0 THEN '-' ELSE '' END`
  const whole = `CAST(${rounded} // 100000000 AS VARCHAR)`
  const fraction = `lpad(CAST(${rounded} % 100000000 AS VARCHAR), 8, '0')`
  return `CASE WHEN volume <> 0 THEN ${sign} || ${whole} || '.' || ${fraction} END`
})()

export const BAR_FIELDS: readonly Field[] = [
  textField('symbol', 'symbol', 'instrument, as the exchange names it'),
  textField('exchange', 'exchange', 'the feed whose symbols are meant'),
  timeField('ts', 'bucket', ['bucket'], 'start of the bucket, RFC 3339 in UTC'),
  nanosField('ts_ns', 'bucket', '0', ['bucket']),
  decimalField('open', 'open', 'price of the first row in the total order'),
  decimalField('high', 'high', 'highest price'),
  decimalField('low', 'low', 'lowest price'),
  decimalField('close', 'close', 'price of the last row in the total order'),
  decimalField('volume', 'volume', 'sum of sizes; null for quotes'),
  decimalField('notional', 'notional', 'sum of price × size, exact; null for quotes'),
  {
    ...decimalField('vwap', 'vwap', 'notional / volume, half-even at 8 decimals; null without volume'),
    typedSql: 'CAST(vwap AS DECIMAL(38,8))',
  },
  numberField('count', 'count', 'rows in the bucket; of eligible prints, those that count for volume'),
  {
    ...numberField('final', 'final', 'the exchange has passed its end by 5 minutes'),
    type: 'boolean',
    typedSql: 'final',
  },
]

function scaled(column: string): string {
  return `CAST(replace(CAST(${column} AS VARCHAR), '.', '') AS HUGEINT)`
}
