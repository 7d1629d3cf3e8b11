import type { Schema } from 'avsc'
import { expect, test } from 'vitest'
import { dayOfMicros, QUARANTINE, QUOTES, type TableDefinition, TRADES } from '#core'
import { avroSchema } from '../../src/ingest/avro-schema.js'
import { ColumnarDecoder } from '../../src/ingest/columnar-decoder.js'
import { RecordEncoder } from '../../src/ingest/record-encoder.js'
import type { SchemaSource } from '../../src/ingest/record-writers.js'
import { framed, oracleType } from '../support/avro-oracle.js'
import { rowsOfBatch } from '../support/batch-rows.js'
import { recordBatch } from '../support/record-batches.js'
import type { Row } from '../support/row-batch.js'
import { SeededRandom } from '../support/seeded-random.js'
import { avroRecord, encodeColumns, plausibleTrades, randomRecords } from '../support/table-records.js'

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

async function decoderOf(definition: TableDefinition, ...schemas: Schema[]): Promise<ColumnarDecoder> {
  const decoder = new ColumnarDecoder(definition, registryOf(...schemas))
  await decoder.prepare(schemas.map((_, index) => index + 1))
  return decoder
}

function encoded(definition: TableDefinition, records: readonly Row[]): Uint8Array[] {
  return new RecordEncoder(definition, 1).encode(
    encodeColumns(definition, records),
    records.length,
    0,
    records.length,
  )
}

test.each([TRADES, QUOTES, QUARANTINE])(
  'what avsc writes of $name comes back as it was',
  async (definition) => {
    const decoder = await decoderOf(definition, avroSchema(definition))
    const oracle = oracleType(avroSchema(definition))
    for (const seed of [11, 12, 13]) {
      const records = randomRecords(new SeededRandom(seed), definition, 400)
      const values = records.map((record) => framed(1, oracle.toBuffer(avroRecord(definition, record))))
      const { batch, refused } = decoder.decode([recordBatch(values)], [0])
      expect(refused, `seed ${seed}`).toEqual([])
      for (const [row, decoded] of rowsOfBatch(batch).entries()) {
        expect(decoded, `seed ${seed}, row ${row}`).toMatchObject(records[row]!)
      }
    }
  },
)

/** A writer of trades that is not ours: fields in another order, some absent, some unknown, narrower types. */
function foreignWriter(random: SeededRandom): {
  schema: Schema
  record: (trade: Row) => Record<string, unknown>
} {
  const point = {
    type: 'record',
    name: 'Point',
    fields: [
      { name: 'x', type: 'double' },
      { name: 'next', type: ['null', 'Point'] },
    ],
  }
  const extras = [
    { name: 'flag', type: 'boolean', value: true },
    { name: 'ratio', type: 'double', value: 0.5 },
    { name: 'ratio32', type: 'float', value: 0.25 },
    { name: 'id', type: { type: 'fixed', name: 'Id', size: 7 }, value: Buffer.from('1234567') },
    { name: 'kind', type: { type: 'enum', name: 'Kind', symbols: ['A', 'B'] }, value: 'B' },
    { name: 'tags', type: { type: 'array', items: 'string' }, value: ['a', 'bc', ''] },
    { name: 'counts', type: { type: 'map', values: 'long' }, value: { a: 1n, b: 2n ** 60n } },
    { name: 'either', type: ['null', 'string', 'long'], value: 7n },
    { name: 'point', type: point, value: { x: 1, next: { x: 2, next: null } } },
    { name: 'nothing', type: 'null', value: null },
    { name: 'note', type: 'bytes', value: Buffer.from('note') },
  ].filter(() => random.oneIn(2))
  // The schema of `avroSchema` is a record schema with fields.
  const own = (avroSchema(TRADES) as { fields: { name: string; type: unknown }[] }).fields
    .filter(({ type }) => !Array.isArray(type) || !random.oneIn(4))
    .map(({ name, type }) => {
      if (!Array.isArray(type)) return { name, type }
      const inner = type[1]
      const narrow = inner === 'long' && random.oneIn(2) ? 'int' : inner
      return random.pick([
        { name, type: ['null', narrow] },
        { name, type: [narrow, 'null'] },
        { name, type: narrow === 'int' ? ['int', 'null', 'long'] : ['null', narrow] },
      ])
    })
  const fields = [...own, ...extras]
    .sort(() => (random.oneIn(2) ? 1 : -1))
    .map(({ name, type }) => ({ name, type }))
  const schema = { type: 'record', name: 'Trade', namespace: 'ticklake', fields } as Schema
  return {
    schema,
    record: (trade) => ({
      ...avroRecord(TRADES, trade),
      ...Object.fromEntries(extras.map(({ name, value }) => [name, value])),
      // Narrow enough for an int, whatever the writer has made of the field.
      sequence_number:
        trade.sequence_number === null ? null : BigInt.asIntN(31, trade.sequence_number as bigint),
      source_row: null,
    }),
  }
}

