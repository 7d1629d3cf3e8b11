import type { Schema } from 'avsc'
import { expect, test } from 'vitest'
import { TRADES } from '#core'
import { avroSchema } from '../../src/ingest/avro-schema.js'
import { ColumnarDecoder } from '../../src/ingest/columnar-decoder.js'
import { RecordEncoder } from '../../src/ingest/record-encoder.js'
import type { SchemaSource } from '../../src/ingest/record-writers.js'
import { framed, oracleType } from '../support/avro-oracle.js'
import { rowsOfBatch } from '../support/batch-rows.js'
import { recordBatch } from '../support/record-batches.js'
import type { Row } from '../support/row-batch.js'
import { SeededRandom } from '../support/seeded-random.js'
import { avroRecord, encodeColumns, randomRecords } from '../support/table-records.js'

/** Schemas by id, from 1, whatever they are: what other registries may hold. */
function registryOf(...schemas: Schema[]): SchemaSource {
  return {
    schemasOf: async (ids) => {
      const known = ids.filter((id) => id <= schemas.length)
      return new Map(known.map((id) => [id, JSON.stringify(schemas[id - 1])]))
    },
    unknownBefore: () => [],
  }
}

function encoded(records: readonly Row[]): Uint8Array[] {
  return new RecordEncoder(TRADES, 1).encode(
    encodeColumns(TRADES, records),
    records.length,
    0,
    records.length,
  )
}

/** Fields beside those of trades that may be columns, and the columns that hold them. */
const FURTHER = [
  { name: 'flag', type: 'boolean', column: 'boolean', values: [true, false] },
  { name: 'small', type: 'int', column: 'int', values: [0, -(2 ** 31), 2 ** 31 - 1] },
  { name: 'wide', type: 'int', column: 'long', values: [-1, 2 ** 31 - 1] },
  { name: 'large', type: 'long', column: 'long', values: [-(2n ** 63n), 2n ** 63n - 1n] },
  { name: 'ratio', type: 'float', column: 'float', values: [0.5, -0, Number.NaN, Infinity] },
  { name: 'widened', type: 'float', column: 'double', values: [0.25, Math.fround(0.1)] },
  { name: 'exact', type: 'double', column: 'double', values: [0.1, Number.MIN_VALUE] },
  { name: 'note', type: 'string', column: 'string', values: ['', 'exactlytwelv', 'Zürich, 3rd floor'] },
  { name: 'blob', type: 'bytes', column: 'binary', values: [Buffer.from([]), Buffer.from([1, 2, 3])] },
  {
    name: 'seen',
    type: { type: 'long', logicalType: 'timestamp-micros' },
    column: 'timestamptz',
    values: [0n, -(2n ** 53n)],
  },
  { name: 'skipped', type: 'string', column: null, values: ['no column'] },
] as const

