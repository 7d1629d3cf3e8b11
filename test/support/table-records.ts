import { type TableDefinition, TRADES } from '#core'
import { type RecordField, recordFields } from '../../src/ingest/avro-schema.js'
import type { EncodeColumn } from '../../src/ingest/record-encoder.js'
import { decimalBytes } from './avro-oracle.js'
import type { CellValue, Row } from './row-batch.js'
import type { SeededRandom } from './seeded-random.js'

const TEXTS = [
  '',
  'A',
  'BHP',
  'exactlytwelv',
  'thirteen long',
  'Zürich',
  '株式会社東京',
  '🚀',
  '\u0000',
  'x'.repeat(300),
]
const EDGES = [
  0n,
  1n,
  -1n,
  63n,
  -64n,
  64n,
  127n,
  128n,
  -128n,
  -129n,
  2n ** 31n,
  -(2n ** 31n),
  2n ** 32n,
  2n ** 53n,
]
const LONGS = [...EDGES, 2n ** 63n - 1n, -(2n ** 63n)]
const DECIMALS = [...EDGES, 10n ** 18n - 1n, 1n - 10n ** 18n, 0x0de0_b6b3n << 32n]

/** Random records of a table, by field name, rich in edge cases. */
export function randomRecords(random: SeededRandom, definition: TableDefinition, count: number): Row[] {
  const fields = recordFields(definition)
  return Array.from({ length: count }, () =>
    Object.fromEntries(
      fields.map((field) => [
        field.name,
        !field.required && random.oneIn(3) ? null : randomValue(random, field.type),
      ]),
    ),
  )
}

/** Random trades that can be true: what is required of names, times, prices and sizes holds; the rest is as above. */
export function plausibleTrades(random: SeededRandom, count: number): Row[] {
  return randomRecords(random, TRADES, count).map((record, row) => ({
    ...record,
    message_id: random.oneIn(2) ? null : `message ${row}`,
    symbol: random.pick(['A', 'BHP', 'exactlytwelv', 'thirteen long', '株式会社東京']),
    exchange: random.pick(['ASX', 'Zürich']),
    exchange_timestamp: 1_400_000_000_000_000n + random.bigBelow(2n ** 50n) / 4n,
    price: 1n + random.bigBelow(10n ** 18n - 1n),
    size: random.bigBelow(10n ** 18n),
  }))
}

function randomValue(random: SeededRandom, type: RecordField['type']): CellValue {
  switch (type) {
    case 'string':
      return random.pick(TEXTS)
    case 'int':
      return random.pick([0, 1, -1, 999, 2 ** 31 - 1, -(2 ** 31), random.uint32() | 0])
    case 'timestamptz':
      // Event times lie within ±2^53 µs.
      return random.oneIn(4)
        ? random.pick([0n, 1n, -1n, 2n ** 53n - 1n, -(2n ** 53n)])
        : random.bigBelow(2n ** 54n) - 2n ** 53n
    case 'long':
      return random.oneIn(2) ? random.pick(LONGS) : random.bigBelow(2n ** 64n) - 2n ** 63n
    case 'decimal':
      return random.oneIn(2)
        ? random.pick(DECIMALS)
        : random.bigBelow(2n * 10n ** 18n - 1n) - (10n ** 18n - 1n)
    case 'binary':
      return random.bytes(random.below(40))
  }
}

/** The records as columns for the encoder. */
export function encodeColumns(definition: TableDefinition, records: readonly Row[]): EncodeColumn[] {
  return recordFields(definition).map(({ name, type }) => {
    const values = records.map((record) => record[name] ?? null)
    switch (type) {
      case 'string':
        return { kind: 'string', values: values as (string | null)[] }
      case 'int':
        return { kind: 'int', values: values as (number | null)[] }
      case 'binary':
        return { kind: 'bytes', values: values as (Uint8Array | null)[] }
      default:
        return { kind: 'long', values: values as (bigint | null)[] }
    }
  })
}

/** A record as avsc takes it. */
export function avroRecord(definition: TableDefinition, record: Row): Record<string, unknown> {
  return Object.fromEntries(
    recordFields(definition).map(({ name, type }) => {
      const value = record[name] ?? null
      if (value !== null && type === 'decimal') return [name, decimalBytes(value as bigint)]
      return [name, value instanceof Uint8Array ? Buffer.from(value) : value]
    }),
  )
}
