import {
  decimalField,
  type Field,
  nanosField,
  numberField,
  textField,
  timeField,
  withoutZeros,
} from './field.js'

/** As far as a quotient of doubles, whose error is below 2^-50 of it, is the right whole number or one beside it. */
const MAX_ROUGH = '5e14'
/** Of more, a product could leave 128 bits. */
const MAX_FACTOR = '5e37'

/** Of 128 bits DuckDB takes ten times as long as of 64. */
const VOLUME_TEXT =
  'CASE WHEN abs(volume) < 10000000000 THEN CAST(CAST(volume AS DECIMAL(18,8)) AS VARCHAR) ELSE CAST(volume AS VARCHAR) END'

/**
 * A statement with the columns of another, which has notional and volume, the texts of both, and `vwap`: notional / volume at 8 decimals,
 * half-even, as text; NULL without volume. A DECIMAL quotient is a DOUBLE in DuckDB: whole numbers of scale 16 and 8 are
 * divided instead, which gives one of scale 8. It divides those of 128 bits a bit at a time, 10 µs a row and more: so a
 * rough quotient is made exact by its remainder, and only what is out of reach of that is divided.
 */
export function withVwap(statement: string): string {
  const texts = `SELECT *, CAST(notional AS VARCHAR) AS notional_text, ${VOLUME_TEXT} AS volume_text FROM (${statement})`
  const scaled = `SELECT *, abs(${scaledNumber('notional_text')}) AS vwap_n, abs(${scaledNumber('volume_text')}) AS vwap_v FROM (${texts})`
  const quotient = 'vwap_n::DOUBLE / vwap_v::DOUBLE'
  const isNear = `volume <> 0 AND vwap_n::DOUBLE < ${MAX_FACTOR} AND vwap_v::DOUBLE < ${MAX_FACTOR} AND ${quotient} < ${MAX_ROUGH}`
  const rough = `SELECT *, CASE WHEN ${isNear} THEN CAST(floor(${quotient}) AS BIGINT) END AS vwap_q FROM (${scaled})`
  const left = `SELECT *, vwap_n - vwap_q::HUGEINT * vwap_v AS vwap_r FROM (${rough})`
  const near = [
    'SELECT * REPLACE (',
    'CASE WHEN vwap_r < 0 THEN vwap_q - 1 WHEN vwap_r >= vwap_v THEN vwap_q + 1 ELSE vwap_q END AS vwap_q,',
    'CASE WHEN vwap_r < 0 THEN vwap_r + vwap_v WHEN vwap_r >= vwap_v THEN vwap_r - vwap_v ELSE vwap_r END AS vwap_r',
    `) FROM (${left})`,
  ].join(' ')
  const text = `CASE WHEN vwap_q IS NULL THEN ${roundedText('(vwap_n // vwap_v)', '(vwap_n % vwap_v)')} ELSE ${roundedText('vwap_q', 'vwap_r')} END`
  return [
    `SELECT * EXCLUDE (vwap_n, vwap_v, vwap_q, vwap_r), CASE WHEN volume <> 0 THEN ${text} END AS vwap`,
    `FROM (${near})`,
  ].join(' ')
}

/** A quotient of 8 decimals, rounded by what is left of it, as text. */
function roundedText(quotient: string, left: string): string {
  // left > v - left, not 2 × left > v: that may leave 128 bits.
  const up = `(${left} > vwap_v - ${left} OR (${left} = vwap_v - ${left} AND ${quotient} % 2 = 1))`
  const rounded = `(${quotient} + CASE WHEN ${up} THEN 1 ELSE 0 END)`
  const sign = `CASE WHEN (notional < 0) <> (volume < 0) AND ${rounded} <> 0 THEN '-' ELSE '' END`
  const whole = `CAST(${rounded} // 100000000 AS VARCHAR)`
  const fraction = `lpad(CAST(${rounded} % 100000000 AS VARCHAR), 8, '0')`
  return `${sign} || ${whole} || '.' || ${fraction}`
}

export const BAR_FIELDS: readonly Field[] = [
  textField('symbol', 'symbol', 'instrument, as the exchange names it'),
  textField('exchange', 'exchange', 'the feed whose symbols are meant'),
  timeField('ts', 'bucket', ['bucket'], 'start of the bucket, RFC 3339 in UTC'),
  nanosField('ts_ns', 'bucket', '0', ['bucket']),
  decimalField('open', 'open', 'price of the first row in the total order'),
  decimalField('high', 'high', 'highest price'),
  decimalField('low', 'low', 'lowest price'),
  decimalField('close', 'close', 'price of the last row in the total order'),
  {
    ...decimalField('volume', 'volume', 'sum of sizes; null for quotes'),
    sql: withoutZeros('volume_text'),
  },
  {
    ...decimalField('notional', 'notional', 'sum of price × size, exact; null for quotes'),
    sql: withoutZeros('notional_text'),
  },
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

/** The text of a decimal holds all digits of its scale: without the point it is the scaled number. */
function scaledNumber(text: string): string {
  return `CAST(replace(${text}, '.', '') AS HUGEINT)`
}