test('further fields fill the columns that they have, as avsc reads them, and leave the others empty', async () => {
  for (let seed = 700; seed < 740; seed++) {
    const random = new SeededRandom(seed)
    const writers = [1, 2].map(() =>
      FURTHER.filter(() => random.oneIn(2)).map((field) => ({ ...field, nullFirst: random.oneIn(2) })),
    )
    const schemas = writers.map((fields) => {
      const further = fields.map(({ name, type, nullFirst }) => ({
        name,
        type: nullFirst ? ['null', type] : [type, 'null'],
      }))
      // The schema of `avroSchema` is a record schema with fields.
      const { fields: own, ...schema } = avroSchema(TRADES) as { fields: object[] }
      return { ...schema, fields: [...further, ...own].sort(() => (random.oneIn(2) ? 1 : -1)) } as Schema
    })
    const columnOf = ({ name, column }: (typeof FURTHER)[number]) =>
      column && { id: 50 + FURTHER.findIndex((field) => field.name === name), type: column }
    const decoder = new ColumnarDecoder(TRADES, registryOf(...schemas), {
      schemaId: 0,
      columnsOf: async (id) =>
        new Map(
          writers[id - 1]!.flatMap((field) => {
            const column = columnOf(field)
            return column ? [[field.name, column] as const] : []
          }),
        ),
      spoilt: (field) => expect.fail(`seed ${seed}: ${field}`),
    })
    await decoder.prepare([1, 2])
    const written = randomRecords(random, TRADES, 20).map((trade) => {
      const id = 1 + random.below(2)
      const further = writers[id - 1]!.map(
        ({ name, values }) => [name, random.oneIn(3) ? null : random.pick<unknown>(values)] as const,
      )
      const record = { ...avroRecord(TRADES, trade), ...Object.fromEntries(further) }
      return {
        trade,
        further: new Map(further),
        value: framed(id, oracleType(schemas[id - 1]!).toBuffer(record)),
      }
    })
    const { batch, refused } = decoder.decode([recordBatch(written.map(({ value }) => value))], [0])
    expect(refused, `seed ${seed}`).toEqual([])
    const filled = FURTHER.filter((field) => writers.flat().some(({ name }) => name === field.name))
    expect(batch.added, `seed ${seed}`).toEqual(filled.flatMap((field) => columnOf(field) ?? []))
    for (const [row, decoded] of rowsOfBatch(batch).entries()) {
      const { trade, further } = written[row]!
      expect(decoded, `seed ${seed}, row ${row}`).toMatchObject(trade)
      for (const field of filled) {
        const column = columnOf(field)
        if (!column) continue
        const cell = further.get(field.name) ?? null
        const asLong = column.type === 'long' && typeof cell === 'number' ? BigInt(cell) : cell
        const shown = typeof asLong === 'boolean' ? Number(asLong) : asLong
        const bytes = shown instanceof Buffer ? new Uint8Array(shown) : shown
        expect(decoded[`added ${column.id}`], `seed ${seed}, row ${row}, ${field.name}`).toEqual(bytes)
      }
    }
  }
})

test.each([
  ['a boolean that is neither', 'boolean', [2]],
  ['a text that is no UTF-8', 'string', [2, 0xff]],
  ['an int of more than 32 bits', 'int', [0x80, 0x80, 0x80, 0x80, 0x20]],
  [
    'a time of another age',
    { type: 'long', logicalType: 'timestamp-micros' },
    [...new Array(9).fill(0xff), 1],
  ],
  ['a decimal of no bytes', { type: 'bytes', logicalType: 'decimal', precision: 18, scale: 2 }, [0]],
  [
    'a decimal of more than 18 digits',
    { type: 'bytes', logicalType: 'decimal', precision: 18, scale: 2 },
    [16, 0x7f, ...new Array(7).fill(0xff)],
  ],
] as const)('%s is nothing, and no reason to refuse its record [inv 10]', async (_, type, wrong) => {
  const { fields, ...schema } = avroSchema(TRADES) as { fields: object[] }
  const withField = { ...schema, fields: [...fields, { name: 'further', type: ['null', type] }] } as Schema
  const spoilt: unknown[] = []
  const typeNames = { boolean: 'boolean', string: 'string', int: 'int' } as const
  const column =
    typeof type === 'string'
      ? typeNames[type]
      : type.type === 'long'
        ? ('timestamptz' as const)
        : ('decimal(18, 2)' as const)
  const decoder = new ColumnarDecoder(TRADES, registryOf(withField), {
    schemaId: 0,
    columnsOf: async () => new Map([['further', { id: 19, type: column }]]),
    spoilt: (...told) => spoilt.push(told),
  })
  await decoder.prepare([1])
  const records = randomRecords(new SeededRandom(31), TRADES, 2)
  const values = encoded(records).map((value) => Uint8Array.from([...value, 2, ...wrong]))
  const { batch, refused } = decoder.decode([recordBatch(values)], [0])
  expect(refused).toEqual([])
  const rows = rowsOfBatch(batch)
  expect(rows).toMatchObject(records)
  expect(rows.map((row) => row['added 19'])).toEqual([null, null])
  expect(spoilt).toEqual([['further', 2]])
})
