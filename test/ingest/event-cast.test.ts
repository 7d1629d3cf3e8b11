import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type ColumnDefinition, formatDecimal, QUOTES, type TableDefinition, TRADES } from '#core'
import { EventCast } from '../../src/ingest/posting/event-cast.js'
import { fieldOf, postedColumns } from '../../src/ingest/posting/posted-fields.js'
import { problemText } from '../../src/ingest/posting/posted-row.js'
import { LoadFixture } from '../support/load-fixture.js'
import { loggedRecords } from '../support/log-records.js'

/** Texts by column. */
type Fields = Readonly<Record<string, string>>

/** Columns that both ways read from a row's texts: a load numbers its rows itself, and takes any flag of a format. */
function sharedColumns(definition: TableDefinition) {
  return postedColumns(definition).filter(({ name }) => name !== 'message_id' && name !== 'quality_flags')
}

/** A format whose lines are JSON objects of the canonical columns, as text. */
function asTheyAre(definition: TableDefinition) {
  const columns = sharedColumns(definition).map(({ name }) => `original->>'$.${name}' AS ${name}`)
  return {
    name: 'as-they-are',
    sql: `-- table: ${definition.name}\nSELECT line, original, ${columns.join(', ')} FROM source_lines()`,
  }
}

const digits = (maxLength: number) =>
  fc.array(fc.constantFrom(...'0012345556789'), { maxLength }).map((drawn) => drawn.join(''))
const sign = fc.constantFrom('', '', '-', '+')
const blank = fc.constantFrom('', '', '', ' ', '\t', '\u00a0')

const decimal = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(digits(4), digits(9)).map(([whole, part]) => `1${whole}.${part}`) },
  {
    weight: 6,
    arbitrary: fc
      .tuple(
        blank,
        sign,
        digits(14),
        fc.option(digits(14)),
        fc.option(fc.oneof(fc.integer({ min: -30, max: 30 }), fc.integer())),
        blank,
      )
      .map(
        ([before, minus, whole, part, exponent, after]) =>
          `${before}${minus}${whole}${part === null ? '' : `.${part}`}${exponent === null ? '' : `e${exponent}`}${after}`,
      ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      ...['0', '-0', '0.000000005', '0.0000000050001', '0.000000015', '0.000000025', '9999999999.99999999'],
      ...[
        '9999999999.999999995',
        '10000000000',
        '1e+5',
        '1E5',
        '1e99999',
        'NaN',
        'Infinity',
        '.',
        '1.e2',
        '.5',
      ],
    ),
  },
)

const two = (max: number) => fc.integer({ min: 0, max }).map((drawn) => String(drawn).padStart(2, '0'))
const iso = fc
  .record({
    year: fc.oneof(fc.integer({ min: 1969, max: 2030 }), fc.integer({ min: 0, max: 9999 })),
    month: two(13),
    day: two(32),
    hour: two(25),
    minute: two(61),
    second: two(61),
    fraction: fc.oneof(
      fc.constant(''),
      digits(10).map((drawn) => `.${drawn}`),
    ),
    offset: fc.oneof(
      fc.constantFrom('Z', 'z', '+00', '-00:00', '', ' Z', '+1000'),
      fc.tuple(fc.constantFrom('+', '-'), two(30), two(70)).map(([way, h, m]) => `${way}${h}:${m}`),
    ),
    between: fc.constantFrom('T', ' ', 't'),
  })
  .map(
    ({ year, month, day, hour, minute, second, fraction, offset, between }) =>
      `${String(year).padStart(4, '0')}-${month}-${day}${between}${hour}:${minute}:${second}${fraction}${offset}`,
  )

const whole = fc.oneof(
  fc.bigInt({ min: 0n, max: 10_000n }).map(String),
  fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }).map(String),
  fc.constantFrom(
    '9223372036854775807',
    '9223372036854775808',
    '-9223372036854775808',
    '007',
    '+1',
    '1.0',
    '1e3',
  ),
)

const time = fc.oneof(
  fc.bigInt({ min: 1_700_000_000_000_000_000n, max: 1_710_000_000_000_000_000n }).map(String),
  iso,
  iso,
  whole,
  fc.constantFrom(
    '4199999999999999',
    '4200000000000000',
    '9007199254740991999',
    '9007199254740992000',
    '-1',
    '99999',
  ),
)

