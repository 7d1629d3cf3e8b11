import { isUtf8 } from 'node:buffer'
import { CELL_STRING_BYTES } from '#core'
import type { BatchBuilder } from './batch-builder.js'
import { Op } from './decode-program.js'
import { isExactTime } from './time-rules.js'

/**
 * Writes the values of added columns. One that its column cannot hold becomes null, and is counted: whether a record is
 * taken or refused hangs on the definition alone, and not on what columns the table has besides when it is read.
 */
export class AddedCells {
  readonly #spoilt = new Map<number, number>()

  /** By column, how many values were none of its type and became null since the last call. */
  takeSpoilt(): ReadonlyMap<number, number> {
    if (this.#spoilt.size === 0) return NONE
    const spoilt = new Map(this.#spoilt)
    this.#spoilt.clear()
    return spoilt
  }

  spoil(column: number, out: BatchBuilder, row: number): void {
    out.setNull(column, row)
    this.#spoilt.set(column, (this.#spoilt.get(column) ?? 0) + 1)
  }

  /** A value of fixed width; gives how many bytes it takes on the wire. */
  putFixed(operation: number, column: number, bytes: Uint8Array, at: number, out: BatchBuilder, row: number) {
    const raw = out.raw[column]!
    switch (operation) {
      case Op.boolean:
        if (bytes[at]! > 1) this.spoil(column, out, row)
        else raw[row] = bytes[at]!
        return 1
      case Op.float:
        copy(bytes, at, raw, row * 4, 4)
        return 4
      case Op.double:
        copy(bytes, at, raw, row * 8, 8)
        return 8
      default:
        copy(bytes, at, FLOAT_BYTES, 0, 4)
        DOUBLE[0] = FLOAT[0]!
        copy(DOUBLE_BYTES, 0, raw, row * 8, 8)
        return 4
    }
  }

  putInt(column: number, low: number, high: number, out: BatchBuilder, row: number): void {
    if (high !== low >> 31) this.spoil(column, out, row)
    else out.ints[column]![row] = low
  }

  putTime(column: number, low: number, high: number, out: BatchBuilder, row: number): void {
    if (isExactTime(high)) this.putLong(column, low, high, out, row)
    else this.spoil(column, out, row)
  }

  putLong(column: number, low: number, high: number, out: BatchBuilder, row: number): void {
    const halves = out.halves[column]!
    halves[row * 2] = low
    halves[row * 2 + 1] = high
  }

  putString(column: number, text: Uint8Array, out: BatchBuilder, row: number): void {
    if (!isUtf8(text)) {
      this.spoil(column, out, row)
      return
    }
    out.cells[column]![row * 4] = text.length
    if (text.length <= CELL_STRING_BYTES) out.cellBytes[column]!.set(text, row * 16 + 4)
    else out.long[column]!.set(row, new Uint8Array(text))
  }
}

const NONE: ReadonlyMap<number, number> = new Map()
const FLOAT = new Float32Array(1)
const FLOAT_BYTES = new Uint8Array(FLOAT.buffer)
const DOUBLE = new Float64Array(1)
const DOUBLE_BYTES = new Uint8Array(DOUBLE.buffer)

function copy(from: Uint8Array, at: number, to: Uint8Array, toAt: number, length: number): void {
  for (let index = 0; index < length; index++) to[toAt + index] = from[at + index]!
}
