import { randomUUID } from 'node:crypto'
import { type Clock, diskFull, type Logger, type Service, type TableName, TicklakeError } from '#core'
import type { LoadCounts, Loader, LoadRequest, LoadResult } from '#ingest'
import type { StreamTable } from '#storage'

/** What the server asks of a loader. */
export type FileLoader = Pick<Loader, 'load'>

/** A load that was taken: `queued` or `running`, until it is `done` or `failed`. */
export interface LoadJob {
  readonly id: string
  readonly fileName: string
  readonly state: 'queued' | 'running' | 'done' | 'failed'
  /** Rows so far, null until the first are done. */
  readonly counts: LoadCounts | null
  readonly result: LoadResult | null
  /** Newest snapshot of each table that the load reached. */
  readonly snapshotIds: ReadonlyMap<TableName, bigint | null>
  readonly error: Error | null
  /** Resolves when it is done or failed. */
  readonly ended: Promise<void>
}

export interface LoadsOptions {
  readonly loader: FileLoader
  readonly tables: ReadonlyMap<TableName, StreamTable>
  readonly clock: Clock
  readonly logger: Logger
}

const MAX_RUNNING = 2
const MAX_QUEUED = 100
/** Ended jobs that can still be asked for. */
const MAX_ENDED = 1_000

type MutableJob = { -readonly [K in keyof LoadJob]: LoadJob[K] }

/** The loads of this process: two at once, a hundred more in line. Ended ones are forgotten, oldest first. */
export class Loads implements Service {
  readonly #options: LoadsOptions
  readonly #jobs = new Map<string, MutableJob>()
  readonly #waiting: (() => void)[] = []
  readonly #stopping = new AbortController()
  #running = 0
  #taken = 0

  constructor(options: LoadsOptions) {
    this.#options = options
  }

  async start(): Promise<void> {}

  /** Interrupts what runs (a load goes on where it was when its file is loaded again) and waits for its end. */
  async stop(): Promise<void> {
    this.#stopping.abort(
      new TicklakeError('unavailable', 'the server is stopping: load the file again later'),
    )
    await Promise.all([...this.#jobs.values()].map((job) => job.ended))
  }

  /** Loads that have not ended. */
  get underWay(): Readonly<Record<'queued' | 'running', number>> {
    return { queued: this.#waiting.length, running: this.#running }
  }

  /** Reserves a place; `overloaded` when all are taken. Give it back with `leave` if nothing comes of it. */
  enter(): void {
    this.#stopping.signal.throwIfAborted()
    if (this.#taken >= MAX_RUNNING + MAX_QUEUED) {
      throw new TicklakeError('overloaded', `${this.#taken} loads are running or waiting: try again later`)
    }
    this.#taken++
  }

  leave(): void {
    this.#taken--
  }

  /** Takes a load, whose place is reserved, and gives the place back at its end; then `cleanUp` is called. */
  take(request: LoadRequest, cleanUp: () => Promise<void>): LoadJob {
    let end = () => {}
    const ended = new Promise<void>((resolve) => {
      end = resolve
    })
    const { fileName } = request
    const job: MutableJob = {
      id: randomUUID(),
      fileName,
      state: 'queued',
      counts: null,
      result: null,
      snapshotIds: new Map(),
      error: null,
      ended,
    }
    this.#jobs.set(job.id, job)
    this.#forget()
    void this.#run(job, request, cleanUp).finally(end)
    return job
  }

  /** `not_found` when there is no such job, or it ended long ago. */
  get(id: string): LoadJob {
    const job = this.#jobs.get(id)
    if (!job)
      throw new TicklakeError('not_found', `there is no load ${JSON.stringify(id)}, or it ended long ago`)
    return job
  }

  async #run(job: MutableJob, request: LoadRequest, cleanUp: () => Promise<void>): Promise<void> {
    const logger = this.#options.logger.child({ load: job.id, file: job.fileName })
    await this.#turn()
    try {
      job.state = 'running'
      const { signal } = this.#stopping
      signal.throwIfAborted()
      const result = await this.#options.loader.load(
        request,
        (counts) => {
          job.counts = counts
        },
        signal,
      )
      job.counts = result
      job.snapshotIds = await this.#commit(result, signal)
      job.result = result
      job.state = 'done'
    } catch (error) {
      job.error = loadError(error)
      job.state = 'failed'
      if (error instanceof TicklakeError) logger.warn('a load failed', { error: error.message })
      else logger.error('a load failed', { error: error instanceof Error ? error.stack : String(error) })
    } finally {
      this.#running--
      this.#taken--
      this.#waiting.shift()?.()
      await cleanUp().catch((error: Error) =>
        logger.warn('an uploaded file stays behind', { error: error.message }),
      )
    }
  }

  /** Waits until what was loaded is visible, and commits it. */
  async #commit(result: LoadResult, signal: AbortSignal): Promise<ReadonlyMap<TableName, bigint | null>> {
    const snapshots = new Map<TableName, bigint | null>()
    for (const [name, table] of this.#options.tables) {
      const end = result.end.get(table.definition.topic)
      if (!end) continue
      await table.visible(end, signal)
      signal.throwIfAborted()
      await table.flush()
      snapshots.set(name, table.metadata().currentSnapshotId)
    }
    return snapshots
  }

  async #turn(): Promise<void> {
    if (this.#running >= MAX_RUNNING) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#running++
  }

  #forget(): void {
    for (const [id, job] of this.#jobs) {
      if (this.#jobs.size <= MAX_RUNNING + MAX_QUEUED + MAX_ENDED) return
      if (job.state === 'done' || job.state === 'failed') this.#jobs.delete(id)
    }
  }
}

/** A bug's message belongs into the log, not into an answer. */
function loadError(error: unknown): Error {
  if (error instanceof TicklakeError) return error
  return diskFull(error) ?? new Error('the load failed; the log tells more', { cause: error })
}
