import { assert, invalid, type TableDefinition, unreachable } from '#core'
import { type RecordField, recordFields } from './avro-schema.js'
import { WIRE_HEADER_BYTES } from './wire-format.js'

/**
 * One field of many records. Timestamps are `long` columns of microseconds, decimals are `long` columns of values
 * scaled by 10^8. A typed array has no nulls.
 */
export type EncodeColumn =
  | { readonly kind: 'string'; readonly values: readonly (string | null)[] }
  | { readonly kind: 'int'; readonly values: Int32Array | readonly (number | null)[] }
  | { readonly kind: 'long'; readonly values: BigInt64Array | readonly (bigint | null)[] }
  | { readonly kind: 'bytes'; readonly values: readonly (Uint8Array | null)[] }

/** Values are views of a slab, which lives as long as any of them: small enough to be let go soon. */
const SLAB_BYTES = 256 * 1024
/** A union branch and a 64-bit varint: a number, or the length of anything, takes no more. */
const FIELD_BYTES = 11
const UTF8_BYTES_PER_UNIT = 3
/** Up to here a loop over the characters is faster than a call into the runtime. */
const SHORT_STRING_UNITS = 24

/**
 * Writes columns as Confluent-framed Avro records of a table. It makes no object and no bigint for a row, and keeps
 * 64-bit integers exact, which avsc does only through bigints; avsc is its oracle in the tests.
 */
export class RecordEncoder {
  readonly #fields: readonly RecordField[]
  readonly #wireId: number
  #slab = Buffer.alloc(0)
  #position = 0

  /** `wireId` is the registered id of `avroSchema(definition)`. */
  constructor(definition: TableDefinition, wireId: number) {
    this.#fields = recordFields(definition)
    this.#wireId = wireId
  }

