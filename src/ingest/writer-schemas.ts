import { type Clock, type Logger, TicklakeError } from '#core'
import type { SchemaRegistry } from './registry/registry.js'
import type { Waiting } from './waiting.js'

export interface WriterSchemasOptions {
  readonly registry: SchemaRegistry
  readonly clock: Clock
  readonly logger: Logger
  readonly waiting: Waiting
  /** How long a schema is waited for that nobody has registered yet. */
  readonly unknownWaitMs: number
}

/** Between two questions for a schema that is not known yet. */
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
  /** Monotonic; before it, nothing is waited for. */
  #waitsFromMs = 0

  constructor(options: WriterSchemasOptions) {
    this.#options = options
  }

  /**
   * JSON texts by wire id, each looked up anew; what is missing was registered by nobody, however long was waited,
   * which is only done where it may help, and not within ten minutes of a wait in vain.
   * All ids wait together. Only time in which the registry answered is counted.
   */
  async schemasOf(ids: readonly number[], mayWait: boolean): Promise<ReadonlyMap<number, string>> {
    const { clock, logger, registry, unknownWaitMs, waiting } = this.#options
    const schemas = new Map<number, string>()
    const waits = mayWait && clock.monotonicMs() >= this.#waitsFromMs
    for (let waitedMs = 0; ; ) {
      for (const id of ids) {
        if (schemas.has(id)) continue
        const schema = await waiting.until('the schema registry', () =>
          registry.byId(id).catch(nullIfUnknown),
        )
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
      await waiting.pause(
        delayMs,
        new TicklakeError('not_found', `records wait for schemas that nobody has registered: ${named}`),
      )
      waitedMs += delayMs
    }
    waiting.over()
    return schemas
  }
}

/** Ids that a message names. */
const NAMED_IDS = 10

function nullIfUnknown(error: unknown): null {
  if (error instanceof TicklakeError && error.code === 'not_found') return null
  throw error
}
