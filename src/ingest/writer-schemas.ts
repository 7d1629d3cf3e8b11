import { type Clock, type Logger, TicklakeError } from '#core'
import type { SchemaRegistry } from './registry/registry.js'

export interface WriterSchemasOptions {
  readonly registry: SchemaRegistry
  readonly clock: Clock
  readonly logger: Logger
  /** How long a schema is waited for that nobody has registered yet. */
  readonly unknownWaitMs: number
  /** Ends every wait, with its reason. */
  readonly signal: AbortSignal
}

/** Between two questions. */
const ASK_AGAIN_MS = 1_000

/** After a wait in vain: bytes that are no records may name a new id each, and must not hold up the log with each. */
const NO_WAIT_MS = 10 * 60_000

/**
 * The schemas of a log's records, as its consumer needs them: it can't read on without an answer, and must not judge
 * a record by the silence of a registry. One that does not answer is asked until it does. One that does not know a
 * schema is asked for a bounded time: a producer may be faster than its registration is seen here.
 */
export class WriterSchemas {
  readonly #options: WriterSchemasOptions
  #stalled: Error | null = null
  /** Monotonic; before it, nothing is waited for. */
  #waitsFromMs = 0

  constructor(options: WriterSchemasOptions) {
    this.#options = options
  }

  /** Why reading waits at this moment, or null. */
  get stalled(): Error | null {
    return this.#stalled
  }

  /**
   * JSON texts by wire id, each looked up anew; what is missing was registered by nobody, however long was waited,
   * which is only done where it may help, and not within ten minutes of a wait in vain.
   * All ids wait together. Only time in which the registry answered is counted.
   */
  async schemasOf(ids: readonly number[], mayWait: boolean): Promise<ReadonlyMap<number, string>> {
    const { clock, logger, registry, unknownWaitMs } = this.#options
    const schemas = new Map<number, string>()
    const waits = mayWait && clock.monotonicMs() >= this.#waitsFromMs
    for (let waitedMs = 0; ; ) {
      for (const id of ids) {
        if (schemas.has(id)) continue
        const schema = await this.answered(() => registry.byId(id).catch(nullIfUnknown))
        if (schema !== null) schemas.set(id, schema)
      }
      const unknown = ids.filter((id) => !schemas.has(id))
      if (unknown.length === 0 || !waits) break
      if (waitedMs >= unknownWaitMs) {
        this.#waitsFromMs = clock.monotonicMs() + NO_WAIT_MS
        break
      }
      const named = unknown.slice(0, NAMED_IDS).join(', ')
      if (waitedMs === 0)
        logger.warn('records wait for their schemas', { ids: named, wait_ms: unknownWaitMs })
      const delayMs = Math.min(ASK_AGAIN_MS, unknownWaitMs - waitedMs)
      this.#stalled = new TicklakeError(
        'not_found',
        `records wait for schemas that nobody has registered: ${named}`,
      )
      await pause(clock, delayMs, this.#options.signal)
      waitedMs += delayMs
    }
    this.#stalled = null
    return schemas
  }

  /** What the registry answers, as soon as it does; its refusals are thrown. */
  async answered<T>(ask: () => Promise<T>): Promise<T> {
    const { clock, logger, signal } = this.#options
    for (let failure: TicklakeError | null = null; ; ) {
      try {
        const answer = await ask()
        if (failure) logger.info('the schema registry answers again, and the log is read on')
        this.#stalled = null
        return answer
      } catch (error) {
        if (!(error instanceof TicklakeError) || error.code !== 'unavailable') throw error
        if (!failure) logger.error('reading the log waits for the schema registry', { error: error.message })
        failure = error
        this.#stalled = error
      }
      await pause(clock, ASK_AGAIN_MS, signal)
    }
  }
}

/** Ids that a message names. */
const NAMED_IDS = 10

function nullIfUnknown(error: unknown): null {
  if (error instanceof TicklakeError && error.code === 'not_found') return null
  throw error
}

function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const end = () => {
      cancel()
      reject(signal.reason)
    }
    const cancel = clock.after(delayMs, () => {
      signal.removeEventListener('abort', end)
      resolve()
    })
    signal.addEventListener('abort', end, { once: true })
  })
}
