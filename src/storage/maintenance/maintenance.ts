import { type Clock, dayOfMicros, invalid, type Logger, type Service, TicklakeError } from '#core'
import type { DayRanges } from '../derived/day-ranges.js'
import { type ExpiryPolicy, expirable } from '../iceberg/expiry.js'
import {
  type Compactable,
  type CompactionOptions,
  type CompactionReport,
  compact,
  compactionPlan,
  predicted,
} from './compact.js'
import type { Derivation } from './derivation.js'
import { expireSnapshots } from './expire.js'
import { type Job, type JobKind, Jobs } from './jobs.js'
import { removeOrphans } from './orphans.js'
import { RestingFiles } from './resting-files.js'
import { rewriteManifests } from './rewrite-manifests.js'
import type { TaskRun } from './task.js'
import { verify } from './verify.js'

/** What is done to tables without being asked for, and how. */
export interface MaintenancePolicy {
  /** Between looks at what there is to do; 0: nothing is done unless it is asked for. */
  readonly everyMs: number
  readonly targetFileBytes: number
  readonly minInputFiles: number
  readonly snapshots: ExpiryPolicy
  readonly orphansOlderThanMs: number
}

export interface MaintenanceOptions {
  readonly tables: readonly Compactable[]
  readonly policy: MaintenancePolicy
  readonly clock: Clock
  readonly logger: Logger
  /** Whether there is room for what nobody waits for. */
  readonly mayRun: () => boolean
}

/** What a job may be told; what is left out, the policy says. */
export interface JobRequest
  extends Partial<Pick<CompactionOptions, 'targetBytes' | 'startMicros' | 'endMicros'>> {
  readonly snapshots?: Partial<ExpiryPolicy>
  readonly olderThanMs?: number
  readonly dryRun?: boolean
}

/** Orphans are rare, and finding them lists every file. */
const ORPHANS_EVERY_MS = 86_400_000
/** A bucket that is drawn, of each rollup. */
const AUDIT_EVERY_MS = 600_000
/** What is let go at once: letting each snapshot go as it grows old would be a commit for each commit. */
const EXPIRE_AT_LEAST = 50

/**
 * Keeps tables in order: by jobs that are asked for, and by a policy that looks now and then, when there is room, and
 * rests after its work as long as that took.
 */
export class Maintenance implements Service {
  readonly jobs: Jobs
  readonly #options: MaintenanceOptions
  readonly #tables: ReadonlyMap<string, Compactable>
  /** By table, when they were last looked for, in monotonic time. */
  readonly #orphansLookedFor = new Map<string, number>()
  readonly #audited = new Map<string, number>()
  /** Why a table is not compacted, as it was told last. */
  readonly #obstacles = new Map<string, string>()
  /** By table, of what the policy has compacted. */
  readonly #resting: ReadonlyMap<string, RestingFiles>
  #cancelLook: (() => void) | null = null
  #looking: Promise<unknown> = Promise.resolve()
  #isStopping = false

  constructor(options: MaintenanceOptions) {
    this.#options = options
    this.#tables = new Map(options.tables.map((table) => [table.head.name, table]))
    this.#resting = new Map(options.tables.map(({ head }) => [head.name, new RestingFiles(options.clock)]))
    this.jobs = new Jobs(options.clock, options.logger)
  }

  async start(): Promise<void> {
    this.#lookIn(this.#options.policy.everyMs)
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    this.#cancelLook?.()
    await this.jobs.stop()
    await this.#looking
  }

