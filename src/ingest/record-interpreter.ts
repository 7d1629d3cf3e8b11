import { isUtf8 } from 'node:buffer'
import {
  assert,
  CELL_STRING_BYTES,
  DECIMAL_PRECISION,
  DECIMAL_SCALE,
  invalid,
  type TicklakeError,
} from '#core'
import { AddedCells } from './added-cells.js'
import type { BatchBuilder } from './batch-builder.js'
import { type DecodeProgram, INSTRUCTION_LENGTH, Op } from './decode-program.js'

/** Nesting of skipped fields: a foreign recursive record must not overflow the stack. */
const MAX_DEPTH = 64

/** 10^18 and its high half: a decimal(18, 8) is smaller. */
const DECIMAL_LIMIT = 10n ** BigInt(DECIMAL_PRECISION)
const DECIMAL_LIMIT_HIGH = Number(DECIMAL_LIMIT >> 32n)

/**
 * Carries out decode programs. Reading past a value's end is noticed at the end of the value at the latest; until
 * then it only meets bytes of the next record, or none, which read as zero.
 */
export class RecordInterpreter {
  readonly #columnNames: readonly string[]
  readonly #added = new AddedCells()
  /** The 64-bit number that `#readLong` found, and where the bytes go on. */
  #low = 0
  #high = 0
  #position = 0

  constructor(columnNames: readonly string[]) {
    this.#columnNames = columnNames
  }

  /** Writes the record at [start, end) into a row. What is no such record is `invalid_input`; the row is then undefined. */
  decode(
    program: DecodeProgram,
    bytes: Uint8Array,
    start: number,
    end: number,
    out: BatchBuilder,
    row: number,
  ): void {
    const position = this.#run(program, bytes, start, end, out, row, 0)
    if (position !== end) {
      throw invalid(
        'value',
        `${end - start} bytes`,
        `a record of ${position > end ? 'that length' : `${position - start} bytes`}`,
      )
    }
  }

  /** By added column, how many values were none of its type and became null since the last call. */
  takeSpoilt(): ReadonlyMap<number, number> {
    return this.#added.takeSpoilt()
  }

