import avro, { type Schema, type Type } from 'avsc'

/** avsc reads longs as bigints, so that nothing is lost above 2^53. */
const exactLong = avro.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64LE(value)
    return bytes
  },
  fromJSON: (value: number) => BigInt(value),
  toJSON: (value: bigint) => Number(value),
  isValid: (value: unknown) => typeof value === 'bigint',
  compare: (a: bigint, b: bigint) => (a === b ? 0 : a < b ? -1 : 1),
})

export function oracleType(schema: Schema): Type {
  return avro.Type.forSchema(schema, {
    // By hook, because avsc takes an annotated long from its own types, not from a registry.
    typeHook: (inner: unknown) => (isLong(inner) ? exactLong : undefined),
    wrapUnions: 'never',
  })
}

function isLong(schema: unknown): boolean {
  return (
    schema === 'long' ||
    (typeof schema === 'object' && schema !== null && 'type' in schema && schema.type === 'long')
  )
}

/** Confluent's wire format, written out. */
export function framed(wireId: number, body: Uint8Array): Uint8Array {
  const header = Buffer.alloc(5)
  header.writeUInt32BE(wireId, 1)
  return Uint8Array.from([...header, ...body])
}

/** Minimal two's complement, big-endian, by arithmetic on bigints. */
export function decimalBytes(scaled: bigint): Buffer {
  let width = 1
  while (BigInt.asIntN(width * 8, scaled) !== scaled) width++
  const hex = BigInt.asUintN(width * 8, scaled).toString(16)
  return Buffer.from(hex.padStart(width * 2, '0'), 'hex')
}
