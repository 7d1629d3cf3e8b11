import { TRADES } from '#core'
import { type EmbeddedRegistry, type LogRecord, Producer } from '#ingest'
import { SeededRandom } from '../../test/support/seeded-random.js'

const SYMBOLS = Array.from({ length: 400 }, (_, index) => `SYM${index}`)
const VENUES = ['XASX', 'CHIA', 'XNAS', 'ARCX']
const SIDES = ['buy', 'sell', 'unknown']
/** One day: 2024-08-08. */
const MIDNIGHT_MICROS = 1_723_075_200_000_000n
const DAY_MICROS = 86_400_000_000n

/** Trades of one day as a feed would send them, 17 columns filled, about 100 bytes of Avro each; seeded. */
export class MadeTrades {
  readonly #producer: Producer
  readonly #random = new SeededRandom(20_240_808)
  readonly #stepMicros: bigint
  #row = 0n

  private constructor(producer: Producer, rowCount: number) {
    this.#producer = producer
    this.#stepMicros = DAY_MICROS / BigInt(rowCount + 1)
  }

  /** `rowCount`: how many will be taken; they are spread over the day. */
  static async open(registry: EmbeddedRegistry, rowCount: number): Promise<MadeTrades> {
    return new MadeTrades(await Producer.open(TRADES, registry), rowCount)
  }

  /** The next rows, as records. `probes` further ones are of the symbol PROBE. */
  take(rowCount: number, probes = 0): LogRecord[] {
    const random = this.#random
    const rows = Array.from({ length: rowCount + probes }, (_, index) => index)
    const first = this.#row
    this.#row += BigInt(rows.length)
    const text = (of: (row: number) => string | null) => ({ kind: 'string', values: rows.map(of) }) as const
    const long = (of: (row: number) => bigint) =>
      ({ kind: 'long', values: BigInt64Array.from(rows, of) }) as const
    const int = (of: (row: number) => number) => ({ kind: 'int', values: Int32Array.from(rows, of) }) as const
    const columns = new Map<
      string,
      ReturnType<typeof text> | ReturnType<typeof long> | ReturnType<typeof int>
    >([
      // Activity is skewed: half of the rows are of a sixteenth of the symbols.
      [
        'symbol',
        text((row) => (row < rowCount ? SYMBOLS[Math.floor(random.below(400) ** 4 / 400 ** 3)]! : 'PROBE')),
      ],
      ['exchange', text(() => 'MADE')],
      ['exchange_timestamp', long((row) => MIDNIGHT_MICROS + (first + BigInt(row)) * this.#stepMicros)],
      ['exchange_nanos', int(() => random.below(1000))],
      ['sequence_number', long((row) => first + BigInt(row))],
      ['trade_id', text((row) => `T${first + BigInt(row)}`)],
      ['price', long(() => BigInt(1_000_000 + random.below(50_000)) * 10_000n)],
      ['size', long(() => BigInt(1 + random.below(500)) * 100_000_000n)],
      ['side', text(() => random.pick(SIDES))],
      ['venue', text(() => random.pick(VENUES))],
      ['conditions', text(() => (random.oneIn(10) ? 'XT' : null))],
      ['currency', text(() => 'AUD')],
      ['quality_flags', int(() => 0)],
    ])
    const sourceRows = BigInt64Array.from(rows, (row) => first + BigInt(row) + 1n)
    return this.#producer.accepted(
      columns,
      rows.length,
      { sourceId: 'benchmarkrow', fileName: 'made' },
      sourceRows,
    )
  }
}