test('records of any compatible writer are read as avsc resolves them', async () => {
  const reader = oracleType(avroSchema(TRADES))
  for (let seed = 100; seed < 160; seed++) {
    const random = new SeededRandom(seed)
    const { schema, record } = foreignWriter(random)
    const decoder = await decoderOf(TRADES, schema)
    const writer = oracleType(schema)
    const bodies = randomRecords(random, TRADES, 20).map((trade) => {
      const value = record(trade)
      for (const { name, type } of (schema as { fields: { name: string; type: unknown }[] }).fields) {
        const branches = Array.isArray(type) ? type : [type]
        if (branches.includes('int') && typeof value[name] === 'bigint') value[name] = Number(value[name])
      }
      return writer.toBuffer(value)
    })
    const { batch, refused } = decoder.decode([recordBatch(bodies.map((body) => framed(1, body)))], [0])
    expect(refused, `seed ${seed}`).toEqual([])
    const resolver = reader.createResolver(writer)
    for (const [row, decoded] of rowsOfBatch(batch).entries()) {
      const resolved = reader.fromBuffer(bodies[row]!, resolver)
      expect(avroRecord(TRADES, decoded), `seed ${seed}, row ${row}`).toEqual({
        ...resolved,
        ...(typeof resolved.sequence_number === 'number' && {
          sequence_number: BigInt(resolved.sequence_number),
        }),
      })
    }
  }
})

test('bytes changed at random are refused whole, or are what avsc reads', async () => {
  const decoder = await decoderOf(TRADES, avroSchema(TRADES))
  const oracle = oracleType(avroSchema(TRADES))
  let refusedCount = 0
  for (let seed = 200; seed < 600; seed++) {
    const random = new SeededRandom(seed)
    const values = encoded(TRADES, randomRecords(random, TRADES, 5)).map((value) => {
      const damaged = Uint8Array.from(value)
      damaged[5 + random.below(value.length - 5)] = random.below(256)
      return random.oneIn(3) ? damaged.subarray(0, 5 + random.below(value.length - 5)) : damaged
    })
    const { batch, refused } = decoder.decode([recordBatch(values)], [0])
    const rows = rowsOfBatch(batch)
    expect(rows.length + refused.length, `seed ${seed}`).toBe(values.length)
    for (const { offset, bytes, detail } of refused) {
      expect(bytes, `seed ${seed}`).toEqual(new Uint8Array(values[offset]!))
      expect(detail).toMatch(/^[a-z_]+: .* is not /)
    }
    for (const row of rows) {
      const read = oracle.fromBuffer(Buffer.from(values[Number(row.log_offset)]!.subarray(5)))
      // A decimal may be written longer than need be: its value counts, not its bytes.
      const exact = (bytes: Buffer) => BigInt.asIntN(bytes.length * 8, BigInt(`0x${bytes.toString('hex')}`))
      const expected = { ...read, price: exact(read.price), size: exact(read.size) }
      expect({ ...avroRecord(TRADES, row), price: row.price, size: row.size }, `seed ${seed}`).toEqual(
        expected,
      )
    }
    refusedCount += refused.length
  }
  expect(refusedCount).toBeGreaterThan(500)
})

