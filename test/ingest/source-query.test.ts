import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { QualityFlag } from '#core'
import { LoadFixture } from '../support/load-fixture.js'

let fixture: LoadFixture
beforeEach(async () => {
  fixture = await LoadFixture.open()
})
afterEach(() => fixture.close())

/** A format that takes the canonical columns as they stand in a line, separated by bars; an empty one is null. */
const TRADES_AS_THEY_ARE = {
  name: 'as-they-are',
  sql: `-- table: trades
    SELECT line, original, f[1] AS symbol, f[2] AS exchange, f[3] AS exchange_timestamp, f[4] AS price, f[5] AS size,
      f[6] AS side, f[7] AS sequence_number
    FROM (SELECT *, string_split(original, '|') AS f FROM source_lines())`,
}

interface Fields {
  symbol?: string
  exchange?: string
  time?: string
  price?: string
  size?: string
  side?: string
  sequence?: string
}

function line(fields: Fields): string {
  const { symbol = 'A', exchange = 'X', time = '1700000000000000000', price = '1', size = '1' } = fields
  return [symbol, exchange, time, price, size, fields.side ?? '', fields.sequence ?? ''].join('|')
}

async function loadOne(fields: Fields) {
  const result = await fixture.loadText('one.txt', `${line(fields)}\n`, TRADES_AS_THEY_ARE)
  return { result, trade: fixture.trades()[0], refused: fixture.quarantined()[0] }
}

describe('a row that does not cast keeps its line, reason and original', () => {
  test.each<[Fields, string, string]>([
    [{ symbol: '' }, 'missing_value', 'symbol: nothing is given'],
    [{ exchange: '' }, 'missing_value', 'exchange: nothing is given'],
    [{ time: '' }, 'missing_value', 'exchange_timestamp: nothing is given'],
    [{ price: '' }, 'missing_value', 'price: nothing is given'],
    [{ size: '' }, 'missing_value', 'size: nothing is given'],
    [{ time: 'yesterday' }, 'not_a_time', 'exchange_timestamp: "yesterday" is not a time'],
    [{ time: '2024-02-30T10:00:00Z' }, 'not_a_time', '"2024-02-30T10:00:00Z" is not a time'],
    [{ time: '2024-02-01T10:00:00' }, 'not_a_time', 'ISO 8601 with an offset'],
    [{ time: '99999999999999999999' }, 'not_a_time', 'exchange_timestamp'],
    [{ time: '9999-01-01T00:00:00Z' }, 'out_of_range', 'is not a time in the years 1684 to 2255'],
    [{ time: '-10001' }, 'before_1970', 'exchange_timestamp: "-10001" is not a time after 1970'],
    [{ time: '1969-12-31T23:59:59.999999999Z' }, 'before_1970', 'a time after 1970'],
    [{ time: '1700000000000' }, 'wrong_time_unit', 'it seems to have been given in another unit'],
    [{ time: 'infinity' }, 'not_a_time', '"infinity" is not a time'],
    [{ price: 'abc' }, 'not_a_number', 'price: "abc" is not a decimal number'],
    [{ price: 'NaN' }, 'not_a_number', 'price: "NaN"'],
    [{ price: '-inf' }, 'not_a_number', 'price: "-inf"'],
    [{ price: '1_000' }, 'not_a_number', 'price: "1_000"'],
    [{ price: '1,5' }, 'not_a_number', 'price: "1,5"'],
    [{ price: '0x10' }, 'not_a_number', 'price: "0x10"'],
    [{ price: '.' }, 'not_a_number', 'price: "."'],
    [{ size: '"' }, 'not_a_number', 'size: "\\"" is not a decimal number'],
    [{ price: '10000000000' }, 'out_of_range', 'price: "10000000000" is not a decimal(18,8)'],
    [{ price: '-1e10' }, 'out_of_range', 'decimal(18,8)'],
    [{ price: '1e99999999999' }, 'out_of_range', 'decimal(18,8)'],
    [{ price: '9999999999.999999995' }, 'out_of_range', 'decimal(18,8)'],
    [{ size: '1e-12' }, 'rounds_to_zero', 'size: "1e-12" is not more than half of 10^-8'],
    [{ size: '0.000000005' }, 'rounds_to_zero', 'size'],
    [{ size: '1e-99999999999' }, 'rounds_to_zero', 'size'],
    [{ price: '0' }, 'not_positive', 'price: "0" is not more than 0'],
    [{ price: '-1' }, 'not_positive', 'price: "-1" is not more than 0'],
    [{ size: '-0.5' }, 'negative', 'size: "-0.5" is not 0 or more'],
    [{ side: 'up' }, 'not_a_side', 'side: "up" is not buy, sell or unknown'],
    [{ sequence: '1.5' }, 'not_a_number', 'sequence_number: "1.5" is not a whole number'],
    [{ sequence: '9999999999999999999' }, 'not_a_number', 'sequence_number'],
  ])('%o: %s', async (fields, reason, detail) => {
    const { result, refused } = await loadOne(fields)
    expect(result).toMatchObject({
      rowsRead: 1,
      accepted: 0,
      quarantined: 1,
      quarantineReasons: { [reason]: 1 },
    })
    expect(refused).toMatchObject({ reason, line: '1', original: line(fields), source_id: result.sourceId })
    expect(refused?.detail).toContain(detail)
    expect(fixture.trades()).toEqual([])
  })
})

