import { type ColumnDefinition, MICROS_PER_DAY, type OffsetVector, type TableDefinition } from '#core'
import type { CellValue, Row } from './row-batch.js'
import { SeededRandom } from './seeded-random.js'

export interface MarketRowsOptions {
  readonly seed: number
  readonly partitionCount: number
  /** Days that event times fall on, counted from 1970-01-01; days before it are negative. */
  readonly days: readonly number[]
  /** Prices and sizes up to ±9999999999.99999999 too, which no double holds. */
  readonly extremes?: boolean
}

/** Whatever a feed may call an instrument: long, beyond the basic plane, alike in the first 16 code points. */
export const AWKWARD_SYMBOLS = [
  'BHP',
  'EUR/USD',
  'twelve-bytes',
  'thirteenbytes',
  '日本電信電話株式会社普通株式東京証券取引所',
  '日本電信電話株式会社普通株式東京証券取引所プライム',
  '🚀'.repeat(17),
  '\u{10ffff}'.repeat(17),
  `${'z'.repeat(15)}\ud7ff and more`,
  'O\'Neill "A"',
] as const

const LARGEST = 10n ** 18n - 1n

/**
 * Seeded rows of any table, column by column: some columns null here and there, `venue` null everywhere, one row in
 * ten the twin of the row before it, positions as a log would give them.
 */
export class MarketRows {
  readonly #definition: TableDefinition
  readonly #options: MarketRowsOptions
  readonly #random: SeededRandom
  readonly #next: number[]
  #previous: Row | undefined
  #rowNumber = 0n

  constructor(definition: TableDefinition, options: MarketRowsOptions) {
    this.#definition = definition
    this.#options = options
    this.#random = new SeededRandom(options.seed)
    this.#next = new Array<number>(options.partitionCount).fill(0)
  }

  /** The vector after the rows taken so far. */
  get next(): OffsetVector {
    return [...this.#next]
  }

  take(count: number): readonly Row[] {
    return Array.from({ length: count }, () => this.#row())
  }

  #row(): Row {
    const twin = this.#previous !== undefined && this.#random.oneIn(10)
    const record = twin ? this.#previous : this.#record()
    this.#previous = record
    this.#rowNumber += 1n
    const partition = this.#random.below(this.#next.length)
    const position = this.#next[partition]!
    this.#next[partition] = position + 1
    const names = this.#definition.columns.map((column) => column.name)
    return {
      ...record,
      ...(names.includes('message_id') ? { source_row: this.#rowNumber } : {}),
      log_partition: partition,
      log_offset: BigInt(position),
    }
  }

  #record(): Row {
    const cells = this.#definition.columns
      .filter((column) => column.name !== 'log_partition' && column.name !== 'log_offset')
      .map((column) => [column.name, this.#cell(column)] as const)
    return Object.fromEntries(cells)
  }

  #cell(column: ColumnDefinition): CellValue {
    const random = this.#random
    if (column.name === 'venue') return null
    if (!column.required && random.oneIn(3)) return null
    switch (column.type) {
      case 'int':
        return random.below(1000)
      case 'long':
        return random.bigBelow(2n ** 63n) - (random.oneIn(2) ? 0n : 2n ** 62n)
      case 'timestamptz':
        return this.#time()
      case 'decimal':
        return this.#decimal()
      case 'binary':
        return random.bytes(random.pick([0, 1, 12, 13, 300]))
      case 'string':
        return this.#text(column.name)
    }
  }

  #time(): bigint {
    const random = this.#random
    const midnight = BigInt(random.pick(this.#options.days)) * BigInt(MICROS_PER_DAY)
    // Both ends of the day often: they decide in which partition a row lands.
    if (random.oneIn(8)) return midnight + (random.oneIn(2) ? 0n : BigInt(MICROS_PER_DAY) - 1n)
    return midnight + random.bigBelow(BigInt(MICROS_PER_DAY))
  }

  #decimal(): bigint {
    const random = this.#random
    if (this.#options.extremes === true && random.oneIn(50)) return random.oneIn(2) ? LARGEST : -LARGEST
    if (random.oneIn(20)) return random.pick([0n, 1n, -1n])
    const value = random.bigBelow(1_000_000n * 10n ** BigInt(random.below(9)))
    return random.oneIn(4) ? -value : value
  }

  #text(column: string): string {
    const random = this.#random
    if (column === 'symbol') return random.pick(AWKWARD_SYMBOLS)
    if (column === 'side') return random.pick(['buy', 'sell', 'unknown'])
    if (column === 'source_id' || column === 'source') return 'abcdefghjkmn'
    return random.pick(['', 'A', column, `${column} ${'ß'.repeat(random.below(40))}`])
  }
}