test('a malformed value leaves its neighbours and their positions as they are', async () => {
  const decoder = await decoderOf(TRADES, avroSchema(TRADES))
  const records = randomRecords(new SeededRandom(20), TRADES, 3)
  const [first, second, third] = encoded(TRADES, records)
  const cut = second!.subarray(0, second!.length - 1)
  const { batch, refused } = decoder.decode([recordBatch([first!, cut, third!], 2 ** 33, 1)], [0, 2 ** 33])
  expect(refused).toMatchObject([{ partition: 1, offset: 2 ** 33 + 1, bytes: cut }])
  expect(rowsOfBatch(batch)).toMatchObject([
    { ...records[0], log_partition: 1, log_offset: 2n ** 33n, ingest_timestamp: 1_700_000_000_000_000n },
    { ...records[2], log_partition: 1, log_offset: 2n ** 33n + 2n, ingest_timestamp: 1_700_000_000_000_000n },
  ])
})

test('records before the position are skipped, also inside a batch', async () => {
  const decoder = await decoderOf(TRADES, avroSchema(TRADES))
  const records = randomRecords(new SeededRandom(21), TRADES, 10)
  const batches = [
    recordBatch(encoded(TRADES, records.slice(0, 6)), 100),
    recordBatch(encoded(TRADES, records.slice(6)), 106),
  ]
  const { batch } = decoder.decode(batches, [103])
  expect(rowsOfBatch(batch).map((row) => row.log_offset)).toEqual([103n, 104n, 105n, 106n, 107n, 108n, 109n])
  expect(rowsOfBatch(batch)).toMatchObject(records.slice(3))
})

test('what is not in the wire format, or of an unknown or unusable schema, is refused with the reason', async () => {
  const unusable: Schema = { type: 'record', name: 'Tick', fields: [{ name: 'symbol', type: 'double' }] }
  const decoder = new ColumnarDecoder(TRADES, registryOf(avroSchema(TRADES), unusable))
  const [good] = encoded(TRADES, randomRecords(new SeededRandom(22), TRADES, 1))
  const batch = recordBatch([
    Buffer.from('{"json":1}'),
    new Uint8Array(0),
    framed(9, good!.subarray(5)),
    framed(2, Buffer.alloc(8)),
    good!,
  ])
  expect(decoder.missing([batch])).toEqual([9, 2, 1])
  await decoder.prepare(decoder.missing([batch]))
  // It may be registered any time; the others are known for good.
  expect(decoder.missing([batch])).toEqual([9])
  const { batch: rows, refused } = decoder.decode([batch], [0])
  expect(rows.rowCount).toBe(1)
  expect(refused.map(({ reason }) => reason)).toEqual([
    'malformed',
    'malformed',
    'unknown_schema',
    'malformed',
  ])
  expect(refused.map(({ detail }) => detail)).toEqual([
    'value: "7b226a736f6e223a317d" is not in the wire format (0x00, schema id, Avro)',
    'value: "" is not in the wire format (0x00, schema id, Avro)',
    'schema id: nobody has registered 9',
    'symbol: "\\"double\\"" is not a string',
  ])
})

