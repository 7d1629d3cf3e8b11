import { formatDecimal, QualityFlag, type TableDefinition } from '#core'
import type { BatchBuilder } from './batch-builder.js'
import { type Refusal, refusal } from './refusal.js'

/** What the prices and sizes of a table's rows must be, and what may be odd about them. Rows are numbers, not objects. */
export interface PriceRules {
  /** What is wrong with a row. */
  problem(rows: BatchBuilder, row: number): Refusal | null
  /** Flags that a row gets for itself. */
  flags(rows: BatchBuilder, row: number): number
  /** The price whose course is followed, in 10^-8 (statistics only: floating-point); NaN when a row has none. */
  price(rows: BatchBuilder, row: number): number
}

export function priceRules(definition: TableDefinition): PriceRules {
  const column = (name: string) => definition.columns.findIndex((candidate) => candidate.name === name)
  return column('price') === -1
    ? new QuoteRules(column('bid_price'), column('bid_size'), column('ask_price'), column('ask_size'))
    : new TradeRules(column('price'), column('size'))
}

class TradeRules implements PriceRules {
  readonly #price: number
  readonly #size: number

  constructor(price: number, size: number) {
    this.#price = price
    this.#size = size
  }

  problem(rows: BatchBuilder, row: number): Refusal | null {
    if (sign(rows, this.#price, row) <= 0) return wrongSign('not_positive', rows, this.#price, row)
    return sign(rows, this.#size, row) < 0 ? wrongSign('negative', rows, this.#size, row) : null
  }

  flags(): number {
    return 0
  }

  price(rows: BatchBuilder, row: number): number {
    return toNumber(rows, this.#price, row)
  }
}

/** A side may be empty: its price, and its size if it has one, is then 0. */
class QuoteRules implements PriceRules {
  readonly #bid: number
  readonly #ask: number
  readonly #all: readonly number[]

  constructor(bid: number, bidSize: number, ask: number, askSize: number) {
    this.#bid = bid
    this.#ask = ask
    this.#all = [bid, ask, bidSize, askSize]
  }

  problem(rows: BatchBuilder, row: number): Refusal | null {
    for (const column of this.#all) {
      if (sign(rows, column, row) < 0) return wrongSign('negative', rows, column, row)
    }
    return null
  }

  flags(rows: BatchBuilder, row: number): number {
    if (sign(rows, this.#bid, row) === 0 || sign(rows, this.#ask, row) === 0) return 0
    const bid = rows.halves[this.#bid]!
    const ask = rows.halves[this.#ask]!
    const high = bid[row * 2 + 1]! - ask[row * 2 + 1]!
    const order = high === 0 ? (bid[row * 2]! >>> 0) - (ask[row * 2]! >>> 0) : high
    return order > 0 ? QualityFlag.crossed : order === 0 ? QualityFlag.locked : 0
  }

  /** The mid of two sides; one side alone says little. */
  price(rows: BatchBuilder, row: number): number {
    if (sign(rows, this.#bid, row) === 0 || sign(rows, this.#ask, row) === 0) return Number.NaN
    return (toNumber(rows, this.#bid, row) + toNumber(rows, this.#ask, row)) / 2
  }
}

const TWO_TO_32 = 2 ** 32

/** Of a scaled decimal: negative, 0 or positive; 0 when it is null. */
function sign({ halves }: BatchBuilder, column: number, row: number): number {
  const high = halves[column]![row * 2 + 1]!
  return high === 0 ? halves[column]![row * 2]! >>> 0 : high
}

function toNumber({ halves }: BatchBuilder, column: number, row: number): number {
  return halves[column]![row * 2 + 1]! * TWO_TO_32 + (halves[column]![row * 2]! >>> 0)
}

export const EXPECTED_SIGN = { not_positive: 'more than 0', negative: '0 or more' }

function wrongSign(
  reason: keyof typeof EXPECTED_SIGN,
  rows: BatchBuilder,
  column: number,
  row: number,
): Refusal {
  const { name } = rows.definition.columns[column]!
  return refusal(reason, name, formatDecimal(rows.bigint(column, row)), EXPECTED_SIGN[reason])
}
