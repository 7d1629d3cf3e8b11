import { invalid, TicklakeError } from '#core'
import { type Estimate, estimateOf, memoryBytes, READING_BYTES } from './estimate.js'
import type { Headroom, Shortage } from './headroom.js'
import { type Capacity, type Claim, Places, type Rank, reserved } from './places.js'
import type { RowData } from './row-data.js'
import { NOTHING, type Scan } from './scan.js'

/** Bounds of all readings together. */
export interface LimitBounds {
  /** Readings at once. */
  readonly concurrent: number
  /** Of these, those that are not small; and so of the line and of the memory. */
  readonly large: number
  /** Of these, those whose rows are streamed to a client; and so of the line and of the memory. */
  readonly streamed: number
  /** Readings that wait. */
  readonly maxWaiting: number
  /** DuckDB's memory, as far as readings may count on it. One that needs more than its share spills to disk. */
  readonly memoryBytes: number
  /** A reading that is predicted to take longer is not small. */
  readonly smallMs: number
}

export interface QueryLimitsOptions extends LimitBounds {
  readonly headroom: Pick<Headroom, 'shortage'>
}

/** What a reading will need. */
export interface Need {
  readonly estimate: Estimate
  /** Most rows that its statements hold at once, to sort or to group them. */
  readonly heldRows: number
  /** Whether its rows are read as slowly as a client takes them. */
  readonly isStreamed: boolean
}

/** What else is known of statements over a scan. */
export interface Reads extends Partial<Omit<Need, 'estimate'>> {
  /** The most that they read of a second table. */
  readonly beside?: readonly Scan[]
}

/** The need of statements that read a scan, and hold all its rows unless something else is said. */
export function needOf(scan: Scan, { beside = [], ...differing }: Reads = {}): Need {
  const estimate = estimateOf(scan, ...beside)
  return { estimate, heldRows: Number.POSITIVE_INFINITY, isStreamed: false, ...differing }
}

/** What is known without reading tables is only written by the engine. */
export const NO_NEED: Need = needOf(NOTHING)

/** Why readings were refused. */
export type RefusalReason = 'line' | Shortage['of']

export interface LimitStatus {
  readonly running: Readonly<Record<Rank, number>>
  readonly waiting: Readonly<Record<Rank, number>>
  readonly reservedBytes: number
  /** Since the process began. */
  readonly refused: Readonly<Record<RefusalReason, number>>
  /** Readings that may run or wait, and how many more of the small ones would be taken now. */
  readonly most: number
  readonly free: number
}

/**
 * The one place where readings of tables are let in. Each claims a place and memory by its estimate, before its first
 * statement and until its last row; what is not small is refused while memory or disk are short. DuckDB's own limit
 * is for all statements together: what they claim stays below it, and what they use beyond is spilled.
 */
export class QueryLimits {
  readonly #options: QueryLimitsOptions
  readonly #capacities: Readonly<Record<Rank, Capacity>>
  /** Of a small reading, at most: so little that there is always enough, however many there are. */
  readonly #smallBytes: number
  readonly #places: Places
  readonly #refused: Record<RefusalReason, number> = { line: 0, memory: 0, disk: 0 }

  constructor(options: QueryLimitsOptions) {
    this.#options = options
    this.#capacities = capacitiesOf(options)
    this.#smallBytes = smallBytesOf(options)
    this.#places = new Places(this.#capacities)
  }

  /**
   * Reads when it is its turn. `overloaded` when too many wait, `unavailable` when there is no room for more than what is
   * small. Aborting the signal ends the wait with its reason.
   */
  async run<T>(need: Need, signal: AbortSignal | undefined, read: () => Promise<T>): Promise<T> {
    const leave = await this.#enter(need, signal)
    try {
      return await read()
    } finally {
      leave()
    }
  }

  /** The same of rows: those that are streamed have their place until they have been read, or are closed. */
  async rows<R extends { readonly data: RowData }>(
    need: Need,
    signal: AbortSignal | undefined,
    read: () => Promise<R>,
  ): Promise<R> {
    const leave = await this.#enter(need, signal)
    let isHeld = false
    try {
      const rows = await read()
      isHeld = rows.data.isStreamed
      if (isHeld) rows.data.onClose(leave)
      return rows
    } finally {
      if (!isHeld) leave()
    }
  }

  status(): LimitStatus {
    const { running, waiting } = this.#places
    const { concurrent, maxWaiting } = this.#options
    const most = concurrent + maxWaiting
    return {
      running: countsOf(running),
      waiting: countsOf(waiting),
      reservedBytes: reserved(running),
      refused: { ...this.#refused },
      most,
      free: Math.max(0, most - running.length - waiting.length),
    }
  }

  async #enter(need: Need, signal: AbortSignal | undefined): Promise<() => void> {
    if (!this.#isSmall(need)) await this.#requireHeadroom()
    try {
      return await this.#places.take(this.#claimOf(need), signal)
    } catch (error) {
      if (!(error instanceof TicklakeError)) throw error
      if (error.code === 'overloaded') this.#refused.line++
      if (error.code !== 'timeout') throw error
      const message = `${error.message}; it had not had its turn yet`
      throw new TicklakeError('timeout', message, { cause: error })
    }
  }

  #claimOf(need: Need): Claim {
    const rank = need.isStreamed ? 'streamed' : this.#isSmall(need) ? 'small' : 'large'
    const bytes = memoryBytes(need.estimate, need.heldRows)
    return { rank, bytes: Math.min(bytes, this.#capacities[rank].bytes) }
  }

  #isSmall({ estimate, heldRows }: Need): boolean {
    const { smallMs } = this.#options
    return estimate.predictedMs <= smallMs && memoryBytes(estimate, heldRows) <= this.#smallBytes
  }

  async #requireHeadroom(): Promise<void> {
    const shortage = await this.#options.headroom.shortage()
    if (!shortage) return
    this.#refused[shortage.of]++
    throw new TicklakeError('unavailable', `${shortage.message}: ask for less, or try again later`)
  }
}

/** The line and the memory are shared out as the places are. */
function capacitiesOf(bounds: LimitBounds): Readonly<Record<Rank, Capacity>> {
  const { concurrent, maxWaiting } = bounds
  const part = (places: number): Capacity => ({
    places,
    waiting: Math.ceil((maxWaiting * places) / concurrent),
    bytes: Math.floor((bounds.memoryBytes * places) / concurrent),
  })
  return { small: part(concurrent), large: part(bounds.large), streamed: part(bounds.streamed) }
}

/** What large readings leave, shared out among as many small ones as there are places. */
function smallBytesOf({ concurrent, large, memoryBytes }: LimitBounds): number {
  const share = (concurrent - large) / concurrent ** 2
  const least = Math.ceil((2 * READING_BYTES) / share)
  if (memoryBytes < least) {
    const why = `with less, no query of ${concurrent} at once, ${large} of them large, could be small`
    throw invalid('queries.memoryBytes', memoryBytes, `at least ${least}: ${why}`)
  }
  return memoryBytes * share
}

function countsOf(claims: readonly Claim[]): Readonly<Record<Rank, number>> {
  const count = (rank: Rank) => claims.filter((claim) => claim.rank === rank).length
  return { small: count('small'), large: count('large'), streamed: count('streamed') }
}
