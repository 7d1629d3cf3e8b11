import { expect, test } from 'vitest'
import { QUARANTINE, QUOTES, TRADES } from '#core'
import { avroSchema } from '../../src/ingest/avro-schema.js'
import { RecordEncoder } from '../../src/ingest/record-encoder.js'
import { framed, oracleType } from '../support/avro-oracle.js'
import { SeededRandom } from '../support/seeded-random.js'
import { avroRecord, encodeColumns, randomRecords } from '../support/table-records.js'

test.each([TRADES, QUOTES, QUARANTINE])(
  'records of $name are byte for byte what avsc writes',
  (definition) => {
    for (const seed of [1, 2, 3, 4]) {
      const records = randomRecords(new SeededRandom(seed), definition, 500)
      const encoder = new RecordEncoder(definition, 0xfedc_ba98)
      const values = encoder.encode(encodeColumns(definition, records), records.length, 0, records.length)
      const oracle = oracleType(avroSchema(definition))
      for (const [row, record] of records.entries()) {
        const expected = framed(0xfedc_ba98, oracle.toBuffer(avroRecord(definition, record)))
        expect(Buffer.from(values[row]!).toString('hex'), `seed ${seed}, row ${row}`).toBe(
          Buffer.from(expected).toString('hex'),
        )
      }
    }
  },
)

test('typed arrays and a range of rows give the same bytes as plain arrays', () => {
  const records = randomRecords(new SeededRandom(5), TRADES, 50)
  const plain = encodeColumns(TRADES, records)
  const typed = plain.map((column, index) => {
    if (column.kind === 'int')
      return { kind: column.kind, values: Int32Array.from(column.values as number[]) }
    // The third field, exchange_timestamp, is required: it has no nulls.
    if (index === 2) return { kind: 'long' as const, values: BigInt64Array.from(column.values as bigint[]) }
    return column
  })
  const encoder = new RecordEncoder(TRADES, 1)
  expect(encoder.encode(typed, 50, 20, 40)).toEqual(encoder.encode(plain, 50, 0, 50).slice(20, 40))
})

test('a null in a required field is a programming error', () => {
  const columns = encodeColumns(TRADES, [
    { ...randomRecords(new SeededRandom(6), TRADES, 1)[0], symbol: null },
  ])
  expect(() => new RecordEncoder(TRADES, 1).encode(columns, 1, 0, 1)).toThrow('the required field symbol')
})

test('a value that is longer than a slab is written whole', () => {
  const [record] = randomRecords(new SeededRandom(7), QUARANTINE, 1)
  const original = new SeededRandom(8).bytes(600_000)
  const [value] = new RecordEncoder(QUARANTINE, 1).encode(
    encodeColumns(QUARANTINE, [{ ...record, original }]),
    1,
    0,
    1,
  )
  const read = oracleType(avroSchema(QUARANTINE)).fromBuffer(Buffer.from(value!.subarray(5)))
  expect(Buffer.compare(read.original, original)).toBe(0)
})