  /**
   * Encodes rows [from, to) of `rowCount`. Columns are in the order of `recordFields`. A null in a required
   * field is the caller's error.
   */
  encode(columns: readonly EncodeColumn[], rowCount: number, from: number, to: number): Uint8Array[] {
    assert(columns.length === this.#fields.length, 'there is one column for each field of the record')
    assert(0 <= from && from <= to && to <= rowCount, 'the rows to encode exist')
    const sources = columns.map((column, index) =>
      fieldSource(this.#fields[index]!, column, rowCount, from, to),
    )
    const boundBytes = sources.reduce(
      (sum, source) => sum + FIELD_BYTES + source.longestBytes,
      WIRE_HEADER_BYTES,
    )
    const values = new Array<Uint8Array>(to - from)
    for (let row = from; row < to; row++) {
      if (this.#slab.length - this.#position < boundBytes) {
        this.#slab = Buffer.allocUnsafe(Math.max(SLAB_BYTES, boundBytes))
        this.#position = 0
      }
      const slab = this.#slab
      const start = this.#position
      slab[start] = 0
      let position = slab.writeUInt32BE(this.#wireId, start + 1)
      for (let index = 0; index < sources.length; index++) {
        position = writeField(slab, position, sources[index]!, row)
      }
      values[row - from] = new Uint8Array(slab.buffer, slab.byteOffset + start, position - start)
      this.#position = position
    }
    return values
  }
}

/** A column, ready to be written. Each form has an array of its own, so that every access sees one kind of array. */
interface FieldSource {
  readonly name: string
  readonly required: boolean
  readonly form: 'string' | 'int' | 'long' | 'decimal' | 'bytes'
  readonly firstRow: number
  readonly strings: readonly (string | null)[]
  readonly blobs: readonly (Uint8Array | null)[]
  /** By row - firstRow. */
  readonly ints: Int32Array
  /** Two int32 a row, low half first, by row - firstRow: no bigint is made for a row. */
  readonly halves: Int32Array
  /** 1 = null, by row - firstRow. */
  readonly absent: Uint8Array
  /** An upper bound of the string or bytes of any row. */
  readonly longestBytes: number
}

const KIND_OF = {
  string: 'string',
  int: 'int',
  long: 'long',
  timestamptz: 'long',
  decimal: 'long',
  binary: 'bytes',
} as const

const NONE = new Int32Array(0)

function fieldSource(
  { name, type, required }: RecordField,
  column: EncodeColumn,
  rowCount: number,
  from: number,
  to: number,
): FieldSource {
  assert(column.kind === KIND_OF[type], `${name} is given as a ${KIND_OF[type]} column`)
  assert(column.values.length >= rowCount, `${name} has a value for each row`)
  const absent = absentRows(column, from, to)
  assert(!required || !absent.includes(1), `the required field ${name} has a value in each row`)
  const source = {
    name,
    required,
    firstRow: from,
    absent,
    strings: [],
    blobs: [],
    ints: NONE,
    halves: NONE,
    longestBytes: 0,
  }
  switch (column.kind) {
    case 'string':
      return {
        ...source,
        form: 'string',
        strings: column.values,
        longestBytes: longest(column.values, from, to) * UTF8_BYTES_PER_UNIT,
      }
    case 'bytes':
      return {
        ...source,
        form: 'bytes',
        blobs: column.values,
        longestBytes: longest(column.values, from, to),
      }
    case 'int':
      return { ...source, form: 'int', ints: toInts(name, column.values, from, to) }
    case 'long': {
      const longs = toLongs(name, column.values, from, to)
      const halves = new Int32Array(longs.buffer, longs.byteOffset, longs.length * 2)
      return { ...source, form: type === 'decimal' ? 'decimal' : 'long', halves }
    }
    default:
      return unreachable(column)
  }
}

function absentRows({ values }: EncodeColumn, from: number, to: number): Uint8Array {
  const absent = new Uint8Array(to - from)
  if (values instanceof Int32Array || values instanceof BigInt64Array) return absent
  for (let row = from; row < to; row++) absent[row - from] = (values[row] ?? null) === null ? 1 : 0
  return absent
}

function longest(values: readonly ({ readonly length: number } | null)[], from: number, to: number): number {
  let length = 0
  for (let row = from; row < to; row++) length = Math.max(length, values[row]?.length ?? 0)
  return length
}

function toInts(
  name: string,
  values: Int32Array | readonly (number | null)[],
  from: number,
  to: number,
): Int32Array {
  if (values instanceof Int32Array) return values.subarray(from, to)
  const ints = new Int32Array(to - from)
  for (let row = from; row < to; row++) {
    const value = values[row] ?? 0
    ints[row - from] = value
    if (ints[row - from] !== value) throw invalid(name, value, 'a whole number of 32 bits')
  }
  return ints
}

function toLongs(
  name: string,
  values: BigInt64Array | readonly (bigint | null)[],
  from: number,
  to: number,
): BigInt64Array {
  if (values instanceof BigInt64Array) return values.subarray(from, to)
  const longs = new BigInt64Array(to - from)
  for (let row = from; row < to; row++) {
    const value = values[row] ?? 0n
    if (value < MIN_LONG || value > MAX_LONG) throw invalid(name, value, 'a whole number of 64 bits')
    longs[row - from] = value
  }
  return longs
}

const MIN_LONG = -(2n ** 63n)
const MAX_LONG = 2n ** 63n - 1n

function writeField(slab: Buffer, start: number, source: FieldSource, row: number): number {
  const index = row - source.firstRow
  let position = start
  if (!source.required) {
    // The branch of ["null", T] as a zigzag varint: 0 → 0, 1 → 2.
    slab[position++] = source.absent[index] === 1 ? 0 : 2
    if (source.absent[index] === 1) return position
  }
  switch (source.form) {
    case 'string':
      return writeString(slab, position, source.strings[row]!)
    case 'int':
      return writeLong(slab, position, source.ints[index]!, source.ints[index]! >> 31)
    case 'long':
      return writeLong(slab, position, source.halves[index * 2]!, source.halves[index * 2 + 1]!)
    case 'decimal':
      return writeDecimal(slab, position, source.halves[index * 2]!, source.halves[index * 2 + 1]!)
    case 'bytes': {
      const bytes = source.blobs[row]!
      position = writeLength(slab, position, bytes.length)
      slab.set(bytes, position)
      return position + bytes.length
    }
    default:
      return unreachable(source.form)
  }
}

function writeString(slab: Buffer, start: number, text: string): number {
  if (text.length <= SHORT_STRING_UNITS) {
    let position = start + 1
    let seen = 0
    for (let unit = 0; unit < text.length; unit++) {
      const code = text.charCodeAt(unit)
      seen |= code
      slab[position++] = code
    }
    if (seen < 0x80) {
      slab[start] = text.length * 2
      return position
    }
  }
  const position = writeLength(slab, start, Buffer.byteLength(text))
  return position + slab.write(text, position)
}

function writeLength(slab: Buffer, position: number, length: number): number {
  return writeLong(slab, position, length, 0)
}

/** A zigzag varint of the 64-bit number with these halves. */
function writeLong(slab: Buffer, start: number, low: number, high: number): number {
  const sign = high >> 31
  let zigzagLow = (low << 1) ^ sign
  let zigzagHigh = ((high << 1) | (low >>> 31)) ^ sign
  let position = start
  while (zigzagHigh !== 0 || zigzagLow >>> 0 > 0x7f) {
    slab[position++] = (zigzagLow & 0x7f) | 0x80
    zigzagLow = (zigzagLow >>> 7) | (zigzagHigh << 25)
    zigzagHigh >>>= 7
  }
  slab[position++] = zigzagLow
  return position
}

/** Two's complement, big-endian, in as few bytes as hold the sign. */
function writeDecimal(slab: Buffer, start: number, low: number, high: number): number {
  const lowBytes = high === low >> 31 ? wordBytes(low) : 4
  const highBytes = high === low >> 31 ? 0 : wordBytes(high)
  let position = start
  slab[position++] = (highBytes + lowBytes) * 2
  for (let shift = (highBytes - 1) * 8; shift >= 0; shift -= 8) slab[position++] = high >> shift
  for (let shift = (lowBytes - 1) * 8; shift >= 0; shift -= 8) slab[position++] = low >> shift
  return position
}

function wordBytes(word: number): number {
  if ((word << 24) >> 24 === word) return 1
  if ((word << 16) >> 16 === word) return 2
  return (word << 8) >> 8 === word ? 3 : 4
}