test('an unknown schema is waited for once, and asked for again at once with each of its records after that', async () => {
  const asked: (readonly [ids: readonly number[], mayWait: boolean])[] = []
  const known = new Map<number, string>()
  const decoder = new ColumnarDecoder(TRADES, {
    schemasOf: async (ids, mayWait) => {
      if (ids.length > 0) asked.push([ids, mayWait])
      return known
    },
    unknownBefore: () => [1],
  })
  const [value] = encoded(TRADES, plausibleTrades(new SeededRandom(24), 1))
  const [before, after] = [recordBatch([value!]), recordBatch([value!], 1)]
  for (let time = 0; time < 2; time++) {
    await decoder.prepare(decoder.missing([before]))
    expect(decoder.decode([before], [0]).refused).toMatchObject([{ reason: 'unknown_schema' }])
  }
  known.set(1, JSON.stringify(avroSchema(TRADES)))
  await decoder.prepare(decoder.missing([after]))
  expect(decoder.decode([after], [1]).batch.rowCount).toBe(1)
  expect(decoder.missing([after])).toEqual([])
  expect(asked).toEqual([
    [[1], true],
    [[1], false],
    [[1], false],
  ])
})

test('a registry that does not answer is an error, and refuses no record', async () => {
  const decoder = new ColumnarDecoder(TRADES, {
    ...registryOf(),
    schemasOf: () => Promise.reject(new Error('unreachable')),
  })
  await expect(decoder.prepare([1])).rejects.toThrow('unreachable')
})

test('days and the newest time of each exchange are seen while decoding', async () => {
  const decoder = await decoderOf(TRADES, avroSchema(TRADES))
  for (let seed = 300; seed < 320; seed++) {
    const random = new SeededRandom(seed)
    const records = randomRecords(random, TRADES, 100).map(
      (record): Row => ({
        ...record,
        exchange: random.pick([
          'ASX',
          'US-SIP',
          'an exchange with a long name',
          'an exchange with a lost name',
        ]),
        exchange_timestamp: random.bigBelow(20n * 86_400_000_000n) - 10n * 86_400_000_000n,
      }),
    )
    const { days, watermarks } = decoder.decode([recordBatch(encoded(TRADES, records))], [0])
    const times = records.map((record) => record.exchange_timestamp as bigint)
    expect(days, `seed ${seed}`).toEqual(new Set(times.map(dayOfMicros)))
    const newest = new Map<string, bigint>()
    for (const [row, { exchange }] of records.entries()) {
      const name = String(exchange)
      if (times[row]! > (newest.get(name) ?? -(2n ** 63n))) newest.set(name, times[row]!)
    }
    expect(watermarks, `seed ${seed}`).toEqual(newest)
  }
})

test('quarantine has the day of the log time and no watermarks', async () => {
  const decoder = await decoderOf(QUARANTINE, avroSchema(QUARANTINE))
  const values = encoded(QUARANTINE, randomRecords(new SeededRandom(23), QUARANTINE, 3))
  const { days, watermarks } = decoder.decode([recordBatch(values)], [0])
  expect(days).toEqual(new Set([dayOfMicros(1_700_000_000_000_000n)]))
  expect(watermarks.size).toBe(0)
})

test('nothing to decode is a batch without rows', async () => {
  const decoder = await decoderOf(TRADES, avroSchema(TRADES))
  const { batch, days, watermarks, refused } = decoder.decode([], [0])
  expect([batch.rowCount, days.size, watermarks.size, refused.length]).toEqual([0, 0, 0, 0])
})

test('what was refused because its schema was unknown stays so once it is known', async () => {
  const decoder = new ColumnarDecoder(TRADES, {
    ...registryOf(avroSchema(TRADES)),
    unknownBefore: () => [0, 12],
  })
  await decoder.prepare([1])
  const values = encoded(TRADES, plausibleTrades(new SeededRandom(23), 4))
  const batch = { ...recordBatch(values, 10), partition: 1 }
  const { batch: rows, refused } = decoder.decode([batch], [0, 10])
  expect(refused.map(({ offset, reason }) => [offset, reason])).toEqual([
    [10, 'unknown_schema'],
    [11, 'unknown_schema'],
  ])
  expect(rowsOfBatch(rows).map((row) => row.log_offset)).toEqual([12n, 13n])
})
