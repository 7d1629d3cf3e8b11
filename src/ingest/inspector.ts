import {
  batchColumnNames,
  type FilledGap,
  type InstrumentState,
  type Ledger,
  type Logger,
  MAX_INSTRUMENTS,
  QualityFlag,
  type SessionCalendars,
  type TableDefinition,
} from '#core'
import type { Engine } from '#engine'
import type { StreamTable } from '#storage'
import type { BatchBuilder } from './batch-builder.js'
import type { Deduplicator } from './deduplicator.js'
import { GapWatch, type RevealedGap } from './gap-watch.js'
import { InstrumentMap } from './instrument-map.js'
import { type Feed, InstrumentWatch } from './instrument-watch.js'
import { newestIds } from './newest-ids.js'
import { type PriceRules, priceRules } from './price-rules.js'
import { type Refusal, refusal } from './refusal.js'
import { GapBudget } from './sequence-tracker.js'
import { timeProblem } from './time-rules.js'

/** What becomes of a row: null when it is accepted, with its flags set. */
export type Verdict = Refusal | 'duplicate' | null

const MAX_NAME_LENGTH = 64
/** A feed that is silent for longer while its market is open has probably been cut off. */
const SILENCE_MICROS = 5 * 60 * 1_000_000

/** Flags that only the producer of a record can know; the others are found here, whatever a record claims. */
const PRODUCER_FLAGS =
  QualityFlag.rounded |
  QualityFlag.receiveTime |
  QualityFlag.contiguousSequence |
  QualityFlag.monotoneSequence
const COUNTED = QualityFlag.contiguousSequence | QualityFlag.monotoneSequence

export interface InspectionPolicy {
  /** Message ids of a partition that are remembered, so that what comes again is dropped; 0: all is kept. */
  readonly rememberedIds: number
  /** What to do at a gap of more than 100 sequence numbers. */
  readonly largeGap: 'continue' | 'halt'
  readonly logger: Logger
  readonly sessions: SessionCalendars
}

export interface InspectorOptions extends Omit<InspectionPolicy, 'rememberedIds'> {
  readonly definition: TableDefinition
  /** To go on from. */
  readonly start: Ledger
  /** Knows the message ids of the newest rows, up to the same position. */
  readonly deduplicator: Deduplicator | null
}

/** Opens an inspector that goes on where the newest snapshot of a table ends. */
export async function openInspector(
  table: StreamTable,
  start: Ledger,
  engine: Pick<Engine, 'query'>,
  policy: InspectionPolicy,
): Promise<Inspector> {
  const { rememberedIds } = policy
  return new Inspector({
    ...policy,
    definition: table.definition,
    start,
    deduplicator: rememberedIds === 0 ? null : await newestIds(table, engine, rememberedIds),
  })
}

/**
 * Judges the rows of a table of events between decoding and the tail: what can't be true is refused, what came before
 * is dropped, what is odd is flagged. All it knows is a function of the log up to here, instrument by instrument, and
 * is in the ledger of each snapshot: whoever reads on from there judges alike.
 */
export class Inspector {
  readonly #options: InspectorOptions
  readonly #gapWatch: GapWatch
  readonly #prices: PriceRules
  readonly #timeColumn: number
  readonly #exchangeColumn: number
  readonly #symbolColumn: number
  readonly #flagsColumn: number
  readonly #sequenceColumn: number
  readonly #idColumn: number
  readonly #sourceColumn: number
  readonly #sourceRowColumn: number
  /** By partition. */
  readonly #instruments: InstrumentMap<InstrumentWatch>[] = []
  readonly #feeds: Map<string, Feed>[] = []
  readonly #gaps: GapBudget[] = []
  /** Those whose state has changed since the last `takeChange`. */
  #changed: InstrumentWatch[] = []