  #run(
    program: DecodeProgram,
    bytes: Uint8Array,
    start: number,
    end: number,
    out: BatchBuilder,
    row: number,
    depth: number,
  ): number {
    const { code } = program
    let position = start
    for (let at = 0; at < code.length; at += INSTRUCTION_LENGTH) {
      const argument = code[at + 1]!
      const nullBranch = code[at + 2]!
      if (nullBranch !== -1) {
        const branch = bytes[position++]!
        if (branch === nullBranch * 2) {
          out.setNull(argument, row)
          continue
        }
        if (branch !== 2 - nullBranch * 2) throw this.#wrong(argument, branch, 'a branch of its union')
      }
      switch (code[at]) {
        case Op.string: {
          const length = this.#readLength(bytes, position, end)
          position = this.#position
          if (length <= CELL_STRING_BYTES) {
            out.cells[argument]![row * 4] = length
            const cell = out.cellBytes[argument]!
            let seen = 0
            for (let from = position, to = row * 16 + 4; from < position + length; from++, to++) {
              const byte = bytes[from]!
              seen |= byte
              cell[to] = byte
            }
            if (seen >= 0x80) this.#checkText(argument, bytes.subarray(position, position + length))
          } else {
            const text = new Uint8Array(bytes.subarray(position, position + length))
            this.#checkText(argument, text)
            out.cells[argument]![row * 4] = length
            out.long[argument]!.set(row, text)
          }
          position += length
          break
        }
        case Op.int:
          this.#readLong(bytes, position)
          position = this.#position
          if (this.#high !== this.#low >> 31) throw this.#wrong(argument, 'a longer number', 'an int')
          out.ints[argument]![row] = this.#low
          break
        case Op.long: {
          this.#readLong(bytes, position)
          position = this.#position
          const halves = out.halves[argument]!
          halves[row * 2] = this.#low
          halves[row * 2 + 1] = this.#high
          break
        }
        case Op.decimal: {
          const length = this.#readLength(bytes, position, end)
          position = this.#position
          this.#readDecimal(argument, bytes, position, position + length)
          const halves = out.halves[argument]!
          halves[row * 2] = this.#low
          halves[row * 2 + 1] = this.#high
          position += length
          break
        }
        case Op.binary: {
          const length = this.#readLength(bytes, position, end)
          position = this.#position
          out.cells[argument]![row * 4] = length
          out.long[argument]!.set(row, new Uint8Array(bytes.subarray(position, position + length)))
          position += length
          break
        }
        case Op.null:
          out.setNull(argument, row)
          break
        case Op.skipVarint:
          this.#readLong(bytes, position)
          position = this.#position
          break
        case Op.skipBytes: {
          const length = this.#readLength(bytes, position, end)
          position = this.#position + length
          break
        }
        case Op.skipFixed:
          position += argument
          break
        case Op.union:
        case Op.blocks:
        case Op.record:
          position = this.#call(program, at, bytes, position, end, out, row, depth)
          break
        default:
          position = this.#readAdded(code[at]!, argument, bytes, position, end, out, row)
      }
    }
    return position
  }

  /** The value of an added column; gives where the bytes go on. */
  #readAdded(
    operation: number,
    column: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    out: BatchBuilder,
    row: number,
  ): number {
    switch (operation) {
      case Op.addedInt:
        this.#readLong(bytes, start)
        this.#added.putInt(column, this.#low, this.#high, out, row)
        return this.#position
      case Op.addedTime:
        this.#readLong(bytes, start)
        this.#added.putTime(column, this.#low, this.#high, out, row)
        return this.#position
      case Op.addedString:
      case Op.addedDecimal: {
        const length = this.#readLength(bytes, start, end)
        const from = this.#position
        const to = from + length
        if (operation === Op.addedString) this.#added.putString(column, bytes.subarray(from, to), out, row)
        else if (this.#takeDecimal(bytes, from, to))
          this.#added.putLong(column, this.#low, this.#high, out, row)
        else this.#added.spoil(column, out, row)
        return to
      }
      default:
        return start + this.#added.putFixed(operation, column, bytes, start, out, row)
    }
  }

  #call(
    program: DecodeProgram,
    at: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    out: BatchBuilder,
    row: number,
    depth: number,
  ): number {
    const programs = program.subprograms[program.code[at + 1]!]!
    if (depth === MAX_DEPTH || start > end)
      throw invalid('value', 'a skipped field', `whole and nested ${MAX_DEPTH} deep at most`)
    switch (program.code[at]) {
      case Op.record:
        return this.#run(programs[0]!, bytes, start, end, out, row, depth + 1)
      case Op.union: {
        this.#readLong(bytes, start)
        const branch = this.#high === 0 ? programs[this.#low] : undefined
        if (!branch)
          throw invalid('value', `branch ${this.#low}`, `one of the ${programs.length} branches of a union`)
        return this.#run(branch, bytes, this.#position, end, out, row, depth + 1)
      }
      default:
        return this.#skipBlocks(programs[0]!, bytes, start, end, out, row, depth)
    }
  }

  /** Arrays and maps: blocks of a count and so many items, until a count of 0; after a negative count its size in bytes. */
  #skipBlocks(
    item: DecodeProgram,
    bytes: Uint8Array,
    start: number,
    end: number,
    out: BatchBuilder,
    row: number,
    depth: number,
  ): number {
    let position = start
    for (;;) {
      this.#readLong(bytes, position)
      position = this.#position
      if (this.#high < 0) {
        position = this.#readLength(bytes, position, end) + this.#position
        continue
      }
      const count = this.#low >>> 0
      if (count === 0 && this.#high === 0) return position
      if (this.#high > 0 || count > end - position)
        throw invalid('value', `a block of ${count} items`, 'that long')
      for (let index = 0; index < count; index++) {
        position = this.#run(item, bytes, position, end, out, row, depth + 1)
      }
    }
  }

  /** A length in bytes that fits into the value. */
  #readLength(bytes: Uint8Array, position: number, end: number): number {
    const first = bytes[position]!
    let length = first >> 1
    // One byte, as nearly always, and not the odd zigzag form of a negative number.
    if ((first & 0x81) === 0) this.#position = position + 1
    else {
      this.#readLong(bytes, position)
      length = this.#high === 0 ? this.#low : -1
    }
    if (length < 0 || this.#position + length > end)
      throw invalid('value', `length ${length}`, 'within the record')
    return length
  }

  /** A zigzag varint of up to ten bytes, into `#low`, `#high` and `#position`. */
  #readLong(bytes: Uint8Array, start: number): void {
    let position = start
    let byte = bytes[position++]!
    let low = byte & 0x7f
    for (let shift = 7; byte >= 0x80 && shift < 28; shift += 7) {
      byte = bytes[position++]!
      low |= (byte & 0x7f) << shift
    }
    let high = 0
    if (byte >= 0x80) {
      let middle = 0
      for (let shift = 0; byte >= 0x80 && shift < 28; shift += 7) {
        byte = bytes[position++]!
        middle |= (byte & 0x7f) << shift
      }
      low |= middle << 28
      high = middle >>> 4
      for (let shift = 24; byte >= 0x80; shift += 7) {
        byte = bytes[position++]!
        // The tenth byte has room for one bit.
        if (shift > 24 && byte > 1) throw invalid('value', 'a longer varint', 'a 64-bit number')
        high |= (byte & 0x7f) << shift
      }
    }
    const sign = -(low & 1)
    this.#low = ((low >>> 1) | (high << 31)) ^ sign
    this.#high = (high >>> 1) ^ sign
    this.#position = position
  }

  #readDecimal(column: number, bytes: Uint8Array, start: number, end: number): void {
    if (this.#takeDecimal(bytes, start, end)) return
    const value = start === end ? 'no bytes' : Buffer.from(bytes.subarray(start, end)).toString('hex')
    throw this.#wrong(column, value, DECIMAL)
  }

  /** Two's complement, big-endian, of any length, into `#low` and `#high`; false: it has more than 18 digits, or none. */
  #takeDecimal(bytes: Uint8Array, start: number, end: number): boolean {
    if (start === end) return false
    const sign = (bytes[start]! << 24) >> 31
    let position = start
    while (end - position > 8 && bytes[position] === (sign & 0xff)) position++
    let low = sign
    let high = sign
    if (end - position <= 8) {
      for (; position < end; position++) {
        high = (high << 8) | (low >>> 24)
        low = (low << 8) | bytes[position]!
      }
    }
    const magnitudeHigh = high ^ sign
    if (
      position !== end ||
      high >> 31 !== sign ||
      (magnitudeHigh >= DECIMAL_LIMIT_HIGH && isTooLarge(low, high))
    ) {
      return false
    }
    this.#low = low
    this.#high = high
    return true
  }

  #checkText(column: number, text: Uint8Array): void {
    if (!isUtf8(text)) throw this.#wrong(column, Buffer.from(text).toString('hex'), 'UTF-8 text')
  }

  #wrong(column: number, value: unknown, expected: string): TicklakeError {
    const name = this.#columnNames[column]
    assert(name !== undefined, 'instructions that read have a column')
    return invalid(name, value, expected)
  }
}

const DECIMAL = `a decimal(${DECIMAL_PRECISION},${DECIMAL_SCALE})`

function isTooLarge(low: number, high: number): boolean {
  const value = (BigInt(high) << 32n) | BigInt(low >>> 0)
  return value >= DECIMAL_LIMIT || value <= -DECIMAL_LIMIT
}
