import type { Schema } from 'avsc'
import { expect, test } from 'vitest'
import { TRADES } from '#core'
import { avroSchema } from '../../src/ingest/avro-schema.js'
import { compileProgram } from '../../src/ingest/decode-program.js'

/** The schema of trades with one field given another type, or taken away. */
function tradesWith(name: string, type: unknown): Schema {
  // `avroSchema` gives a record schema.
  const schema = avroSchema(TRADES) as { fields: { name: string }[] }
  const fields = schema.fields.flatMap((field) =>
    field.name !== name ? [field] : type === undefined ? [] : [{ name, type }],
  )
  return { ...schema, fields } as unknown as Schema
}

test.each([
  ['a required field that is absent', 'symbol', undefined],
  ['a required field that may be null', 'symbol', ['null', 'string']],
  ['a number for a string', 'venue', ['null', 'int']],
  ['a long for an int', 'quality_flags', 'long'],
  ['a double for a long', 'sequence_number', ['null', 'double']],
  ['a time without a unit', 'exchange_timestamp', 'long'],
  ['a time in milliseconds', 'exchange_timestamp', { type: 'long', logicalType: 'timestamp-millis' }],
  ['a decimal of another scale', 'price', { type: 'bytes', logicalType: 'decimal', precision: 18, scale: 4 }],
  ['bytes that are no decimal', 'price', 'bytes'],
  ['a price as a double', 'price', 'double'],
  ['one bad branch of many', 'venue', ['null', 'string', 'double']],
])('%s is refused and named', (_, field, type) => {
  expect(() => compileProgram(tradesWith(field, type), TRADES, () => 0)).toThrow(
    expect.objectContaining({ code: 'invalid_input', detail: expect.objectContaining({ field }) }),
  )
})

test.each(['string', { type: 'array', items: 'string' }, { type: 'record' }])(
  '%j is no schema of records',
  (schema) => {
    expect(() => compileProgram(schema as Schema, TRADES, () => 0)).toThrow(
      expect.objectContaining({ code: 'invalid_input' }),
    )
  },
)
