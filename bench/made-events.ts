import { QUOTES, TRADES } from '#core'
import { type EmbeddedRegistry, type LogRecord, Producer } from '#ingest'
import { SeededRandom } from '../test/support/seeded-random.js'

const TABLES = { trades: TRADES, quotes: QUOTES } as const
const VENUES = ['XASX', 'CHIA', 'XNAS', 'ARCX']
const SIDES = ['buy', 'sell', 'unknown']
/** The first day: 2024-08-08. */
const MIDNIGHT_MICROS = 1_723_075_200_000_000n
const DAY_MICROS = 86_400_000_000n

type Columns = Parameters<Producer['accepted']>[0]
type Cells = Columns extends ReadonlyMap<string, infer Column> ? Column : never

export interface MadeOptions {
  readonly of: keyof typeof TABLES
  /** How many will be taken; they are spread over the days. */
  readonly rowCount: number
  readonly days: number
  readonly symbols: number
}

/** Trades or quotes of some days as a feed would send them, of the exchange MADE, all columns filled, about 100 bytes of Avro each; seeded. */
export class MadeEvents {
  readonly #producer: Producer
  readonly #options: MadeOptions
  readonly #random = new SeededRandom(20_240_808)
  readonly #symbols: readonly string[]
  readonly #stepMicros: bigint
  #row = 0n

  private constructor(producer: Producer, options: MadeOptions) {
    this.#producer = producer
    this.#options = options
    this.#symbols = Array.from({ length: options.symbols }, (_, index) => `SYM${index}`)
    this.#stepMicros = (DAY_MICROS * BigInt(options.days)) / BigInt(options.rowCount + 1)
  }

  static async open(registry: EmbeddedRegistry, options: MadeOptions): Promise<MadeEvents> {
    return new MadeEvents(await Producer.open(TABLES[options.of], registry), options)
  }

  /** The next rows, as records. `probes` further ones are of the symbol PROBE. */
  take(rowCount: number, probes = 0): LogRecord[] {
    const random = this.#random
    const rows = Array.from({ length: rowCount + probes }, (_, index) => index)
    const first = this.#row
    this.#row += BigInt(rows.length)
    const { length } = this.#symbols
    const columns = new Map<string, Cells>([
      // Activity is skewed: half of the rows are of a sixteenth of the symbols.
      [
        'symbol',
        text(rows, (row) =>
          row < rowCount ? this.#symbols[Math.floor(random.below(length) ** 4 / length ** 3)]! : 'PROBE',
        ),
      ],
      ['exchange', text(rows, () => 'MADE')],
      ['exchange_timestamp', long(rows, (row) => MIDNIGHT_MICROS + (first + BigInt(row)) * this.#stepMicros)],
      ['exchange_nanos', int(rows, () => random.below(1000))],
      ['sequence_number', long(rows, (row) => first + BigInt(row))],
      ...(this.#options.of === 'trades' ? tradeColumns(rows, first, random) : quoteColumns(rows, random)),
      ['conditions', text(rows, () => (random.oneIn(10) ? 'XT' : null))],
      ['currency', text(rows, () => 'AUD')],
      ['quality_flags', int(rows, () => 0)],
    ])
    const sourceRows = BigInt64Array.from(rows, (row) => first + BigInt(row) + 1n)
    const source = { sourceId: 'benchmarkrow', fileName: 'made' }
    return this.#producer.accepted(columns, rows.length, source, sourceRows)
  }
}

function tradeColumns(
  rows: readonly number[],
  first: bigint,
  random: SeededRandom,
): readonly (readonly [string, Cells])[] {
  return [
    ['trade_id', text(rows, (row) => `T${first + BigInt(row)}`)],
    ['price', long(rows, () => BigInt(1_000_000 + random.below(50_000)) * 10_000n)],
    ['size', long(rows, () => BigInt(1 + random.below(500)) * 100_000_000n)],
    ['side', text(rows, () => random.pick(SIDES))],
    ['venue', text(rows, () => random.pick(VENUES))],
  ]
}

function quoteColumns(rows: readonly number[], random: SeededRandom): readonly (readonly [string, Cells])[] {
  const size = () => long(rows, () => BigInt(1 + random.below(500)) * 100_000_000n)
  return [
    ['bid_price', long(rows, () => BigInt(1_000_000 + random.below(25_000)) * 10_000n)],
    ['bid_size', size()],
    ['ask_price', long(rows, () => BigInt(1_025_000 + random.below(25_000)) * 10_000n)],
    ['ask_size', size()],
    ['venue', text(rows, () => random.pick(VENUES))],
  ]
}

function text(rows: readonly number[], of: (row: number) => string | null): Cells {
  return { kind: 'string', values: rows.map(of) }
}

function long(rows: readonly number[], of: (row: number) => bigint): Cells {
  return { kind: 'long', values: BigInt64Array.from(rows, of) }
}

function int(rows: readonly number[], of: (row: number) => number): Cells {
  return { kind: 'int', values: Int32Array.from(rows, of) }
}
