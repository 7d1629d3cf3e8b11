import {
  batchColumn,
  type Clock,
  CORRECTIONS,
  type ColumnBatch,
  QUARANTINE,
  QUARANTINE_REASONS,
  QUOTES,
  type StringColumn,
  TRADES,
} from '#core'
import type { RecordBatch } from './log/log.js'
import { cellText } from './string-cells.js'

/** Refused records that were meant for one table, for one reason. */
export interface Refusals {
  readonly table: string
  readonly reason: string
  readonly count: number
}

/** By topic, the tables that records are meant for. */
const TABLES = new Map([TRADES, QUOTES, QUARANTINE, CORRECTIONS].map(({ topic, name }) => [topic, name]))
const REASONS: ReadonlySet<string> = new Set(QUARANTINE_REASONS)
/** What foreign writers put into the quarantine may say anything; it must not make a metric of each. */
const OTHER = 'other'

/** What a consumer has read since the process began, in numbers that cost nothing to keep. */
export class ConsumerProgress {
  readonly #clock: Clock
  #rows = 0
  #duplicates = 0
  readonly #refusals = new Map<string, Refusals>()
  readonly #beganMs: number
  /** Wall time: everything that was in the log at that time has been read. Null before the first read. */
  #readUpToMs: number | null = null

  constructor(clock: Clock) {
    this.#clock = clock
    this.#beganMs = clock.nowMs()
  }

  /** Rows taken. Those that no snapshot held at the last stop are taken again, and counted in each process. */
  get rows(): number {
    return this.#rows
  }

  /** Records dropped because their message id came before. */
  get duplicates(): number {
    return this.#duplicates
  }

  /** Of what was read from the quarantine topic, where all that is refused ends up, whoever refused it. */
  get refusals(): readonly Refusals[] {
    return [...this.#refusals.values()]
  }

  /**
   * At most this long ago came the oldest record that has not been read, given that there is one. Before the first
   * read, that is not known: it is the time since the start.
   */
  get behindMs(): number {
    return Math.max(0, this.#clock.nowMs() - (this.#readUpToMs ?? this.#beganMs))
  }

  /** There is nothing left to read. */
  reachedEnd(): void {
    this.#readUpToMs = this.#clock.nowMs()
  }

  /** Records were read, and became these rows, but for so many that came before. */
  took(batches: readonly RecordBatch[], rows: ColumnBatch, duplicates = 0): void {
    for (const { appendedAtMicros } of batches) {
      this.#readUpToMs = Math.max(this.#readUpToMs ?? 0, Number(appendedAtMicros / 1000n))
    }
    this.#rows += rows.rowCount
    this.#duplicates += duplicates
    if (rows.definition !== QUARANTINE) return
    const topic = batchColumn(rows, 'topic', 'string')
    const reason = batchColumn(rows, 'reason', 'string')
    for (let row = 0; row < rows.rowCount; row++) this.#refused(topic, reason, row)
  }

  #refused(topics: StringColumn, reasons: StringColumn, row: number): void {
    const table = TABLES.get(cellText(topics, row)) ?? OTHER
    const given = cellText(reasons, row)
    const reason = REASONS.has(given) ? given : OTHER
    const key = `${table} ${reason}`
    this.#refusals.set(key, { table, reason, count: (this.#refusals.get(key)?.count ?? 0) + 1 })
  }
}