  constructor(options: InspectorOptions) {
    const { definition, start, logger, largeGap } = options
    const names = batchColumnNames(definition)
    this.#options = options
    this.#gapWatch = new GapWatch(logger, largeGap)
    this.#prices = priceRules(definition)
    this.#timeColumn = names.indexOf(definition.partitionColumn)
    this.#exchangeColumn = names.indexOf('exchange')
    this.#symbolColumn = names.indexOf('symbol')
    this.#flagsColumn = names.indexOf('quality_flags')
    this.#sequenceColumn = names.indexOf('sequence_number')
    this.#idColumn = names.indexOf('message_id')
    this.#sourceColumn = names.indexOf('source')
    this.#sourceRowColumn = names.indexOf('source_row')
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
      timeProblem(this.#options.definition.partitionColumn, micros, appendedAtMicros) ??
      this.#prices.problem(rows, row)
    if (watch !== null && !watch.hasChanged) {
      watch.hasChanged = true
      this.#changed.push(watch)
    }
    if (problem !== null) {
      watch?.refuse(problem.reason)
      return problem
    }
    if (this.#cameBefore(rows, row, partition)) {
      if (watch !== null) watch.duplicates++
      return 'duplicate'
    }
    const all = rows.ints[this.#flagsColumn]!
    const given = all[row]! & PRODUCER_FLAGS
    const own = given | this.#prices.flags(rows, row)
    if (watch === null) {
      all[row] = own
      return null
    }
    all[row] =
      own |
      watch.prices.observe(this.#prices.price(rows, row)) |
      this.#sequenceFlags(watch, rows, row, given, micros, appendedAtMicros) |
      this.#silenceFlag(watch.feed, micros)
    watch.accept(micros)
    if (micros > watch.feed.newestMicros) watch.feed.newestMicros = micros
    return null
  }

  /** What has changed since the last time. `conflict` when a gap is too large to go on. */
  takeChange(): Omit<Ledger, 'lastRecords'> {
    const changed = this.#changed
    this.#changed = []
    const revealed: RevealedGap[] = []
    const filledGaps: FilledGap[] = []
    let givenUp = 0
    for (const watch of changed) {
      const gaps = watch.takeGaps()
      for (const gap of gaps.revealed) revealed.push(gap)
      for (const gap of gaps.filled) filledGaps.push(gap)
      givenUp += gaps.givenUp
    }
    this.#gapWatch.givenUp(givenUp)
    this.#gapWatch.revealed(revealed)
    return {
      instruments: changed.map((watch) => watch.state()),
      feeds: [...new Set(changed.map((watch) => watch.feed))].map((feed) => ({ ...feed })),
      filledGaps,
    }
  }

  /** Remembers the row's message id if not. */
  #cameBefore(rows: BatchBuilder, row: number, partition: number): boolean {
    const { deduplicator } = this.#options
    if (deduplicator === null) return false
    const id = this.#messageId(rows, row)
    if (id === null) return false
    if (deduplicator.has(partition, id)) return true
    deduplicator.add(partition, id)
    return false
  }

  /** As the table will have it: after a restart its ids are read from there. Null: nothing tells the row from others. */
  #messageId(rows: BatchBuilder, row: number): string | null {
    // An empty text names nothing.
    if (!rows.isNull(this.#idColumn, row)) return rows.text(this.#idColumn, row) || null
    if (rows.isNull(this.#sourceRowColumn, row)) return null
    return `${rows.text(this.#sourceColumn, row)}:${rows.bigint(this.#sourceRowColumn, row)}`
  }

  #sequenceFlags(
    { sequence }: InstrumentWatch,
    rows: BatchBuilder,
    row: number,
    given: number,
    micros: number,
    appendedAtMicros: number,
  ): number {
    if ((given & COUNTED) === 0 || rows.isNull(this.#sequenceColumn, row)) return 0
    const numbers = rows.halves[this.#sequenceColumn]!
    const low = numbers[row * 2]!
    const high = numbers[row * 2 + 1]!
    return given & QualityFlag.contiguousSequence
      ? sequence.observeContiguous(low, high, micros, appendedAtMicros)
      : sequence.observeMonotone(low, high, micros)
  }

  /** Whether the feed was silent for long while its market was open, until this row. */
  #silenceFlag({ exchange, newestMicros }: Feed, micros: number): number {
    if (micros - newestMicros <= SILENCE_MICROS || newestMicros === Number.MIN_SAFE_INTEGER) return 0
    const { openMicros, closeMicros } = this.#options.sessions.session(exchange, micros)
    const silentSince = Math.max(newestMicros, openMicros)
    return micros - silentSince > SILENCE_MICROS && micros < closeMicros ? QualityFlag.afterSilence : 0
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
      newestMicros: null,
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
    const sessionDayOf = (micros: number) => this.#options.sessions.session(start.exchange, micros).day
    this.#gaps[start.partition] ??= new GapBudget()
    const watch = new InstrumentWatch(feed, start, sessionDayOf, this.#gaps[start.partition]!)
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
