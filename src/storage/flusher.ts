import { AssertionError } from 'node:assert'
import { type Clock, type Logger, TicklakeError } from '#core'
import type { HotTail } from './hot-tail.js'
import type { Summary } from './iceberg/snapshot.js'
import type { PreparedFiles } from './prepare.js'
import type { FlushCounts } from './table.js'
import type { FileNames } from './table-head.js'
import type { TailSegment } from './tail-segment.js'

/** Waits between attempts to flush a segment, doubled each time. */
const FIRST_RETRY_MS = 500
const LAST_RETRY_MS = 30_000
const MAY_PASS: ReadonlySet<string> = new Set(['unavailable', 'timeout', 'gone'])

/** What is durable of a segment before its commit. */
export interface PreparedSegment extends PreparedFiles {
  /** Keys of ours for the snapshot's summary that name other files. */
  readonly summary: Summary
  /** Of the files: held until they are committed. */
  readonly names: FileNames
}

export interface FlusherOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** Writes a segment's files, durably; they are in no snapshot yet. */
  readonly prepare: (segment: TailSegment) => Promise<PreparedSegment>
  /** Commits the files, and takes the segment out of the tail in the same turn in which it publishes the snapshot. */
  readonly commit: (segment: TailSegment, prepared: PreparedSegment) => Promise<void>
}

/**
 * Brings sealed segments into snapshots, oldest first, one at a time. A failure that may pass (a full disk) is tried
 * again, with the files that were already written, unless their partition spec has gone; meanwhile the tail fills up
 * and appends wait. One that cannot pass (the table's vector is not where the segment begins, an invariant does not
 * hold) fails the tail.
 */
export class Flusher {
  readonly #options: FlusherOptions
  #running: Promise<void> | null = null
  #stopping = false
  #wakeFromRetry: (() => void) | null = null
  #lastFailure: Error | null = null
  readonly #counts = { segments: 0, rows: 0, failures: 0, writeMs: 0, commitMs: 0 }

  constructor(options: FlusherOptions) {
    this.#options = options
  }

  /** Why the newest attempt failed, or null when it succeeded. */
  get lastFailure(): Error | null {
    return this.#lastFailure
  }

  get counts(): FlushCounts {
    return { ...this.#counts, lastFailure: this.#lastFailure }
  }

  /** Whether it has given up: what is sealed now will not be committed by this process. */
  get hasGivenUp(): boolean {
    return this.#stopping
  }

  /** Works until the tail has no sealed segment left. Called again while it works, it changes nothing. */
  flushSealed(tail: HotTail): void {
    this.#running ??= this.#flushAll(tail).finally(() => {
      this.#running = null
      // Sealed after the last look and before this turn.
      if (tail.sealed.length > 0 && !this.#stopping) this.flushSealed(tail)
    })
  }

  /** Ends after the segment in work; what is left is still in the log. */
  async stop(): Promise<void> {
    this.#stopping = true
    this.#wakeFromRetry?.()
    await this.#running
  }

  async #flushAll(tail: HotTail): Promise<void> {
    for (let segment = tail.sealed[0]; segment && !this.#stopping; segment = tail.sealed[0]) {
      await this.#flush(tail, segment)
    }
  }

  async #flush(tail: HotTail, segment: TailSegment): Promise<void> {
    let prepared: PreparedSegment | null = null
    for (let delayMs = FIRST_RETRY_MS; !this.#stopping; delayMs = Math.min(delayMs * 2, LAST_RETRY_MS)) {
      try {
        prepared ??= await this.#timed('writeMs', this.#options.prepare(segment))
        await this.#timed('commitMs', this.#options.commit(segment, prepared))
        this.#counts.segments++
        this.#counts.rows += segment.rowCount
        this.#lastFailure = null
        return
      } catch (error) {
        if (prepared && isGone(error)) {
          // Another engine has removed the spec that the files were written by.
          prepared.names.release()
          prepared = null
        }
        await this.#afterFailure(tail, error instanceof Error ? error : new Error(String(error)), delayMs)
      }
    }
  }

  async #timed<T>(count: 'writeMs' | 'commitMs', work: Promise<T>): Promise<T> {
    const { clock } = this.#options
    const startedMs = clock.monotonicMs()
    try {
      return await work
    } finally {
      this.#counts[count] += clock.monotonicMs() - startedMs
    }
  }

  async #afterFailure(tail: HotTail, error: Error, delayMs: number): Promise<void> {
    this.#lastFailure = error
    this.#counts.failures++
    const final =
      error instanceof AssertionError || (error instanceof TicklakeError && !MAY_PASS.has(error.code))
    const { logger, clock } = this.#options
    logger.error(final ? 'flush failed for good' : 'flush failed; it is tried again', {
      error: error.message,
      delay_ms: delayMs,
    })
    if (final) {
      this.#stopping = true
      tail.fail(error)
      return
    }
    tail.flushFailed()
    await new Promise<void>((resolve) => {
      const cancel = clock.after(delayMs, resolve)
      this.#wakeFromRetry = () => {
        cancel()
        resolve()
      }
    })
  }
}

function isGone(error: unknown): boolean {
  return error instanceof TicklakeError && error.code === 'gone'
}
