import { type InstrumentState, type Ledger, QualityFlag, type TableDefinition } from '#core'
import type { BatchBuilder } from './batch-builder.js'
import { InstrumentMap } from './instrument-map.js'
import { type Feed, InstrumentWatch } from './instrument-watch.js'
import { type PriceRules, priceRules } from './price-rules.js'
import { type Refusal, refusal } from './refusal.js'
import { timeProblem } from './time-rules.js'

/** What becomes of a row: null when it is accepted, with its flags set. */
export type Verdict = Refusal | 'duplicate' | null

/** Far more than any exchange lists: what lies beyond is taken without being followed. */
const MAX_INSTRUMENTS = 100_000
const MAX_NAME_LENGTH = 64

/** Flags that only the producer of a record can know; the others are found here, whatever a record claims. */
const PRODUCER_FLAGS =
  QualityFlag.rounded |
  QualityFlag.receiveTime |
  QualityFlag.contiguousSequence |
  QualityFlag.monotoneSequence

/**
 * Judges the rows of a table of events between decoding and the tail: what can't be true is refused, what came before
 * is dropped, what is odd is flagged. All it knows is a function of the log up to here, instrument by instrument, and
 * is in the ledger of each snapshot: whoever reads on from there judges alike.
 */
export class Inspector {
  readonly #definition: TableDefinition
  readonly #prices: PriceRules
  readonly #timeColumn: number
  readonly #exchangeColumn: number
  readonly #symbolColumn: number
  readonly #flagsColumn: number
  /** By partition. */
  readonly #instruments: InstrumentMap<InstrumentWatch>[] = []
  readonly #feeds: Map<string, Feed>[] = []
  readonly #touched = new Set<InstrumentWatch>()

  /** Goes on from a ledger. */
  constructor(definition: TableDefinition, start: Ledger) {
    const column = (name: string) => definition.columns.findIndex((candidate) => candidate.name === name)
    this.#definition = definition
    this.#prices = priceRules(definition)
    this.#timeColumn = column(definition.partitionColumn)
    this.#exchangeColumn = column('exchange')
    this.#symbolColumn = column('symbol')
    this.#flagsColumn = column('quality_flags')
    for (const feed of start.feeds) this.#feedsOf(feed.partition).set(feed.exchange, { ...feed })
    for (const instrument of start.instruments) this.#watch(instrument)
  }

  /** Judges a row that a record has become which the log took at `appendedAtMicros`. */
  inspect(rows: BatchBuilder, row: number, partition: number, appendedAtMicros: number): Verdict {
    const watch = this.#instrumentsOf(partition).get(rows, row) ?? this.#meet(rows, row, partition)
    if (watch !== null && !(watch instanceof InstrumentWatch)) return watch
    const times = rows.halves[this.#timeColumn]!
    // Exact: the decoder has made sure that it lies within ±2^53 µs.
    const micros = times[row * 2 + 1]! * TWO_TO_32 + (times[row * 2]! >>> 0)
    const problem =
      timeProblem(this.#definition.partitionColumn, micros, appendedAtMicros) ??
      this.#prices.problem(rows, row)
    if (watch === null) return problem
    this.#touched.add(watch)
    if (problem !== null) {
      watch.refuse(problem.reason)
      return problem
    }
    const flags = rows.ints[this.#flagsColumn]!
    flags[row] = (flags[row]! & PRODUCER_FLAGS) | this.#prices.flags(rows, row)
    watch.accepted++
    if (micros > watch.feed.newestMicros) watch.feed.newestMicros = micros
    return null
  }

  /** What has changed since the last time. */
  takeChange(): Omit<Ledger, 'lastRecords'> {
    const watches = [...this.#touched]
    this.#touched.clear()
    const feeds = new Set(watches.map((watch) => watch.feed))
    return {
      instruments: watches.map((watch) => watch.state()),
      feeds: [...feeds].map((feed) => ({ ...feed })),
      filledGaps: [],
    }
  }

  /** An instrument that is new: refused for its name, or null when there are too many to follow. */
  #meet(rows: BatchBuilder, row: number, partition: number): InstrumentWatch | Refusal | null {
    const exchange = rows.text(this.#exchangeColumn, row)
    const symbol = rows.text(this.#symbolColumn, row)
    const problem = nameProblem('exchange', exchange) ?? nameProblem('symbol', symbol)
    if (problem !== null) return problem
    if (this.#instrumentsOf(partition).size >= MAX_INSTRUMENTS) return null
    return this.#watch({
      partition,
      exchange,
      symbol,
      accepted: 0,
      duplicates: 0,
      refused: {},
      prices: null,
      runs: [],
    })
  }

  #watch(start: InstrumentState): InstrumentWatch {
    const feeds = this.#feedsOf(start.partition)
    let feed = feeds.get(start.exchange)
    if (!feed) {
      feed = { partition: start.partition, exchange: start.exchange, newestMicros: Number.MIN_SAFE_INTEGER }
      feeds.set(start.exchange, feed)
    }
    const watch = new InstrumentWatch(feed, start)
    this.#instrumentsOf(start.partition).add(start.exchange, start.symbol, watch)
    return watch
  }

  #instrumentsOf(partition: number): InstrumentMap<InstrumentWatch> {
    let found = this.#instruments[partition]
    if (!found) {
      found = new InstrumentMap(this.#exchangeColumn, this.#symbolColumn)
      this.#instruments[partition] = found
    }
    return found
  }

  #feedsOf(partition: number): Map<string, Feed> {
    let found = this.#feeds[partition]
    if (!found) {
      found = new Map()
      this.#feeds[partition] = found
    }
    return found
  }
}

const TWO_TO_32 = 2 ** 32
const CONTROL = /\p{C}/u

/** The same that is asked of the rows of a load. */
function nameProblem(field: string, name: string): Refusal | null {
  const length = [...name].length
  if (length > 0 && length <= MAX_NAME_LENGTH && !CONTROL.test(name)) return null
  return refusal('malformed', field, name, `a name of 1 to ${MAX_NAME_LENGTH} printable characters`)
}
