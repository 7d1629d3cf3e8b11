import { TicklakeError } from '#core'
import type { AnswerCache, FoundRows, FreshRows } from './cache/answer-cache.js'
import type { CachedRows } from './cache/cached-rows.js'
import type { LayerName } from './cache/layer.js'
import { joinRows } from './encodings/text-encoder.js'
import { sortedRows } from './estimate.js'
import { isText } from './field.js'
import { needOf, type QueryLimits } from './limits.js'
import type { ListReading } from './list-reading.js'
import { openPart } from './open-part.js'
import type { PagePosition } from './page-token.js'
import type { Plan, PlannedPart } from './plan.js'
import type { Order } from './request.js'
import { RowData } from './row-data.js'
import type { PageRows, ReadRows, RowReader } from './row-reader.js'
import type { Scan } from './scan.js'
import type { Slice } from './slice.js'

/** Rows, and where they came from. */
export interface ReadList {
  readonly rows: ReadRows
  /** What was read for them from the tables. */
  readonly scans: readonly Scan[]
  /** The farthest layer that had some of them; null: none. */
  readonly layer: LayerName | null
}

/** The same of a page. */
export interface ReadPage extends ReadList {
  readonly rows: PageRows
  /** Absent: nothing was cut. */
  readonly cut?: Cut
}

/** Where a page ends early: the rows are those before a part that could not be read now. */
export interface Cut {
  readonly before: Slice
  /** As if a row had been there that comes before all rows of that part. */
  readonly end: PagePosition
  /** Why it could not. */
  readonly reason: string
}

/** Reads the parts of a page, those that are kept from the cache. */
export class PartReader {
  readonly #reader: RowReader
  readonly #cache: AnswerCache
  readonly #limits: QueryLimits

  constructor(reader: RowReader, cache: AnswerCache, limits: QueryLimits) {
    this.#reader = reader
    this.#cache = cache
    this.#limits = limits
  }

  async read(plan: Plan, from: ListReading, limit: number): Promise<ReadPage> {
    const { encoding } = from.options
    const bytes: Uint8Array[] = []
    const scans: Scan[] = []
    let layer: LayerName | null = null
    let rowCount = 0
    let columns: CachedRows['columns'] = null
    let end: PagePosition | null = null
    let hasMore = false
    let cut: Cut | undefined
    for (const [index, part] of plan.parts.entries()) {
      const found = await this.#part(part, from, limit - rowCount).catch((error: unknown): Cut => {
        const { slice: before } = part
        const { byDay } = from.at
        // What was read until then is worth having, if only it says where it ends.
        if (index === 0 || rowCount === 0 || !isOfNow(error) || !byDay || !before) throw error
        if (beginsTime(before, byDay.order)) throw error
        return { before, end: byDay.endBefore(before), reason: error.message }
      })
      if ('reason' in found) {
        cut = found
        end = found.end
        hasMore = true
        break
      }
      if (found.layer === null) scans.push(found.scan)
      else if (layer !== 'redis') layer = found.layer
      bytes.push(found.rows.bytes)
      rowCount += found.rows.rowCount
      ;({ columns, hasMore } = found.rows)
      end = found.rows.end ?? end
      if (hasMore) break
    }
    const data = RowData.of(isText(encoding) ? joinRows(bytes, encoding) : bytes)
    return { rows: { data, columns, rowCount, end, hasMore }, scans, layer, ...(cut && { cut }) }
  }

  async #part(part: PlannedPart, from: ListReading, limit: number): Promise<FoundRows> {
    const { pinned, options } = from
    if (part.key === null || !part.isSettled || options.encoding === 'parquet') {
      return { ...(await this.#fresh(part, from, limit, options.signal)), layer: null }
    }
    const read = async (signal: AbortSignal) => {
      // Others may go on waiting when whoever began it has left.
      const release = pinned.retain()
      try {
        return await this.#fresh(part, from, limit, signal)
      } finally {
        release()
      }
    }
    return this.#cache.get(`${part.key}/${limit}`, read, options.signal)
  }

  async #fresh(
    part: PlannedPart,
    from: ListReading,
    limit: number,
    signal: AbortSignal | undefined,
  ): Promise<FreshRows> {
    const { list, at, after, options } = from
    const page = { limit, after, unique: list.isUnique ?? isAlwaysUnique }
    const { encoding } = options
    const reading = { ...from.reading, limit, signal }
    const source = await openPart(part, from, reading)
    try {
      const { scan } = source
      const need = needOf(scan, { beside: from.beside, ...(at.holdsPage && { heldRows: sortedRows(limit) }) })
      const { data, ...read } = await this.#limits.run(need, signal, async () => {
        const statement = await source.statement(reading)
        return this.#reader.page(statement, page, { encoding, ...(signal && { signal }) })
      })
      return { rows: { ...read, bytes: await data.bytes() }, scan }
    } finally {
      source.release()
    }
  }
}

const isAlwaysUnique = () => true

/** Newest first, rows without a time come before all others: until they are read, nothing of the time is covered. */
function beginsTime(slice: Slice, order: Order): boolean {
  return order === 'desc' && !('isTimeless' in slice) && slice.toMicros === null
}

/** True when the same may be read at another time. */
function isOfNow(error: unknown): error is TicklakeError {
  return error instanceof TicklakeError && ['timeout', 'overloaded', 'unavailable'].includes(error.code)
}
