import {
  batchColumnNames,
  type Column,
  type ColumnBatch,
  type ColumnDefinition,
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
  readonly #types: readonly ColumnDefinition['type'][]
  readonly #longs: BigInt64Array[] = []
  readonly #valid: (Uint8Array | null)[] = []

  constructor(definition: TableDefinition, capacity: number) {
    this.definition = definition
    this.capacity = capacity
    this.#types = batchColumnNames(definition).map((_, index) => definition.columns[index]?.type ?? 'long')
    for (const type of this.#types) {
      const kind = KIND_OF[type]
      const longs = new BigInt64Array(kind === 'long' ? capacity : 0)
      const cells = new Uint32Array(kind === 'string' ? capacity * 4 : 0)
      this.#longs.push(longs)
      this.halves.push(new Int32Array(longs.buffer))
      this.ints.push(new Int32Array(kind === 'int' ? capacity : 0))
      this.cells.push(cells)
      this.cellBytes.push(new Uint8Array(cells.buffer))
      this.long.push(new Map())
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
    for (let column = 0; column < this.#types.length; column++) {
      this.#longs[column]!.fill(0n, row, row + 1)
      this.ints[column]!.fill(0, row, row + 1)
      this.cells[column]!.fill(0, row * 4, row * 4 + 4)
      this.long[column]!.delete(row)
      const valid = this.#valid[column]!
      if (valid !== null) valid[row >> 3]! |= 1 << (row & 7)
    }
  }

  /** The first `rowCount` rows. The builder is not used again. */
  finish(rowCount: number): ColumnBatch {
    const columns = this.#types.map((type, index): Column => {
      const valid = this.#valid[index]!
      const kind = KIND_OF[type]
      switch (kind) {
        case 'long':
          return { kind, values: this.#longs[index]!.subarray(0, rowCount), valid }
        case 'int':
          return { kind, values: this.ints[index]!.subarray(0, rowCount), valid }
        case 'string':
          return { kind, cells: this.cells[index]!.subarray(0, rowCount * 4), long: this.long[index]!, valid }
        default:
          return unreachable(kind)
      }
    })
    return { definition: this.definition, rowCount, columns }
  }
}

const KIND_OF = {
  string: 'string',
  binary: 'string',
  int: 'int',
  long: 'long',
  timestamptz: 'long',
  decimal: 'long',
} as const
