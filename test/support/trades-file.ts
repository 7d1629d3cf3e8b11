import { createWriteStream } from 'node:fs'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { formatDecimal, formatMicros } from '#core'
import { SeededRandom } from './seeded-random.js'

export interface TradesFileOptions {
  readonly seed: number
  readonly rowCount: number
  /** Instruments are S0, S1, … */
  readonly symbolCount: number
}

/** Rows of a made file by symbol. */
export type RowsBySymbol = ReadonlyMap<string, number>

const START_MICROS = 1_725_000_000_000_000n

/** Writes trades for the format csv-trades, several days of them, with equal times and identical rows among them. */
export async function writeTradesFile(path: string, options: TradesFileOptions): Promise<RowsBySymbol> {
  const counts = new Map<string, number>()
  await pipeline(Readable.from(lines(options, counts)), createWriteStream(path))
  return counts
}

function* lines({ seed, rowCount, symbolCount }: TradesFileOptions, counts: Map<string, number>) {
  const random = new SeededRandom(seed)
  const stepMicros = Math.floor((3 * 86_400_000_000) / rowCount)
  let micros = START_MICROS
  let line = ''
  yield 'exchange,symbol,time,price,size,side\n'
  for (let row = 0; row < rowCount; row++) {
    if (line === '' || !random.oneIn(10)) {
      const symbol = `S${random.below(symbolCount)}`
      if (!random.oneIn(4)) micros += BigInt(random.below(2 * stepMicros))
      const price = formatDecimal(random.bigBelow(10n ** 11n) + 1n)
      const size = formatDecimal(random.bigBelow(10n ** 10n) + 1n)
      line = `MADE,${symbol},${formatMicros(micros)},${price},${size},${random.pick(['buy', 'sell', ''])}\n`
    }
    const symbol = line.split(',', 2)[1]!
    counts.set(symbol, (counts.get(symbol) ?? 0) + 1)
    yield line
  }
}
