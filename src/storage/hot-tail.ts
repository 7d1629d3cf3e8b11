import {
  type AddedColumn,
  assert,
  type Clock,
  covers,
  type InstrumentState,
  type Ledger,
  type OffsetVector,
  sameColumns,
  sameVector,
  type TableDefinition,
  TicklakeError,
} from '#core'
import type { TableEngine } from '#engine'
import { TableLedger } from './ledger.js'
import type { LogRows } from './table.js'
import { TailSegment } from './tail-segment.js'

/** While the reader keeps up with the log, rows become visible at the latest this long after they were appended. */
const PUBLISH_AFTER_MS = 12
/**
 * While it catches up, so many rows become visible together: a row group of DuckDB, which an appender's flush hands
 * over as it is (0.3 µs a row) where it copies a smaller one twice (0.7 µs a row).
 */
const PUBLISH_ROWS = 122_880
/** Sealed segments that may wait for their flush before appends wait. */
const MAX_SEALED_SEGMENTS = 2

export interface FlushPolicy {
  readonly rows: number
  readonly bytes: number
  readonly ageMs: number
}

export interface HotTailOptions {
  readonly definition: TableDefinition
  readonly engine: TableEngine
  readonly clock: Clock
  readonly policy: FlushPolicy
  /** Where the newest snapshot ends, and so the tail begins. */
  readonly start: OffsetVector
  /** Newest event times by exchange up to there. */
  readonly watermarks: ReadonlyMap<string, bigint>
  /** The ledger up to there. */
  readonly ledger: Ledger
  /** A segment was sealed: flush it, then call `committed`. */
  readonly onSealed: () => void
}

/**
 * The rows that no snapshot holds yet: sealed segments that wait for their flush, oldest first, and one open
 * segment. Every segment begins where the one before it ends, so together they are the log from the newest
 * snapshot's vector to the visible end, with no row missing and none twice.
 */
export class HotTail {
  readonly #options: HotTailOptions
  #open: TailSegment
  /** What the next segments have besides the definition's columns. */
  #added: readonly AddedColumn[] = []
  #next: Promise<(start: OffsetVector) => TailSegment>
  #sealed: readonly TailSegment[] = []
  #segmentCount = 1
  #watermarks: ReadonlyMap<string, bigint>
  #appendedWatermarks: ReadonlyMap<string, bigint>
  readonly #ledger: TableLedger
  #cancelPublish: (() => void) | null = null
  #cancelAge: (() => void) | null = null
  #waiters: (() => void)[] = []
  #failure: Error | null = null

  private constructor(options: HotTailOptions, first: TailSegment) {
    this.#options = options
    this.#open = first
    this.#next = this.#prepare()
    this.#watermarks = options.watermarks
    this.#appendedWatermarks = options.watermarks
    this.#ledger = new TableLedger(options.ledger)
  }

  static async open(options: HotTailOptions): Promise<HotTail> {
    const { definition, engine, start } = options
    const first = await TailSegment.prepare(`tail_${definition.name}_0`, definition, [], engine)
    return new HotTail(options, first(start))
  }

  /** Where the visible rows end. */
  get end(): OffsetVector {
    return this.#open.end
  }

  /** Where the rows end that were taken, visible or not. */
  get appendedEnd(): OffsetVector {
    return this.#open.appendedEnd
  }

  /** Where the sealed rows end. */
  get sealedEnd(): OffsetVector {
    return this.#open.start
  }

  /** Newest event time by exchange among all rows up to `end`. */
  get watermarks(): ReadonlyMap<string, bigint> {
    return this.#watermarks
  }

  /** By `instrumentKey`, as of the visible rows. */
  get instruments(): ReadonlyMap<string, InstrumentState> {
    return this.#ledger.instruments
  }

  /** Of all of them. */
  get acceptedRows(): number {
    return this.#ledger.acceptedRows
  }

  get withOpenGaps(): readonly InstrumentState[] {
    return this.#ledger.withOpenGaps
  }

