/** A trade or quote of the demonstration market. Prices are whole ticks of a tenth of a cent. */
export type DemoEvent =
  | {
      readonly kind: 'trade'
      readonly symbol: string
      readonly price: number
      readonly size: number
      readonly side: 'buy' | 'sell'
    }
  | {
      readonly kind: 'quote'
      readonly symbol: string
      readonly bid: number
      readonly ask: number
      readonly bidSize: number
      readonly askSize: number
    }

interface Instrument {
  readonly symbol: string
  /** The smallest price step: 1 (a tenth of a cent) below two dollars, else 10. */
  readonly tick: number
  readonly lot: number
  /** Where the price is pulled back to, slowly; it drifts itself. */
  anchor: number
  bid: number
  ask: number
}

const CONSONANTS = 'BLMNRSTV'
const VOWELS = 'AEIOU'

/** Of all events, the share that are trades. */
const TRADE_SHARE = 0.4

/**
 * A made-up market: several hundred instruments, few of them busy (activity falls as rank^-0.9), prices that walk
 * in ticks around a drifting anchor, sizes in lots with a heavy tail. Fully determined by the seed.
 */
export class DemoMarket {
  readonly #instruments: readonly Instrument[]
  /** Running sum of activity, for picking an instrument by it. */
  readonly #activity: Float64Array
  readonly #random: () => number

  constructor(seed: number, symbolCount: number) {
    this.#random = seededRandom(seed)
    this.#instruments = symbolNames(symbolCount, this.#random).map((symbol) => this.#instrument(symbol))
    this.#activity = new Float64Array(symbolCount)
    let total = 0
    for (let rank = 0; rank < symbolCount; rank++) {
      total += (rank + 1) ** -0.9
      this.#activity[rank] = total
    }
  }

  /** Busiest first. */
  get symbols(): readonly string[] {
    return this.#instruments.map(({ symbol }) => symbol)
  }

  /** Uniform in [0, 1), from the market's own seed. */
  random(): number {
    return this.#random()
  }

  /** The next event of the whole market. */
  next(): DemoEvent {
    const instrument = this.#pick()
    return this.#random() < TRADE_SHARE ? this.#trade(instrument) : this.#quote(instrument)
  }

  #instrument(symbol: string): Instrument {
    const price = Math.round(Math.exp(this.#normal() * 1.1 + 9.6)) + 200
    const tick = price < 2000 ? 1 : 10
    const bid = Math.round(price / tick) * tick
    return { symbol, tick, lot: price < 20_000 ? 100 : 10, anchor: bid, bid, ask: bid + tick }
  }

  #pick(): Instrument {
    const target = this.#random() * this.#activity.at(-1)!
    let low = 0
    let high = this.#activity.length - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#activity[middle]! <= target) low = middle + 1
      else high = middle
    }
    return this.#instruments[low]!
  }

  #quote(instrument: Instrument): DemoEvent {
    const { symbol, tick } = instrument
    instrument.anchor *= 1 + this.#normal() * 0.0001
    if (this.#random() < 0.35) {
      const pull = (instrument.anchor - instrument.bid) / instrument.anchor
      const up = this.#random() < 0.5 + Math.max(-0.3, Math.min(0.3, pull * 60))
      instrument.bid = Math.max(tick, instrument.bid + (up ? tick : -tick))
    }
    const draw = this.#random()
    instrument.ask = instrument.bid + tick * (draw < 0.7 ? 1 : draw < 0.93 ? 2 : 3)
    return {
      kind: 'quote',
      symbol,
      bid: instrument.bid,
      ask: instrument.ask,
      bidSize: this.#size(instrument, 1.2),
      askSize: this.#size(instrument, 1.2),
    }
  }

  #trade(instrument: Instrument): DemoEvent {
    const side = this.#random() < 0.5 ? 'buy' : 'sell'
    const price = side === 'buy' ? instrument.ask : instrument.bid
    return { kind: 'trade', symbol: instrument.symbol, price, size: this.#size(instrument, 0.9), side }
  }

  /** Mostly one or a few lots, sometimes hundreds. */
  #size({ lot }: Instrument, spread: number): number {
    return lot * Math.max(1, Math.round(Math.exp(this.#normal() * spread + 0.4)))
  }

  /** Standard normal, near enough: the sum of twelve uniform draws less six. */
  #normal(): number {
    let sum = -6
    for (let draw = 0; draw < 12; draw++) sum += this.#random()
    return sum
  }
}

/** sfc32 (PractRand's small fast counter), seeded by splitmix32. Uniform in [0, 1) with 32 bits. */
function seededRandom(seed: number): () => number {
  let mixed = seed | 0
  const split = () => {
    mixed = (mixed + 0x9e3779b9) | 0
    let word = mixed ^ (mixed >>> 16)
    word = Math.imul(word, 0x21f0aaad)
    word ^= word >>> 15
    word = Math.imul(word, 0x735a2d97)
    return (word ^ (word >>> 15)) | 0
  }
  let [a, b, c, counter] = [split(), split(), split(), 1]
  return () => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + sum) | 0
    return (sum >>> 0) / 2 ** 32
  }
}

/** Distinct pronounceable names of four letters: BANO, TIVU, … */
function symbolNames(count: number, random: () => number): string[] {
  const names = new Set<string>()
  const letter = (letters: string) => letters[Math.floor(random() * letters.length)]!
  while (names.size < count) {
    names.add(letter(CONSONANTS) + letter(VOWELS) + letter(CONSONANTS) + letter(VOWELS))
  }
  return [...names]
}
