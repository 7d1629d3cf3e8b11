import {
  Bool,
  type Data,
  type DataType,
  DateDay,
  Dictionary,
  type Int64,
  makeData,
  RecordBatch,
  type Schema,
  Struct,
  Utf8,
  Vector,
} from 'apache-arrow'
import { assert } from '#core'
import type { RowColumn, TextCells } from '#engine'
import { arrowSchema, batchMessages, END_OF_STREAM } from './arrow-schema.js'
import type { RowEncoder } from './row-encoder.js'

/** Rows of a batch, but for the last; some megabytes. */
const BATCH_ROWS = 32_768

/** Rows of a chunk that are still to be sent. */
interface Part {
  readonly columns: readonly RowColumn[]
  readonly rowCount: number
}

/** A column of a part. */
interface Piece {
  readonly column: RowColumn
  readonly rowCount: number
}

/** Rows as the messages of an Arrow IPC stream, without the schema, which `arrowOpening` gives. */
export class ArrowEncoder implements RowEncoder {
  #schema: Schema | null = null
  #parts: Part[] = []
  #rowCount = 0

  encode(columns: readonly RowColumn[], rowCount: number): readonly Uint8Array[] {
    this.#schema ??= arrowSchema(columns)
    if (rowCount === 0) return []
    this.#parts.push({ columns, rowCount })
    this.#rowCount += rowCount
    return this.#rowCount < BATCH_ROWS ? [] : [this.#batch()]
  }

  end(): readonly Uint8Array[] {
    return this.#rowCount === 0 ? [END_OF_STREAM] : [this.#batch(), END_OF_STREAM]
  }

