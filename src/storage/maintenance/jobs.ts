import { randomUUID } from 'node:crypto'
import { type Clock, type Logger, type Service, TicklakeError } from '#core'
import type { TaskRun } from './task.js'

/** What is done to a table to keep it in order. */
export const JOB_KINDS = [
  'compact',
  'rewrite-manifests',
  'expire-snapshots',
  'remove-orphans',
  'verify',
  'backfill',
  'audit',
] as const
export type JobKind = (typeof JOB_KINDS)[number]

export type JobState = 'waiting' | 'running' | 'done' | 'failed' | 'cancelled'

export interface Job {
  readonly id: string
  readonly kind: JobKind
  readonly table: string
  readonly state: JobState
  /** Parts of the work, as far as they are known. */
  readonly done: number
  readonly total: number
  /** Milliseconds since 1970. */
  readonly askedMs: number
  readonly startedMs: number | null
  readonly endedMs: number | null
  /** What came of it, once it is done. */
  readonly report: object | null
  readonly error: Error | null
}

type MutableJob = { -readonly [K in keyof Job]: Job[K] }

interface Entry {
  readonly job: MutableJob
  readonly stopping: AbortController
  readonly ended: Promise<void>
}

const MAX_WAITING = 20
/** Ended jobs that can still be asked for. */
const MAX_ENDED = 200

/**
 * The maintenance of all tables: one job at a time, in the order in which they were asked for, so that queries and
 * ingest have the rest of the machine. Ended ones are forgotten, oldest first.
 */
export class Jobs implements Service {
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #entries = new Map<string, Entry>()
  #last: Promise<void> = Promise.resolve()

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock
    this.#logger = logger
  }

  async start(): Promise<void> {}

  /** Cancels everything, and waits for its end. */
  async stop(): Promise<void> {
    for (const { job } of this.#entries.values()) this.cancel(job.id)
    await this.#last
  }

  /** Newest first. */
  list(): readonly Job[] {
    return [...this.#entries.values()].map(({ job }) => job).reverse()
  }

  /** Whether nothing is running or waiting. */
  get isIdle(): boolean {
    return [...this.#entries.values()].every(({ job }) => job.endedMs !== null)
  }

  /** `not_found` when there is no such job, or it ended long ago. */
  get(id: string): Job {
    return this.#entry(id).job
  }

  /** Resolves when the job has ended. */
  ended(id: string): Promise<void> {
    return this.#entry(id).ended
  }

  /** Takes a job; `overloaded` when too many wait. */
  take(kind: JobKind, table: string, work: (run: TaskRun) => Promise<object>): Job {
    const waiting = [...this.#entries.values()].filter(({ job }) => job.state === 'waiting')
    if (waiting.length >= MAX_WAITING) {
      throw new TicklakeError('overloaded', `${waiting.length} jobs are waiting: try again later`)
    }
    const job: MutableJob = {
      id: randomUUID(),
      kind,
      table,
      state: 'waiting',
      done: 0,
      total: 0,
      askedMs: this.#clock.nowMs(),
      startedMs: null,
      endedMs: null,
      report: null,
      error: null,
    }
    const stopping = new AbortController()
    const ended = this.#last.then(() => this.#run(job, work, stopping.signal))
    this.#last = ended
    this.#entries.set(job.id, { job, stopping, ended })
    this.#forget()
    return job
  }

  /** Tells the job to stop; what it has committed stays. One that has ended stays as it is. */
  cancel(id: string): Job {
    const { job, stopping } = this.#entry(id)
    stopping.abort(new TicklakeError('unavailable', 'the job was cancelled'))
    return job
  }

  async #run(job: MutableJob, work: (run: TaskRun) => Promise<object>, signal: AbortSignal): Promise<void> {
    const logger = this.#logger.child({ job: job.id, kind: job.kind, table: job.table })
    job.startedMs = this.#clock.nowMs()
    try {
      signal.throwIfAborted()
      job.state = 'running'
      const progress = (done: number, total: number) => {
        job.done = done
        job.total = total
      }
      job.report = await work({ signal, progress })
      job.state = 'done'
      logger.info('maintenance is done', { report: job.report })
    } catch (error) {
      job.error = error instanceof Error ? error : new Error(String(error))
      job.state = signal.aborted ? 'cancelled' : 'failed'
      if (job.state === 'failed') logger.error('maintenance has failed', { error: job.error.message })
    } finally {
      job.endedMs = this.#clock.nowMs()
    }
  }

  #entry(id: string): Entry {
    const entry = this.#entries.get(id)
    if (entry) return entry
    throw new TicklakeError('not_found', `there is no job ${JSON.stringify(id)}, or it ended long ago`)
  }

  #forget(): void {
    const ended = [...this.#entries.values()].filter(({ job }) => job.endedMs !== null)
    for (const { job } of ended.slice(0, Math.max(0, ended.length - MAX_ENDED))) this.#entries.delete(job.id)
  }
}
