import { createHash } from 'node:crypto'
import { deflateRawSync, inflateRawSync } from 'node:zlib'
import avro, { type Schema, type Type } from 'avsc'
import { assert, invalid, TicklakeError } from '#core'

/**
 * An Avro object container file in memory (Avro spec, "Object Container Files"). Schemas are plain JSON, so that
 * Iceberg's `field-id` and `element-id` survive, which a parsed avsc type would lose. A long is a bigint: foreign
 * snapshot ids have 63 bits. The values of Iceberg's int-keyed maps are counts and stay numbers.
 */
export interface AvroFile {
  readonly schema: AvroSchema
  readonly header: ReadonlyMap<string, string>
  readonly records: readonly AvroRecord[]
}

/** An Avro schema as JSON: a name, a union, or an object with at least `type`. */
export type AvroSchema = string | readonly AvroSchema[] | { readonly [attribute: string]: unknown }

export type AvroRecord = Readonly<Record<string, unknown>>

const MAGIC = Buffer.from('Obj\u0001', 'latin1')
const RECORDS_PER_BLOCK = 1000
const MAX_CACHED_TYPES = 200

const FILE_HEADER = avro.Type.forSchema({
  type: 'record',
  name: 'Header',
  fields: [
    { name: 'magic', type: { type: 'fixed', name: 'Magic', size: 4 } },
    { name: 'meta', type: { type: 'map', values: 'bytes' } },
    { name: 'sync', type: { type: 'fixed', name: 'Sync', size: 16 } },
  ],
})

const BLOCK = avro.Type.forSchema({
  type: 'record',
  name: 'Block',
  fields: [
    { name: 'count', type: 'long' },
    { name: 'data', type: 'bytes' },
    { name: 'sync', type: { type: 'fixed', name: 'BlockSync', size: 16 } },
  ],
})

const bigintLong = avro.types.LongType.__with({
  fromBuffer: (bytes: Buffer) => bytes.readBigInt64LE(0),
  toBuffer: (value: bigint) => {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64LE(value)
    return bytes
  },
  fromJSON: (value: number | string) => BigInt(value),
  toJSON: String,
  isValid: (value: unknown) => typeof value === 'bigint',
  compare: (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0),
})

/** Compiled types by schema text: a table's manifests share a handful of schemas. */
const types = new Map<string, Type>()

/** The whole file, deflated. `header` holds the writer's keys; avro.schema and avro.codec are added. */
export function encodeAvroFile(
  schema: AvroSchema,
  header: Readonly<Record<string, string>>,
  records: readonly AvroRecord[],
): Uint8Array {
  const schemaText = JSON.stringify(schema)
  const type = typeOf(schemaText)
  const blocks: { count: number; data: Buffer }[] = []
  for (let start = 0; start < records.length; start += RECORDS_PER_BLOCK) {
    const rows = records.slice(start, start + RECORDS_PER_BLOCK)
    blocks.push({
      count: rows.length,
      data: deflateRawSync(Buffer.concat(rows.map((row) => type.toBuffer(row)))),
    })
  }
  // Any 16 bytes that data does not hold by chance will do; a digest of it keeps this function pure.
  const digest = createHash('sha256').update(schemaText)
  for (const block of blocks) digest.update(block.data)
  const sync = digest.digest().subarray(0, 16)
  const keys = { ...header, 'avro.schema': schemaText, 'avro.codec': 'deflate' }
  const meta = Object.fromEntries(Object.entries(keys).map(([key, text]) => [key, Buffer.from(text, 'utf8')]))
  return Buffer.concat([
    FILE_HEADER.toBuffer({ magic: MAGIC, meta, sync }),
    ...blocks.map((block) => BLOCK.toBuffer({ ...block, sync })),
  ])
}