  #batch(): Uint8Array {
    assert(this.#schema !== null, 'there are rows')
    const { fields } = this.#schema
    const children = fields.map(({ type }, index) =>
      dataOf(
        type,
        this.#parts.map(({ columns, rowCount }) => ({ column: columns[index]!, rowCount })),
        this.#rowCount,
      ),
    )
    const data = makeData({ type: new Struct(fields), length: this.#rowCount, nullCount: 0, children })
    const batch = new RecordBatch(this.#schema, data)
    this.#parts = []
    this.#rowCount = 0
    return batchMessages(batch)
  }
}

function dataOf(type: DataType, pieces: readonly Piece[], length: number): Data {
  const nullBitmap = validityOf(pieces, length)
  const common = { length, nullBitmap, nullCount: nullBitmap ? -1 : 0 }
  if (type instanceof Dictionary) {
    const { codes, dictionary } = coded(pieces, length, nullBitmap)
    return makeData({ ...common, type, data: codes, dictionary: new Vector([dictionary]) })
  }
  if (type instanceof Utf8) {
    const { offsets, bytes } = joinedTexts(pieces, length)
    return makeData({ ...common, type, valueOffsets: offsets, data: bytes })
  }
  if (type instanceof Bool) return makeData({ ...common, type, data: bitsOf(pieces, length) })
  if (type instanceof DateDay) {
    return makeData({ ...common, type, data: new Int32Array(fixed(pieces, length, 4).buffer) })
  }
  const first = pieces[0]!.column.type
  const bytes = first.kind === 'decimal' ? decimals(pieces, length) : fixed(pieces, length, 8)
  // All that are left are numbers; makeData looks at what they are, which its overloads want to be told.
  return makeData({ ...common, type: type as Int64, data: new BigInt64Array(bytes.buffer) })
}

/** As DuckDB, Arrow has a bit a row, lowest first. */
function validityOf(pieces: readonly Piece[], length: number): Uint8Array | null {
  if (pieces.every(({ column }) => column.validity === null)) return null
  const bits = new Uint8Array((length + 7) >> 3)
  let at = 0
  for (const { column, rowCount } of pieces) {
    const { validity } = column
    for (let row = 0; row < rowCount; row++, at++) {
      if (validity === null || validity[row >> 3]! & (1 << (row & 7))) bits[at >> 3]! |= 1 << (at & 7)
    }
  }
  return bits
}

function bitsOf(pieces: readonly Piece[], length: number): Uint8Array {
  const bits = new Uint8Array((length + 7) >> 3)
  let at = 0
  for (const { column, rowCount } of pieces) {
    const values = fixedValues(column)
    for (let row = 0; row < rowCount; row++, at++) if (values[row]) bits[at >> 3]! |= 1 << (at & 7)
  }
  return bits
}

function fixed(pieces: readonly Piece[], length: number, width: number): Uint8Array {
  const bytes = new Uint8Array(length * width)
  let at = 0
  for (const { column, rowCount } of pieces) {
    bytes.set(fixedValues(column).subarray(0, rowCount * width), at)
    at += rowCount * width
  }
  return bytes
}

/** 128 bits each: DuckDB has those of up to 18 digits in 64, which are the lower half; the upper one repeats the sign. */
function decimals(pieces: readonly Piece[], length: number): Uint8Array {
  const type = pieces[0]!.column.type
  if (type.kind === 'decimal' && type.precision > 18) return fixed(pieces, length, 16)
  const words = new Int32Array(length * 4)
  let at = 0
  for (const { column, rowCount } of pieces) {
    const { buffer, byteOffset, byteLength } = fixedValues(column).slice()
    const narrow = new Int32Array(buffer, byteOffset, byteLength / 4)
    for (let row = 0; row < rowCount; row++, at += 4) {
      const high = narrow[row * 2 + 1]!
      words[at] = narrow[row * 2]!
      words[at + 1] = high
      words[at + 2] = words[at + 3] = high >> 31
    }
  }
  return new Uint8Array(words.buffer)
}

function joinedTexts(pieces: readonly Piece[], length: number): TextCells {
  const offsets = new Int32Array(length + 1)
  const bytes: Buffer[] = []
  let at = 0
  for (const { column, rowCount } of pieces) {
    const cells = texts(column)
    const base = offsets[at]!
    for (let row = 1; row <= rowCount; row++) offsets[at + row] = base + cells.offsets[row]!
    bytes.push(cells.bytes.subarray(0, cells.offsets[rowCount]))
    at += rowCount
  }
  return { offsets, bytes: Buffer.concat(bytes) }
}

/** Texts as codes of a dictionary, in the order in which they are first met. */
function coded(pieces: readonly Piece[], length: number, validity: Uint8Array | null) {
  const codes = new Int32Array(length)
  const known = new Map<string | number, number>()
  const words: Buffer[] = []
  let at = 0
  for (const { column, rowCount } of pieces) {
    const { offsets, bytes } = texts(column)
    for (let row = 0; row < rowCount; row++, at++) {
      // What is null has no text: the code of '' would be a word that no row has.
      if (validity && !(validity[at >> 3]! & (1 << (at & 7)))) continue
      const [from, to] = [offsets[row]!, offsets[row + 1]!]
      const name = nameOf(bytes, from, to)
      let code = known.get(name)
      if (code === undefined) {
        code = words.push(Buffer.from(bytes.subarray(from, to))) - 1
        known.set(name, code)
      }
      codes[at] = code
    }
  }
  const offsets = new Int32Array(words.length + 1)
  words.forEach((word, index) => {
    offsets[index + 1] = offsets[index]! + word.length
  })
  const dictionary = makeData({
    type: new Utf8(),
    length: words.length,
    nullCount: 0,
    valueOffsets: offsets,
    data: Buffer.concat(words),
  })
  return { codes, dictionary }
}

/** A number that no other text of up to so many bytes has: it costs a tenth of a string. */
const NUMBERED_BYTES = 6

/** What tells a text from others: its bytes as a number, with a 1 before them; of a longer one a character for each byte. */
function nameOf(bytes: Buffer, from: number, to: number): string | number {
  if (to - from > NUMBERED_BYTES) return bytes.toString('latin1', from, to)
  let name = 1
  for (let at = from; at < to; at++) name = name * 256 + bytes[at]!
  return name
}

function texts({ values }: RowColumn): TextCells {
  assert(!(values instanceof Uint8Array), 'a text has cells')
  return values
}

function fixedValues({ values }: RowColumn): Uint8Array {
  assert(values instanceof Uint8Array, 'a number has bytes')
  return values
}
