import type { PinnedVersion, RollupTable } from '#storage'
import { type AnswerOptions, type QueryEngine, runStatement } from './answer.js'
import { barRows, barSelectionAfter, barsStatement, utcDaysStatement } from './bars.js'
import { type LocalDay, localDays, utcDaysOf } from './calendar.js'
import type { PagePosition } from './page-token.js'
import type { BarsRequest } from './request.js'
import { rolledBarRows } from './rolled-bars.js'
import { planRolled } from './rolled-scan.js'
import { rollupsFor } from './rollup-choice.js'
import type { ReadRows, RowReader } from './row-reader.js'
import { planScan, rowFilter, type Scan } from './scan.js'

/** What was read, and the rows. */
export interface Reading {
  readonly scan: Scan
  readonly rows: ReadRows
}

export interface BarReaderOptions {
  readonly engine: QueryEngine
  readonly reader: RowReader
  readonly rollups: readonly RollupTable[]
}

/** Reads bars of a version that is held: from a rollup what one has of them, and the rest from rows. */
export class BarReader {
  readonly #options: BarReaderOptions

  constructor(options: BarReaderOptions) {
    this.#options = options
  }

  async read(
    request: BarsRequest,
    pinned: PinnedVersion,
    after: PagePosition | null,
    options: AnswerOptions,
  ): Promise<Reading> {
    return (
      (await this.#rolled(request, pinned, after, options)) ??
      (await this.#raw(request, pinned, after, options))
    )
  }

  /** Null: there is no rollup that would do. */
  async #rolled(
    request: BarsRequest,
    pinned: PinnedVersion,
    after: PagePosition | null,
    options: AnswerOptions,
  ): Promise<Reading | null> {
    const selection = barSelectionAfter(request, after)
    const utcDays = request.timeZone === 'UTC' ? [] : utcDaysOf(selection)
    // Which days there are would have to be looked up in all rows.
    if (utcDays === null) return null
    const days =
      request.timeZone === 'UTC' ? null : await localDays(request.timeZone, utcDays, options.signal)
    for (const { table, columns } of rollupsFor(this.#options.rollups, request, days)) {
      const view = await table.pin(pinned)
      if (view === null) continue
      let isHeld = false
      try {
        const rolled = await planRolled(pinned, view, table.definition, selection)
        if (rolled === null) continue
        const events = rolledBarRows(request, rolled, columns, after)
        const context = { days, watermarks: pinned.watermarks }
        const statement = barsStatement(request, events, context, after, options.encoding)
        const rows = await this.#options.reader.read(statement, pageOf(request, after), options)
        isHeld = rows.data.isStreamed
        if (isHeld) rows.data.onClose(() => view.release())
        return { scan: rolled.scan, rows }
      } finally {
        if (!isHeld) view.release()
      }
    }
    return null
  }

  async #raw(
    request: BarsRequest,
    pinned: PinnedVersion,
    after: PagePosition | null,
    options: AnswerOptions,
  ): Promise<Reading> {
    const scan = await planScan(pinned, rowFilter(barSelectionAfter(request, after)))
    const days = await this.#calendar(request, scan, after, options)
    const context = { days, watermarks: pinned.watermarks }
    const statement = barsStatement(request, barRows(request, scan, after), context, after, options.encoding)
    return { scan, rows: await this.#options.reader.read(statement, pageOf(request, after), options) }
  }

  /** The local days that hold a selection's events; null for UTC, whose days need no list. */
  async #calendar(
    request: BarsRequest,
    scan: Scan,
    after: PagePosition | null,
    options: AnswerOptions,
  ): Promise<readonly LocalDay[] | null> {
    if (request.timeZone === 'UTC') return null
    const listed = utcDaysOf(barSelectionAfter(request, after))
    if (listed) return localDays(request.timeZone, listed, options.signal)
    const statement = utcDaysStatement(request, scan, after)
    const result = await runStatement(this.#options.engine, statement, options.signal)
    return localDays(request.timeZone, (result.columns[0] ?? []).map(Number), options.signal)
  }
}

function pageOf({ limit }: BarsRequest, after: PagePosition | null) {
  return { limit, after, unique: () => true }
}