  /** What a compaction that is asked for would do now. */
  async plan(table: string, request: JobRequest): Promise<CompactionReport> {
    const options = this.#compaction(request, false)
    return predicted(await compactionPlan(this.#table(table), options), options.targetBytes)
  }

  /** Takes a job. `not_found` for a table that is none, `invalid_input` for one that is no rollup where it has to be or a policy that is none, `overloaded` when too many wait. */
  take(kind: JobKind, table: string, request: JobRequest): Job {
    const { jobs } = this
    const compactable = this.#table(table)
    if (kind === 'expire-snapshots') this.#expiry(request)
    if (kind === 'backfill' || kind === 'audit') derivationOf(compactable)
    return jobs.take(kind, table, (run) => this.#work(kind, compactable, request, run))
  }

  async #work(kind: JobKind, table: Compactable, request: JobRequest, run: TaskRun): Promise<object> {
    const { orphansOlderThanMs } = this.#options.policy
    switch (kind) {
      case 'compact':
        return this.#compact(table, this.#compaction(request, false), run)
      case 'rewrite-manifests':
        return rewriteManifests(table.head)
      case 'expire-snapshots':
        // What is not taken in yet would stay.
        await table.followed?.()
        return expireSnapshots(table.head, this.#expiry(request), run)
      case 'remove-orphans': {
        const { olderThanMs = orphansOlderThanMs, dryRun = true } = request
        return removeOrphans(table.head, { olderThanMs, dryRun }, run)
      }
      case 'verify':
        return verify(table, run)
      case 'backfill':
        return derivationOf(table).backfill(run, daysOf(request))
      case 'audit':
        return derivationOf(table).audit(run)
    }
  }

  async #compact(table: Compactable, options: CompactionOptions, run: TaskRun): Promise<object> {
    const plan = predicted(await compactionPlan(table, options), options.targetBytes)
    return { predicted: plan, measured: await compact(table, options, run) }
  }

  #compaction({ targetBytes, startMicros, endMicros }: JobRequest, patient: boolean): CompactionOptions {
    const { targetFileBytes, minInputFiles } = this.#options.policy
    return {
      targetBytes: targetBytes ?? targetFileBytes,
      // Who asks wants what can be had.
      minInputs: patient ? minInputFiles : 2,
      patient,
      ...(startMicros === undefined ? {} : { startMicros }),
      ...(endMicros === undefined ? {} : { endMicros }),
    }
  }

  /** By what rule snapshots go: what is left out, the settings say. */
  #expiry({ snapshots }: JobRequest): ExpiryPolicy {
    const policy = { ...this.#options.policy.snapshots, ...snapshots }
    const { minToKeep, maxCount } = policy
    if (maxCount < minToKeep)
      throw invalid('max_count', maxCount, `at least min_to_keep, which is ${minToKeep}`)
    return policy
  }

  #table(name: string): Compactable {
    const table = this.#tables.get(name)
    if (table) return table
    const known = [...this.#tables.keys()].join(', ')
    throw new TicklakeError('not_found', `there is no table ${JSON.stringify(name)}: there are ${known}`)
  }

  #lookIn(delayMs: number): void {
    if (delayMs === 0 || this.#isStopping) return
    this.#cancelLook = this.#options.clock.after(delayMs, () => {
      this.#looking = this.#look().then((tookMs) =>
        this.#lookIn(Math.max(tookMs, this.#options.policy.everyMs)),
      )
    })
  }

  /** Does for each table what the policy asks for; gives how long that took. */
  async #look(): Promise<number> {
    const { clock, mayRun, logger } = this.#options
    const startedMs = clock.monotonicMs()
    for (const [name, table] of this.#tables) {
      if (this.#isStopping || !mayRun() || !this.jobs.isIdle) break
      try {
        for (const [kind, work] of await this.#due(table)) {
          // What is taken after the stop would outlive the tables, the engine and the lock on their folder.
          if (this.#isStopping) break
          await this.jobs.ended(this.jobs.take(kind, name, work).id)
        }
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error)
        logger.warn('what there is to do for a table cannot be told; it is looked at again later', {
          table: name,
          error: message,
        })
      }
    }
    return clock.monotonicMs() - startedMs
  }

  /** Whether a compaction would gain something. That it cannot be made is told once. */
  async #hasGain(table: Compactable, options: CompactionOptions): Promise<boolean> {
    const { name } = table.head
    try {
      const plan = await compactionPlan(table, options)
      this.#obstacles.delete(name)
      return plan.length > 0
    } catch (error) {
      if (!(error instanceof TicklakeError) || error.code !== 'conflict') throw error
      const { message } = error
      if (this.#obstacles.get(name) !== message) {
        this.#options.logger.warn('a table is not compacted', { table: name, reason: message })
      }
      this.#obstacles.set(name, message)
      return false
    }
  }

  async #due(
    table: Compactable,
  ): Promise<readonly (readonly [JobKind, (run: TaskRun) => Promise<object>])[]> {
    const { policy, clock } = this.#options
    const { head } = table
    const due: [JobKind, (run: TaskRun) => Promise<object>][] = []
    const options = { ...this.#compaction({}, true), resting: this.#resting.get(head.name)! }
    if (await this.#hasGain(table, options)) {
      due.push(['compact', (run) => this.#compact(table, options, run)])
    }
    const { metadata } = head
    const { snapshots, refs } = expirable(metadata, policy.snapshots, clock.nowMs(), head.held(metadata))
    if (snapshots.size >= EXPIRE_AT_LEAST || refs.size > 0) {
      due.push(['expire-snapshots', (run) => expireSnapshots(head, policy.snapshots, run)])
    }
    const { derivation } = table
    if (derivation?.isPending) due.push(['backfill', (run) => derivation.backfill(run, [])])
    const audited = this.#audited.get(head.name)
    if (derivation && (audited === undefined || clock.monotonicMs() - audited >= AUDIT_EVERY_MS)) {
      this.#audited.set(head.name, clock.monotonicMs())
      due.push(['audit', (run) => derivation.audit(run)])
    }
    const lookedFor = this.#orphansLookedFor.get(head.name)
    if (lookedFor === undefined || clock.monotonicMs() - lookedFor >= ORPHANS_EVERY_MS) {
      this.#orphansLookedFor.set(head.name, clock.monotonicMs())
      const orphans = { olderThanMs: policy.orphansOlderThanMs, dryRun: false }
      due.push(['remove-orphans', (run) => removeOrphans(head, orphans, run)])
    }
    return due
  }
}

function derivationOf({ head, derivation }: Compactable): Derivation {
  if (derivation) return derivation
  throw invalid('table', head.name, 'a rollup, whose rows are derived from those of another table')
}

/** The days of a request that names any; none of one that does not. */
function daysOf({ startMicros, endMicros }: JobRequest): DayRanges {
  if (startMicros === undefined && endMicros === undefined) return []
  const first = startMicros === undefined ? Number.NEGATIVE_INFINITY : dayOfMicros(startMicros)
  const last = endMicros === undefined ? Number.POSITIVE_INFINITY : dayOfMicros(endMicros - 1n)
  return first <= last ? [[first, last]] : []
}
