import { dayOfMicros, formatMicros, type Logger, MICROS_PER_DAY, type TableLayout } from '#core'
import { daysOf } from '../file-days.js'
import { currentSnapshot, type TableMetadata } from '../iceberg/metadata.js'
import type { Snapshot } from '../iceberg/snapshot.js'
import type { Derivation } from '../maintenance/derivation.js'
import type { TaskRun } from '../maintenance/task.js'
import { predicatesOf } from '../predicates.js'
import type { PinnedVersion } from '../table.js'
import type { TableHead } from '../table-head.js'
import type { ReadableFile } from '../unnumbered-files.js'
import { auditBucket } from './audit.js'
import { ALL_DAYS, type DayRanges, hasDay, united, without } from './day-ranges.js'
import { daysWithRows } from './days-with-rows.js'
import { type RollupDefinition, rollupLayout, sourceDefinition } from './definition.js'
import { currentState, type RollupState } from './rollup-state.js'
import { type RollupView, viewOf } from './rollup-view.js'
import { type RollupOptions, RollupWriter, sourceFiles } from './rollup-writer.js'
import { changeIn, filesAdded, stretch } from './source-change.js'
import { mergedStates } from './states.js'

/** So many rows are taken in by one step: a rollup that is far behind catches up in several. */
const STEP_ROWS = 5_000_000
const NO_ROWS = { files: [], days: [] }

/** What a rollup counts since the process began. */
export interface RollupCounts {
  /** Attempts to follow the source that failed. */
  readonly failures: number
  /** Buckets that were compared with the rows of the source, and those that were not what these make. */
  readonly audits: number
  readonly mismatches: number
}

export interface RollupTableOptions extends RollupOptions {
  readonly logger: Logger
}

/** What a backfill has done. */
export interface BackfillReport {
  /** Days that were computed from the rows of the source. */
  readonly days: number
}

/** How a rollup is doing. */
export interface RollupStatus {
  /** The snapshot of the source that it reflects; null before it has begun. */
  readonly sourceSnapshotId: bigint | null
  /** Whether that is the newest. */
  readonly isCurrent: boolean
  /** Days that are read from the source: until they are computed, or until somebody asks. */
  readonly pending: DayRanges
  readonly quarantined: DayRanges
  readonly counts: RollupCounts
}

/** What an audit has found. */
export interface AuditReport {
  /** Buckets that were compared: one, or none when there is nothing to compare. */
  readonly buckets: number
  /** Of their states, those that are not what the rows make. */
  readonly differences: number
}

/**
 * Keeps a rollup abreast of its source: after each commit the states of the files that it added are added, so that a
 * bucket may have several, which readers merge. Days of which rows were changed or removed are pending until they have
 * been computed anew, as all are that were there before the rollup. It is never in the way of its source: what can't be
 * done now is logged, and done after the next commit or at the next start.
 */
export class RollupTable implements Derivation {
  readonly definition: RollupDefinition
  readonly layout: TableLayout
  readonly #options: RollupTableOptions
  readonly #writer: RollupWriter
  /** What is not taken in yet must not expire. */
  #release: (() => void) | null = null
  readonly #counts = { failures: 0, audits: 0, mismatches: 0 }
  /** After a failure, which may have been a success. */
  #isUncertain = false
  #isWaiting = false
  #work: Promise<unknown> = Promise.resolve()

  constructor(options: RollupTableOptions) {
    this.definition = options.definition
    this.layout = rollupLayout(options.definition)
    this.#options = options
    this.#writer = new RollupWriter(options)
  }

  get head(): TableHead {
    return this.#options.head
  }

  /** Which rows of the source it holds; null before it has begun. */
  get state(): RollupState | null {
    return currentState(this.head.metadata)
  }