  get sealed(): readonly TailSegment[] {
    return this.#sealed
  }

  /** Rows that were taken and are in no snapshot yet, visible or not. */
  get rowCount(): number {
    return this.#all().reduce((sum, segment) => sum + segment.appendedRowCount, 0)
  }

  /** Bytes of their columns. */
  get sizeBytes(): number {
    return this.#all().reduce((sum, segment) => sum + segment.sizeBytes, 0)
  }

  /** How full it is, 0 to 1: appends wait at 1. */
  get fill(): number {
    const { rows, bytes } = this.#options.policy
    const open = Math.min(1, Math.max(this.#open.appendedRowCount / rows, this.#open.sizeBytes / bytes))
    return Math.min(1, (this.#sealed.length + open) / MAX_SEALED_SEGMENTS)
  }

  /** Segments with visible rows, oldest first. */
  segments(): readonly TailSegment[] {
    return this.#all().filter((segment) => segment.rowCount > 0)
  }

  #all(): readonly TailSegment[] {
    return [...this.#sealed, this.#open]
  }

  /**
   * Takes rows; waits while too many sealed segments are unflushed. Aborting the signal ends the wait with its reason:
   * nothing was taken then. One caller at a time.
   */
  async append(
    rows: LogRows | null,
    next: OffsetVector,
    more: boolean,
    signal: AbortSignal | null = null,
  ): Promise<void> {
    await this.#room(signal)
    if (rows && rows.batch.rowCount > 0) await this.#begin(rows.batch.added, signal)
    this.#open.append(rows, next)
    if (rows) {
      this.#appendedWatermarks = newest(this.#appendedWatermarks, rows.watermarks)
      this.#ledger.append(rows.ledger)
    }
    if (this.#open.unflushedRowCount >= PUBLISH_ROWS) this.publish()
    else if (!more)
      this.#cancelPublish ??= this.#options.clock.after(PUBLISH_AFTER_MS, () => this.#publishInTime())
    const { rows: maxRows, bytes, ageMs } = this.#options.policy
    if (this.#open.appendedRowCount >= maxRows || this.#open.sizeBytes >= bytes) await this.seal()
    else this.#cancelAge ??= this.#options.clock.after(ageMs, () => this.#sealByAge())
  }

  async #room(signal: AbortSignal | null): Promise<void> {
    await this.#until(() => this.#sealed.length < MAX_SEALED_SEGMENTS, signal)
    if (this.#failure) throw this.#failure
  }

  /** Makes the open segment one whose rows have these columns besides the definition's. */
  async #begin(added: readonly AddedColumn[], signal: AbortSignal | null): Promise<void> {
    while (!sameColumns(this.#open.added, added)) {
      if (!sameColumns(this.#added, added)) {
        this.#added = added
        const other = this.#next
        this.#next = this.#prepare()
        const drop = (start: (at: OffsetVector) => TailSegment) => this.#drop(start(this.#open.end))
        // What failed to be made is not there to be dropped.
        await other.then(drop, () => {})
      }
      await this.seal()
      await this.#room(signal)
    }
  }

  /** Makes all appended rows visible. Synchronous. */
  publish(): void {
    this.#cancelPublish?.()
    this.#cancelPublish = null
    this.#open.publish()
    this.#watermarks = this.#appendedWatermarks
    this.#ledger.publish()
    this.#wake()
  }

  /** Ends the open segment, if it holds anything or has other columns than the next one, and begins that. */
  async seal(): Promise<void> {
    const next = this.#next
    const startAnother = await next
    // From here on synchronous: no append can come between. Another seal may have, while this one waited.
    if (next !== this.#next) return
    this.#cancelAge?.()
    this.#cancelAge = null
    const ended = this.#open
    const isEmpty = sameVector(ended.appendedEnd, ended.start)
    if (isEmpty && sameColumns(ended.added, this.#added)) return
    if (isEmpty) this.#drop(ended)
    else {
      this.publish()
      ended.seal(this.#watermarks, this.#ledger.seal())
      this.#sealed = [...this.#sealed, ended]
    }
    this.#open = startAnother(ended.end)
    this.#next = this.#prepare()
    if (!isEmpty) this.#options.onSealed()
  }

  /** The oldest sealed segment is in a snapshot now. Call it in the turn in which that snapshot is published. */
  committed(segment: TailSegment): void {
    assert(this.#sealed[0] === segment, 'segments are committed in the order of the log')
    this.#sealed = this.#sealed.slice(1)
    this.#wake()
  }

  /** Appends fail from now on. */
  fail(error: Error): void {
    this.#failure = error
    this.#wake()
  }

  /** A flush failed and will be tried again: tells those who wait for it. */
  flushFailed(): void {
    this.#wake()
  }

  /** Resolves when the visible rows reach the vector. Aborting the signal ends the wait with its reason. */
  visible(offsets: OffsetVector, signal: AbortSignal): Promise<void> {
    return this.#until(() => covers(this.end, offsets), signal)
  }

  /** Resolves when the visible rows lie beyond the vector in any partition. Aborting the signal ends the wait with its reason. */
  beyond(offsets: OffsetVector, signal: AbortSignal): Promise<void> {
    return this.#until(() => !covers(offsets, this.end), signal)
  }

  /** Resolves at the next publish, commit or failed flush. */
  changed(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve))
  }

  /** Drops everything that is in memory. Uncommitted rows are still in the log; whoever waits for them hears of it. */
  async close(): Promise<void> {
    this.fail(this.#failure ?? new TicklakeError('unavailable', 'the table is stopping'))
    this.#cancelPublish?.()
    this.#cancelAge?.()
    try {
      this.#open.seal(this.#watermarks, null)
    } catch {
      // Its rows could not be published, which those who waited for them were told: it goes as it is.
    }
    this.#drop((await this.#next)(this.#open.end))
    for (const segment of [...this.#sealed, this.#open]) segment.retire()
    await this.#options.engine.dropped()
  }

  /** Lets a segment go that has no rows. */
  #drop(unused: TailSegment): void {
    unused.seal(this.#watermarks, null)
    unused.retire()
  }

  /** DuckDB may have no memory left: nobody awaits a timer, so that its error must not leave this call. */
  #publishInTime(): void {
    try {
      this.publish()
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)))
    }
  }

  /** Waits for something to hold; throws when the tail fails or the signal aborts before. */
  async #until(holds: () => boolean, signal: AbortSignal | null): Promise<void> {
    const wake = () => this.#wake()
    signal?.addEventListener('abort', wake, { once: true })
    try {
      while (!holds()) {
        signal?.throwIfAborted()
        if (this.#failure) throw this.#failure
        await this.changed()
      }
    } finally {
      signal?.removeEventListener('abort', wake)
    }
  }

  #sealByAge(): void {
    this.#cancelAge = null
    if (this.#sealed.length < MAX_SEALED_SEGMENTS) this.seal().catch((error) => this.fail(error))
    else this.#cancelAge = this.#options.clock.after(this.#options.policy.ageMs, () => this.#sealByAge())
  }

  #prepare(): Promise<(start: OffsetVector) => TailSegment> {
    const { definition, engine } = this.#options
    const prepared = TailSegment.prepare(
      `tail_${definition.name}_${this.#segmentCount++}`,
      definition,
      this.#added,
      engine,
    )
    // Awaited by the next seal, which may be minutes away: a failure must not count as unhandled until then.
    prepared.catch(() => {})
    return prepared
  }

  #wake(): void {
    for (const waiter of this.#waiters.splice(0)) waiter()
  }
}

/** Per exchange the later of two times; the first map itself when nothing is newer. */
function newest(
  known: ReadonlyMap<string, bigint>,
  seen: ReadonlyMap<string, bigint>,
): ReadonlyMap<string, bigint> {
  const newer = [...seen].filter(([exchange, micros]) => micros > (known.get(exchange) ?? micros - 1n))
  return newer.length === 0 ? known : new Map([...known, ...newer])
}
