import avro, { type Schema, type Type } from 'avsc'
import { formatMicros, invalid, MAX_EVENT_MICROS } from '#core'
import { AnnotatedType, schemaShape } from '../schema-shape.js'
import { damaged, decodeAt, openContainer } from './avro-container.js'
import { fieldsAsJson, type PostedRow, type RowProblem } from './posted-row.js'

/** The records of an Avro object container, by the schema that it carries: its fields are taken by their names. */
export function* avroRows(body: Buffer, maxBytes: number): Generator<PostedRow> {
  const { schema, blocks } = openContainer(body, maxBytes)
  const fields = fieldReaders(schema)
  const type = exactType(schema)
  for (const { count, data } of blocks) {
    let at = 0
    for (let row = 0; row < count; row++) {
      const decoded = decodeAt(type, data, at)
      if (decoded === null) throw damaged(at, `${count} records in that block`)
      yield avroRow(fields, decoded.value)
      at = decoded.offset
    }
    if (at !== data.length) throw damaged(at, 'the end of that block')
  }
}

/** A value of one type as text; undefined where it is longer than any number is. */
type TextOf = (value: unknown) => string | null | undefined

interface FieldReader {
  readonly name: string
  readonly textOf: TextOf
}

/** Longer decimals are not even made into numbers. */
const MAX_DECIMAL_BYTES = 32

function avroRow(readers: readonly FieldReader[], record: Readonly<Record<string, unknown>>): PostedRow {
  const fields = new Map<string, string>()
  let problem: RowProblem | undefined
  for (const { name, textOf } of readers) {
    const text = textOf(record[name])
    if (text === undefined) {
      const expected = `a decimal of at most ${MAX_DECIMAL_BYTES} bytes`
      problem ??= { reason: 'out_of_range', field: name, value: 'a longer one', expected }
    } else if (text !== null) fields.set(name, text)
  }
  const original = () => fieldsAsJson(fields)
  return problem ? { problem, original } : { fields, original }
}

function fieldReaders(schema: Schema): readonly FieldReader[] {
  const shape = schemaShape(schema)
  if (!(shape instanceof avro.types.RecordType)) {
    throw invalid('avro.schema', JSON.stringify(schema), 'the schema of a record')
  }
  return shape.fields.map(({ name, type }) => ({ name, textOf: textOf(name, type) }))
}

/** How values of a type become text. A type of inexact or nested values is refused before a record is read. */
function textOf(field: string, type: Type): TextOf {
  if (type instanceof AnnotatedType) return annotatedText(field, type)
  if (type instanceof avro.types.WrappedUnionType) {
    const branches = new Map(type.types.map((branch) => [branch.branchName, textOf(field, branch)]))
    return (value) => {
      if (value === null) return null
      // A value of a union comes as an object of one entry: the name of its branch, and what it is there.
      const [branch, inner] = Object.entries(value as object)[0]!
      return branches.get(branch)!(inner)
    }
  }
  switch (type.typeName) {
    case 'null':
      return () => null
    case 'string':
    case 'enum':
    case 'int':
    case 'long':
      return String
    default:
      throw invalid(`avro.schema, field ${field}`, type.typeName, EXACT_TYPES)
  }
}

const EXACT_TYPES =
  'a string, enum, int, long, decimal or timestamp (millis, micros or nanos), or a union of these with null'

const NANOS_PER: Readonly<Record<string, bigint>> = {
  'timestamp-millis': 1_000_000n,
  'timestamp-micros': 1_000n,
  'timestamp-nanos': 1n,
}

function annotatedText(field: string, type: AnnotatedType): TextOf {
  const nanosPer = NANOS_PER[type.logicalType]
  // Of a long, avsc gives a bigint here: `exactType` has seen to it.
  if (nanosPer !== undefined) return (value) => timeText((value as bigint) * nanosPer)
  if (type.logicalType !== 'decimal')
    throw invalid(`avro.schema, field ${field}`, type.logicalType, EXACT_TYPES)
  return (value) => {
    // Decimals are bytes or fixed, which avsc gives as buffers.
    const bytes = value as Buffer
    if (bytes.length > MAX_DECIMAL_BYTES) return undefined
    const unscaled = BigInt.asIntN(bytes.length * 8, BigInt(`0x${bytes.toString('hex') || '0'}`))
    return `${unscaled}e-${type.scale}`
  }
}

/** RFC 3339 with nine decimals; what no event time can be stays a number, which says what it is. */
function timeText(nanos: bigint): string {
  const below = ((nanos % 1000n) + 1000n) % 1000n
  const micros = (nanos - below) / 1000n
  if (micros > MAX_EVENT_MICROS || micros < -MAX_EVENT_MICROS) return String(nanos)
  return formatMicros(micros).replace('Z', `${String(below).padStart(3, '0')}Z`)
}

/** The type that records are decoded with: long values are bigints, since Number ends at 2^53. */
function exactType(schema: Schema): Type {
  return avro.Type.forSchema(schema, {
    typeHook: (inner: unknown) => (isLong(inner) ? EXACT_LONG : undefined),
    wrapUnions: 'always',
  })
}

function isLong(schema: unknown): boolean {
  return (
    schema === 'long' ||
    (typeof schema === 'object' && schema !== null && 'type' in schema && schema.type === 'long')
  )
}

const EXACT_LONG = avro.types.LongType.__with({
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