  status(): RollupStatus {
    const { state } = this
    const newest = this.#options.source.metadata.currentSnapshotId
    return {
      sourceSnapshotId: state?.source ?? null,
      isCurrent: newest === (state?.source ?? null),
      pending: state?.pending ?? [],
      quarantined: state?.quarantined ?? [],
      counts: { ...this.#counts },
    }
  }

  get isPending(): boolean {
    return (this.state?.pending.length ?? 0) > 0
  }

  merged(relation: string): string {
    return `(${mergedStates(this.definition, relation)})`
  }

  /** What it has for a version of its source that is held; null: nothing. Release it before the version. */
  pin(source: PinnedVersion): Promise<RollupView | null> {
    return viewOf(this.#options, source)
  }

  /** Takes in what the source has committed, soon. Returns at once. */
  follow(): void {
    this.#hold()
    if (this.#isWaiting) return
    this.#isWaiting = true
    void this.#inTurn(() => {
      this.#isWaiting = false
      return this.#catchUp()
    })
  }

  /** Resolves when all that was followed is committed, or has failed to be. */
  async settled(): Promise<void> {
    await this.#work
  }

  /** Computes the pending days, newest first; those of `again` too, whatever state they are in. */
  async backfill({ signal, progress }: TaskRun, again: DayRanges = []): Promise<BackfillReport> {
    await this.#inTurn(async () => {
      await this.#catchUp()
      const { state } = this
      if (state === null || again.length === 0) return
      const quarantined = without(state.quarantined, again)
      await this.#writer.append(NO_ROWS, { ...state, quarantined, pending: united(state.pending, again) })
    })
    let done = 0
    for (;;) {
      const days = await this.#inTurn(() => this.#pendingDays())
      if (days.length === 0) return { days: done }
      for (const [index, day] of days.entries()) {
        signal.throwIfAborted()
        progress(done, done + days.length - index)
        await this.#inTurn(() => this.#compute(day, signal))
        done++
      }
      progress(done, done)
    }
  }

  /** Compares a bucket that is drawn with the rows of the source. The day of one that differs is read from these from then on. */
  audit(): Promise<AuditReport> {
    return this.#inTurn(async () => {
      const { state } = this
      const { logger, head } = this.#options
      const audited = state && (await auditBucket(this.#options, state, head.context.random))
      if (!state || !audited) return { buckets: 0, differences: 0 }
      this.#counts.audits++
      const { micros, differences } = audited
      if (differences > 0) {
        this.#counts.mismatches++
        const day = dayOfMicros(micros)
        logger.error('a rollup is not what its source makes; the day is read without it', {
          rollup: this.definition.name,
          bucket: formatMicros(micros),
          differences,
        })
        const quarantined = united(state.quarantined, [[day, day]])
        await this.#writer.append(NO_ROWS, { ...state, quarantined })
      }
      return { buckets: 1, differences }
    })
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#work.then(work)
    this.#work = done.catch(() => {})
    return done
  }

  #hold(): void {
    const { state } = this
    if (state === null) return
    const release = this.#options.source.hold(state.source)
    this.#release?.()
    this.#release = release
  }

  async #catchUp(): Promise<void> {
    const { logger } = this.#options
    try {
      if (this.#isUncertain) await this.head.reload()
      this.#isUncertain = false
      while (await this.#step()) this.#hold()
      this.#hold()
    } catch (error) {
      this.#isUncertain = true
      this.#counts.failures++
      // One that is broken must not keep the source's old snapshots for ever: it may have to begin anew.
      this.#release?.()
      this.#release = null
      logger.error('a rollup could not be brought up to date; it is tried again later', {
        rollup: this.definition.name,
        error: error instanceof Error ? error.message : String(error),
      })
    }
  }

  /** Follows the source for a piece of its way; false when there is none left. */
  async #step(): Promise<boolean> {
    const { metadata } = this.#options.source
    const newest = currentSnapshot(metadata)
    const { state } = this
    if (newest === null) return false
    if (state === null) {
      await this.#writer.append(NO_ROWS, await this.#beginning(metadata, newest.snapshotId))
      return false
    }
    const history = stretch(metadata, state.source, newest.snapshotId)
    if (history === null) {
      // The source was rolled back, or has let go what was not taken in yet.
      await this.#writer.append(NO_ROWS, { ...state, source: newest.snapshotId, pending: ALL_DAYS })
      return false
    }
    const taken = fewEnough(history)
    if (taken.length < 2) return false
    await this.#take(state, taken)
    return taken.length < history.length
  }

  /**
   * Follows the source to the last of these snapshots, of which the first is where it is. A commit says so even if they have
   * no news, so that they may expire.
   */
  async #take(from: RollupState, history: readonly Snapshot[]): Promise<void> {
    const source = sourceFiles(this.#options)
    const change = await changeIn(source, history)
    const next = {
      ...from,
      source: history.at(-1)!.snapshotId,
      pending: united(from.pending, change.touched),
    }
    const raw = united(next.pending, next.quarantined)
    const added = await filesAdded(source, change, [])
    const files = added.filter((file) => without(this.#daysOf(file), raw).length > 0)
    try {
      await this.#writer.append({ files, days: without(ALL_DAYS, raw) }, next)
    } catch (error) {
      if (!isUnfit(error)) throw error
      // Which of the days it is comes out when they are computed one by one.
      const pending = united(next.pending, ...files.map((file) => this.#daysOf(file)))
      await this.#writer.append(NO_ROWS, { ...next, pending })
    }
  }

  /** All days that the source has are pending; those to come are not. */
  async #beginning(metadata: TableMetadata, source: bigint): Promise<RollupState> {
    const { live } = await this.#options.index.liveFiles(metadata, source, [])
    const last = Math.max(...live.flatMap(({ file }) => this.#daysOf(file).map(([, end]) => end)))
    return { source, pending: live.length === 0 ? [] : [[Number.NEGATIVE_INFINITY, last]], quarantined: [] }
  }

  /** The days to be computed, newest first. When there is none, no day is pending any more. */
  async #pendingDays(): Promise<readonly number[]> {
    const { index, source, engine, unnumbered } = this.#options
    const { state } = this
    if (state === null || state.pending.length === 0) return []
    const own = { layout: this.layout, metadata: this.head.metadata }
    const ofSource = { layout: sourceDefinition(this.definition), metadata: source.metadata }
    const days = new Set<number>()
    for (const [table, snapshotId] of [
      [own, own.metadata.currentSnapshotId],
      [ofSource, state.source],
    ] as const) {
      const { live } = await index.liveFiles(table.metadata, snapshotId, [])
      const files = live.map(({ file }) => file)
      for (const day of await daysWithRows(engine, unnumbered, table, files)) {
        if (hasDay(state.pending, day)) days.add(day)
      }
    }
    if (days.size === 0) await this.#writer.append(NO_ROWS, { ...state, pending: [] })
    return [...days].sort((a, b) => b - a)
  }

  async #compute(day: number, signal: AbortSignal): Promise<void> {
    const { index, source, logger } = this.#options
    const { state } = this
    if (state === null || !hasDay(state.pending, day)) return
    const startMicros = BigInt(day) * BigInt(MICROS_PER_DAY)
    const range = { startMicros, endMicros: startMicros + BigInt(MICROS_PER_DAY) }
    const predicates = predicatesOf(sourceDefinition(this.definition), range)
    const { live } = await index.liveFiles(source.metadata, state.source, predicates)
    const files = live.map(({ file }) => file)
    const one: DayRanges = [[day, day]]
    const next = { ...state, pending: without(state.pending, one) }
    try {
      await this.#writer.replaceDay({ day, files, from: state, to: next, signal })
    } catch (error) {
      if (!isUnfit(error)) throw error
      logger.error('rows of a day do not fit into a rollup; the day is read without it', {
        rollup: this.definition.name,
        day,
        error: String(error),
      })
      await this.#writer.append(NO_ROWS, { ...next, quarantined: united(state.quarantined, one) })
    }
  }

  #daysOf(file: ReadableFile): DayRanges {
    const days = daysOf(sourceDefinition(this.definition), file)
    return days === null ? ALL_DAYS : [[days.first, days.last]]
  }
}

/** The first of a history, and as many snapshots after it, of at least one, as one step takes. */
function fewEnough(history: readonly Snapshot[]): readonly Snapshot[] {
  let rows = 0
  const end = history.findIndex(({ summary }, index) => {
    if (index > 0) rows += Number(summary['added-records'] ?? 0)
    return rows > STEP_ROWS
  })
  return end < 0 ? history : history.slice(0, Math.max(2, end))
}

/** Whether values leave the range of what they are stored as: a sum of 38 digits, or a price that was widened. */
function isUnfit(error: unknown): boolean {
  return error instanceof Error && /^(Out of Range|Conversion) Error/.test(error.message)
}