const anyText = fc.string({ unit: 'binary', maxLength: 70 })
const name = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('BHP', 'BRK.B', '7203', 'ä€𝄞', ' A ') },
  { weight: 1, arbitrary: fc.nat({ max: 70 }).map((length) => '𝄞'.repeat(length)) },
  { weight: 1, arbitrary: anyText },
)
const side = fc.constantFrom('buy', 'SELL', 'Unknown', 'unKnown', 'b', ' buy')

function textOf({ name: column, type }: ColumnDefinition): fc.Arbitrary<string> {
  if (type === 'timestamptz') return time
  if (type === 'decimal') return decimal
  if (type !== 'string') return whole
  if (column === 'side') return side
  return column === 'symbol' || column === 'exchange' ? name : anyText
}

const USUAL: Fields = { exchange_timestamp: '1700000000000000001', symbol: 'A', exchange: 'X' }

/** The texts of a row by column, most of them right, so that a wrong one is seen beside right ones. */
function rowOf(definition: TableDefinition): fc.Arbitrary<Fields> {
  const texts = sharedColumns(definition).map((column) => {
    const usual = USUAL[column.name] ?? (column.type === 'decimal' ? '1.5' : '')
    return [
      column.name,
      fc.oneof(
        { weight: 20, arbitrary: fc.constant(usual) },
        { weight: 10, arbitrary: textOf(column) },
        { weight: 1, arbitrary: fc.constant('') },
      ),
    ] as const
  })
  return fc.record(Object.fromEntries(texts))
}

/** What is said of a row: its values as the log shows them, or its reason and its problem in words. */
type Said = Readonly<Record<string, string | number | null>>

function castOne(definition: TableDefinition, row: Fields): Said {
  const cast = new EventCast(definition, { sequence: 'none' })
  const outcome = cast.cast(new Map(Object.entries(row).map(([column, text]) => [fieldOf(column), text])))
  if ('reason' in outcome) {
    const column = sharedColumns(definition).find((each) => fieldOf(each.name) === outcome.field)
    return { reason: outcome.reason, detail: problemText({ ...outcome, field: column?.name ?? null }) }
  }
  const decimals = definition.columns.filter(({ type }) => type === 'decimal').map((column) => column.name)
  return Object.fromEntries(
    [...outcome].map(([column, value]) => {
      if (typeof value !== 'bigint') return [column, value]
      return [column, decimals.includes(column) ? formatDecimal(value) : String(value)]
    }),
  )
}

/** What the loader query says of each row. */
async function loadAll(definition: TableDefinition, rows: readonly Fields[]): Promise<readonly Said[]> {
  const fixture = await LoadFixture.open()
  try {
    const lines = rows.map((row) => JSON.stringify(row))
    await fixture.loadText('rows.txt', lines.join('\n'), asTheyAre(definition))
    const said: Said[] = []
    for (const { source: _, source_row: row, ...values } of loggedRecords(fixture.log, definition)) {
      said[Number(row) - 1] = values
    }
    for (const { line, reason, detail } of fixture.quarantined()) {
      // DuckDB writes the escapes of JSON in capitals.
      const text = String(detail).replace(/\\u[0-9A-F]{4}/g, (code) => code.toLowerCase())
      said[Number(line) - 1] = { reason: reason!, detail: text }
    }
    return said
  } finally {
    await fixture.close()
  }
}

describe('the cast of posted rows says what the loader query says (a failure prints its seed)', () => {
  test.each([TRADES, QUOTES])('of $name', async (definition) => {
    const outcomes = new Set<unknown>()
    const property = fc.asyncProperty(
      fc.array(rowOf(definition), { minLength: 300, maxLength: 300 }),
      async (rows) => {
        const loaded = await loadAll(definition, rows)
        for (const [index, row] of rows.entries()) {
          const said = castOne(definition, row)
          outcomes.add(said.reason)
          expect({ message_id: null, ...said }, JSON.stringify(row)).toEqual({
            message_id: null,
            ...loaded[index],
          })
        }
      },
    )
    await fc.assert(property, { numRuns: 12, endOnFailure: true })
    const sign = definition === TRADES ? ['not_positive', 'not_a_side'] : []
    expect([...outcomes]).toEqual(
      expect.arrayContaining([undefined, 'missing_value', 'negative', ...ALWAYS, ...sign]),
    )
  })
})

const ALWAYS = [
  ...['not_a_number', 'not_a_time', 'out_of_range', 'rounds_to_zero'],
  ...['before_1970', 'wrong_time_unit', 'malformed'],
]