/** Reads a file of any writer, decoded by the schema in its header. `corrupt` names the file. */
export function decodeAvroFile(bytes: Uint8Array, what: string): AvroFile {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const { value: head, offset: headerEnd } = decodeAt(FILE_HEADER, file, 0, what)
  if (headerEnd < 0 || !MAGIC.equals(head.magic)) throw corrupt(what, 'it does not begin as an Avro file')
  // The header's own schema: a map of bytes.
  const meta = Object.entries(head.meta as Record<string, Buffer>)
  const header = new Map(meta.map(([key, value]) => [key, value.toString('utf8')]))
  const schemaText = header.get('avro.schema')
  if (schemaText === undefined) throw corrupt(what, 'its header has no avro.schema')
  const codec = header.get('avro.codec') ?? 'null'
  if (codec !== 'null' && codec !== 'deflate') {
    throw invalid('avro.codec', codec, `a codec that ticklake reads (null or deflate); found in ${what}`)
  }
  const type = typeOf(schemaText)
  const records: AvroRecord[] = []
  let offset = headerEnd
  while (offset < file.length) {
    const { value: block, offset: next } = decodeAt(BLOCK, file, offset, what)
    if (next < 0 || !block.sync.equals(head.sync))
      throw corrupt(what, `its block at byte ${offset} is damaged`)
    const data = codec === 'deflate' ? inflate(block.data, what) : block.data
    let position = 0
    for (let row = 0; row < block.count; row++) {
      const { value, offset: end } = decodeAt(type, data, position, what)
      if (end < 0) throw corrupt(what, `its block at byte ${offset} ends within a record`)
      records.push(value)
      position = end
    }
    offset = next
  }
  // It was compiled above, so it is a schema.
  return { schema: JSON.parse(schemaText) as AvroSchema, header, records }
}

/**
 * The names under which a writer stored Iceberg's fields: by field id where the schema has ids (names differ
 * between writers), else the name of the spec.
 */
export function fieldNames(schema: AvroSchema | undefined): (id: number, specName: string) => string {
  const names = new Map<number, string>()
  for (const field of recordFields(schema)) {
    if (typeof field['field-id'] === 'number') names.set(field['field-id'], String(field.name))
  }
  return (id, specName) => names.get(id) ?? specName
}

/** The schema of a field of a record, with the option (`[null, T]`) and the list taken off. */
export function innerSchema(schema: AvroSchema | undefined, fieldName: string): AvroSchema | undefined {
  const field = recordFields(schema).find((candidate) => candidate.name === fieldName)
  let inner = withoutOption(field?.type)
  while (isAttributes(inner) && inner.type === 'array') inner = withoutOption(inner.items)
  return inner
}

/** A count, size or sequence number, which stays below 2^53. */
export function safeNumber(value: unknown, what: string): number {
  const number = typeof value === 'bigint' ? Number(value) : value
  if (typeof number !== 'number' || !Number.isSafeInteger(number)) {
    throw new TicklakeError('corrupt', `${what}: expected a whole number below 2^53, found ${String(value)}`)
  }
  return number
}

function recordFields(schema: AvroSchema | undefined): readonly Record<string, AvroSchema>[] {
  // Every record of a compiled schema has a list of fields, each an object.
  return isAttributes(schema) && Array.isArray(schema.fields)
    ? (schema.fields as Record<string, AvroSchema>[])
    : []
}

function withoutOption(schema: unknown): AvroSchema | undefined {
  const chosen: unknown = Array.isArray(schema) ? schema.find((branch) => branch !== 'null') : schema
  return typeof chosen === 'string' || isAttributes(chosen) ? chosen : undefined
}

function isAttributes(schema: unknown): schema is { readonly [attribute: string]: unknown } {
  return typeof schema === 'object' && schema !== null && !Array.isArray(schema)
}

function typeOf(schemaText: string): Type {
  const known = types.get(schemaText)
  if (known) return known
  // avsc wants its own registry object for each schema, since it adds the named types to it.
  const type = avro.Type.forSchema(JSON.parse(schemaText), {
    registry: { long: bigintLong },
    wrapUnions: 'never',
    typeHook: (schema: Schema) => {
      if (!isAttributes(schema)) return undefined
      // With attributes (a timestamp) it is not looked up by its name.
      if (schema.type === 'long') return bigintLong
      return schema.logicalType === 'map' ? avro.Type.forSchema(schema, { wrapUnions: 'never' }) : undefined
    },
  })
  if (types.size >= MAX_CACHED_TYPES) types.clear()
  types.set(schemaText, type)
  return type
}

/** avsc answers a truncated value with offset −1, and throws on an impossible one. */
function decodeAt(type: Type, bytes: Buffer, offset: number, what: string): ReturnType<Type['decode']> {
  try {
    return type.decode(bytes, offset)
  } catch (cause) {
    throw corrupt(what, `a value near byte ${offset} cannot be decoded`, cause)
  }
}

function inflate(data: Buffer, what: string): Buffer {
  try {
    return inflateRawSync(data)
  } catch (cause) {
    throw corrupt(what, 'a block does not inflate', cause)
  }
}

function corrupt(what: string, why: string, cause?: unknown): TicklakeError {
  assert(what !== '', 'the file is named')
  return new TicklakeError('corrupt', `${what}: ${why}`, { cause })
}
