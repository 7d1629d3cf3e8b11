import { CELL_STRING_BYTES } from '#core'
import type { BatchBuilder } from './batch-builder.js'

const CELL_WORDS = 4
const KEY_WORDS = 2 * CELL_WORDS
const FIRST_CAPACITY = 1 << 10
/** At least one slot in four stays empty. */
const MAX_LOAD = 0.75

/**
 * Something for each instrument, found by the cells of a row's exchange and symbol: a hash table over their words,
 * since making a string of a row to look it up would cost more than all that is then done with it.
 */
export class InstrumentMap<T> {
  readonly #exchangeColumn: number
  readonly #symbolColumn: number
  readonly #values: T[] = []
  /** The cells of exchange and symbol of each value. */
  #keys = new Uint32Array(FIRST_CAPACITY * KEY_WORDS)
  /** Index into values + 1 by hash, open addressing; 0 is empty. */
  #slots = new Int32Array(FIRST_CAPACITY * 2)
  /** Those with a name that no cell holds, by text. */
  readonly #long = new Map<string, T>()

  constructor(exchangeColumn: number, symbolColumn: number) {
    this.#exchangeColumn = exchangeColumn
    this.#symbolColumn = symbolColumn
  }

  get size(): number {
    return this.#values.length + this.#long.size
  }

  /** What is kept for the instrument of a row. */
  get(rows: BatchBuilder, row: number): T | undefined {
    const { [this.#exchangeColumn]: exchange, [this.#symbolColumn]: symbol } = rows.cells
    if (rows.long[this.#exchangeColumn]!.has(row) || rows.long[this.#symbolColumn]!.has(row)) {
      return this.#long.get(textKey(rows.text(this.#exchangeColumn, row), rows.text(this.#symbolColumn, row)))
    }
    const at = row * CELL_WORDS
    const mask = this.#slots.length - 1
    for (let slot = hash(exchange!, at, symbol!, at) & mask; ; slot = (slot + 1) & mask) {
      const found = this.#slots[slot]! - 1
      if (found === -1) return undefined
      if (this.#isKey(found, exchange!, symbol!, at)) return this.#values[found]
    }
  }

  /** Keeps something for an instrument that has nothing yet. */
  add(exchange: string, symbol: string, value: T): void {
    const exchangeCell = cellOf(exchange)
    const symbolCell = cellOf(symbol)
    if (exchangeCell === null || symbolCell === null) {
      this.#long.set(textKey(exchange, symbol), value)
      return
    }
    const index = this.#values.push(value) - 1
    const key = index * KEY_WORDS
    if (key === this.#keys.length) {
      const larger = new Uint32Array(this.#keys.length * 2)
      larger.set(this.#keys)
      this.#keys = larger
    }
    this.#keys.set(exchangeCell, key)
    this.#keys.set(symbolCell, key + CELL_WORDS)
    if (this.#values.length <= this.#slots.length * MAX_LOAD) this.#place(index)
    else {
      this.#slots = new Int32Array(this.#slots.length * 2)
      for (let each = 0; each <= index; each++) this.#place(each)
    }
  }

  #isKey(index: number, exchange: Uint32Array, symbol: Uint32Array, at: number): boolean {
    const key = index * KEY_WORDS
    for (let word = 0; word < CELL_WORDS; word++) {
      if (this.#keys[key + CELL_WORDS + word] !== symbol[at + word]) return false
      if (this.#keys[key + word] !== exchange[at + word]) return false
    }
    return true
  }

  /** Into the first slot that is free for it. */
  #place(index: number): void {
    const mask = this.#slots.length - 1
    const key = index * KEY_WORDS
    let slot = hash(this.#keys, key, this.#keys, key + CELL_WORDS) & mask
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask
    this.#slots[slot] = index + 1
  }
}

/** NUL is in no name. */
function textKey(exchange: string, symbol: string): string {
  return `${exchange}\0${symbol}`
}

/** As in a StringColumn, or null when a cell does not hold it. */
function cellOf(text: string): Uint32Array | null {
  const bytes = Buffer.from(text, 'utf8')
  if (bytes.length > CELL_STRING_BYTES) return null
  const cell = new Uint32Array(CELL_WORDS)
  cell[0] = bytes.length
  new Uint8Array(cell.buffer).set(bytes, 4)
  return cell
}

/** Multiply and rotate over the words, so that all their bits reach the lowest. */
function hash(exchange: Uint32Array, exchangeAt: number, symbol: Uint32Array, symbolAt: number): number {
  let sum = 0
  for (let word = 0; word < CELL_WORDS; word++) {
    sum = Math.imul(sum ^ symbol[symbolAt + word]!, 0x9e37_79b1)
    sum = (sum << 13) | (sum >>> 19)
    sum = Math.imul(sum ^ exchange[exchangeAt + word]!, 0x85eb_ca77)
    sum ^= sum >>> 15
  }
  return sum
}
