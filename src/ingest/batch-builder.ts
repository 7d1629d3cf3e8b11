import {
  type AddedColumn,
  batchColumnKinds,
  type Column,
  type ColumnBatch,
  type TableDefinition,
  unreachable,
} from '#core'
import { cellText } from './string-cells.js'

/**
 * The columns of a batch while its rows are written. Arrays go by column of the batch; a column has only the views
 * that its kind needs, the others are empty. Rows start as zeros, present.
 */
export class BatchBuilder {
  readonly definition: TableDefinition
  readonly capacity: number
  /** Two int32 a row, low half first: 64-bit columns are written without allocating bigints. */
  readonly halves: Int32Array[] = []
  readonly ints: Int32Array[] = []
  /** Four uint32 a row: see StringColumn. */
  readonly cells: Uint32Array[] = []
  /** The cells again, byte by byte. */
  readonly cellBytes: Uint8Array[] = []
  readonly long: Map<number, Uint8Array>[] = []
  /** Booleans, floats and doubles, byte by byte. */
  readonly raw: Uint8Array[] = []
  readonly #added: readonly AddedColumn[]
  readonly #kinds: readonly Column['kind'][]
  readonly #longs: BigInt64Array[] = []
  readonly #valid: (Uint8Array | null)[] = []

  constructor(definition: TableDefinition, capacity: number, added: readonly AddedColumn[] = []) {
    this.definition = definition
    this.capacity = capacity
    this.#added = added
    this.#kinds = batchColumnKinds(definition, added)
    for (const kind of this.#kinds) {
      const longs = new BigInt64Array(kind === 'long' ? capacity : 0)
      const cells = new Uint32Array(kind === 'string' ? capacity * 4 : 0)
      this.#longs.push(longs)
      this.halves.push(new Int32Array(longs.buffer))
      this.ints.push(new Int32Array(kind === 'int' ? capacity : 0))
      this.cells.push(cells)
      this.cellBytes.push(new Uint8Array(cells.buffer))
      this.long.push(new Map())
      this.raw.push(new Uint8Array(capacity * (RAW_BYTES[kind] ?? 0)))
      this.#valid.push(null)
    }
  }

  setNull(column: number, row: number): void {
    let valid = this.#valid[column]!
    if (valid === null) {
      valid = new Uint8Array((this.capacity + 7) >> 3).fill(0xff)
      this.#valid[column] = valid
    }
    valid[row >> 3]! &= ~(1 << (row & 7))
  }

  isNull(column: number, row: number): boolean {
    const valid = this.#valid[column]!
    return valid !== null && (valid[row >> 3]! & (1 << (row & 7))) === 0
  }

  bigint(column: number, row: number): bigint {
    return this.#longs[column]![row]!
  }

  /** The string of a row. */
  text(column: number, row: number): string {
    return cellText({ cells: this.cells[column]!, long: this.long[column]! }, row)
  }

  /** Rows [from, to) of a column take the same value. */
  fillLong(column: number, value: bigint, from: number, to: number): void {
    this.#longs[column]!.fill(value, from, to)
  }

  fillInt(column: number, value: number, from: number, to: number): void {
    this.ints[column]!.fill(value, from, to)
  }

  /** Undoes what was written of a row. */
  clearRow(row: number): void {
    for (let column = 0; column < this.#kinds.length; column++) {
      this.#longs[column]!.fill(0n, row, row + 1)
      this.ints[column]!.fill(0, row, row + 1)
      this.cells[column]!.fill(0, row * 4, row * 4 + 4)
      this.long[column]!.delete(row)
      const rawBytes = RAW_BYTES[this.#kinds[column]!] ?? 0
      this.raw[column]!.fill(0, row * rawBytes, (row + 1) * rawBytes)
      const valid = this.#valid[column]!
      if (valid !== null) valid[row >> 3]! |= 1 << (row & 7)
    }
  }

  /** The first `rowCount` rows. The builder is not used again. */
  finish(rowCount: number): ColumnBatch {
    const columns = this.#kinds.map((kind, index): Column => {
      const valid = this.#valid[index]!
      switch (kind) {
        case 'long':
          return { kind, values: this.#longs[index]!.subarray(0, rowCount), valid }
        case 'int':
          return { kind, values: this.ints[index]!.subarray(0, rowCount), valid }
        case 'string':
          return { kind, cells: this.cells[index]!.subarray(0, rowCount * 4), long: this.long[index]!, valid }
        case 'boolean':
          return { kind, values: this.raw[index]!.subarray(0, rowCount), valid }
        case 'float':
          return { kind, values: new Float32Array(this.raw[index]!.buffer, 0, rowCount), valid }
        case 'double':
          return { kind, values: new Float64Array(this.raw[index]!.buffer, 0, rowCount), valid }
        default:
          return unreachable(kind)
      }
    })
    return { definition: this.definition, added: this.#added, rowCount, columns }
  }
}

/** Bytes a row of the kinds that are written so; little-endian, as in Avro. */
const RAW_BYTES: Partial<Record<Column['kind'], number>> = { boolean: 1, float: 4, double: 8 }