describe('times are exact', () => {
  test.each([
    ['1700000000123456789', '1700000000123456', 789],
    ['4200000000000000', '4200000000000', 0],
    ['4199999999999999', null, null],
    ['-1', null, null],
    ['9007199254740991999', '9007199254740991', 999],
    ['9007199254740992000', null, null],
    ['2024-02-29T23:59:59.123456789Z', '1709251199123456', 789],
    ['2024-02-29 23:59:59.5+01', '1709247599500000', 0],
    ['1970-02-18T14:40:00.000000001-00:00', '4200000000000', 1],
    ['2014-03-10T10:00:00+11:00', '1394406000000000', 0],
  ])('%s', async (time, micros, nanos) => {
    const { trade } = await loadOne({ time })
    if (micros === null) expect(trade).toBeUndefined()
    else expect(trade).toMatchObject({ exchange_timestamp: micros, exchange_nanos: nanos })
  })
})

test('sides are written in lower case, and a missing one is unknown', async () => {
  await fixture.loadText(
    'sides.txt',
    ['BUY', 'sell', ''].map((side) => line({ side })).join('\n'),
    TRADES_AS_THEY_ARE,
  )
  expect(fixture.trades().map((trade) => trade.side)).toEqual(['buy', 'sell', 'unknown'])
})

/** The value of digits × 10^exponent, rounded half-even to 8 decimals: by whole numbers alone. */
function rounded(digits: bigint, exponent: number): { scaled: bigint; lost: boolean } {
  const shift = exponent + 8
  if (shift >= 0) return { scaled: digits * 10n ** BigInt(shift), lost: false }
  const divisor = 10n ** BigInt(-shift)
  const magnitude = digits < 0n ? -digits : digits
  const [quotient, remainder] = [magnitude / divisor, magnitude % divisor]
  const up = remainder * 2n > divisor || (remainder * 2n === divisor && quotient % 2n === 1n)
  const result = quotient + (up ? 1n : 0n)
  return { scaled: digits < 0n ? -result : result, lost: remainder !== 0n }
}

/** Writes digits × 10^exponent plainly. */
function plain(digits: bigint, exponent: number): string {
  const sign = digits < 0n ? '-' : ''
  const magnitude = (digits < 0n ? -digits : digits).toString()
  if (exponent >= 0) return sign + magnitude + '0'.repeat(exponent)
  const padded = magnitude.padStart(1 - exponent, '0')
  return `${sign}${padded.slice(0, exponent)}.${padded.slice(exponent)}`
}

test('decimals are exact, rounded half-even and flagged, however they are written', async () => {
  const number = fc.record({
    digits: fc.oneof(
      fc.bigInt(-(10n ** 20n), 10n ** 20n),
      fc.bigInt(-1000n, 1000n).map((value) => value * 10n ** 12n + 5n * 10n ** 11n),
      fc.constantFrom(0n, 1n, 5n, 15n, 25n, 49n, 50n, 51n, 999999999999999999n),
    ),
    exponent: fc.integer({ min: -40, max: 10 }),
    scientific: fc.boolean(),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(number, { minLength: 200, maxLength: 200 }), async (numbers) => {
      const own = await LoadFixture.open()
      try {
        const texts = numbers.map(({ digits, exponent, scientific }) =>
          scientific ? `${digits}E${exponent}` : plain(digits, exponent),
        )
        await own.loadText(
          'numbers.txt',
          texts.map((price) => line({ price })).join('\n'),
          TRADES_AS_THEY_ARE,
        )
        const kept = new Map(own.trades().map((trade) => [Number(trade.source_row), trade]))
        const refused = new Map(own.quarantined().map((record) => [Number(record.line), record]))
        for (const [index, { digits, exponent }] of numbers.entries()) {
          const { scaled, lost } = rounded(digits, exponent)
          if (scaled === 0n && digits !== 0n) {
            expect(refused.get(index + 1), texts[index]).toMatchObject({ reason: 'rounds_to_zero' })
          } else if (scaled >= 10n ** 18n || scaled <= -(10n ** 18n)) {
            expect(refused.get(index + 1), texts[index]).toMatchObject({ reason: 'out_of_range' })
          } else if (scaled <= 0n) {
            expect(refused.get(index + 1), texts[index]).toMatchObject({ reason: 'not_positive' })
          } else {
            const trade = kept.get(index + 1)
            expect(trade?.price, texts[index]).toBe(plain(scaled, -8).replace(/\.?0+$/, ''))
            expect(trade?.quality_flags, texts[index]).toBe(lost ? QualityFlag.rounded : 0)
          }
        }
      } finally {
        await own.close()
      }
    }),
    { numRuns: 8 },
  )
})

test('a format whose SQL fails beyond the first rows fails the load, with what DuckDB says', async () => {
  const path = await fixture.file('a.txt', 'a line\n'.repeat(120_000))
  const strict = `-- table: trades
    SELECT line, original, 'A' AS symbol, 'X' AS exchange, '1' AS size, '1700000000000' AS exchange_timestamp,
      CASE WHEN line < 110000 THEN '1' ELSE CAST(CAST('no price' || line AS INTEGER) AS VARCHAR) END AS price
    FROM source_lines()`
  await expect(fixture.load(path, { name: 'strict', sql: strict })).rejects.toMatchObject({
    code: 'invalid_input',
    message: expect.stringMatching(/strict cannot read a\.txt: .*Could not convert string 'no price/),
  })
})
