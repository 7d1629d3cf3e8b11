import { type Clock, type Logger, TicklakeError } from '#core'

export interface WaitingOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** Ends every wait, with its reason. */
  readonly signal: AbortSignal
}

/** Before the second attempt; each pause is twice the one before, up to the longest. */
const FIRST_PAUSE_MS = 1_000
const LONGEST_PAUSE_MS = 5_000

/** How a consumer waits for what it can't read on without, and why it does at this moment. */
export class Waiting {
  readonly #options: WaitingOptions
  #reason: Error | null = null

  constructor(options: WaitingOptions) {
    this.#options = options
  }

  /** Why reading waits, or null. */
  get reason(): Error | null {
    return this.#reason
  }

  /** Waits for so long. The reason stands until `over`: what comes after the pause may take its time as well. */
  async pause(delayMs: number, reason: Error): Promise<void> {
    this.#reason = reason
    await elapsed(this.#options.clock, delayMs, this.#options.signal)
  }

  over(): void {
    this.#reason = null
  }

  /** Does the work as soon as what it needs, named in messages, is not `unavailable`; other errors are thrown. */
  async until<T>(needed: string, work: () => Promise<T>): Promise<T> {
    const { logger } = this.#options
    for (let attempt = 0; ; attempt++) {
      try {
        const result = await work()
        if (attempt > 0) logger.info(`${needed} answers again, and the log is read on`)
        this.over()
        return result
      } catch (error) {
        if (!(error instanceof TicklakeError) || error.code !== 'unavailable') throw error
        if (attempt === 0) logger.error(`reading the log waits for ${needed}`, { error: error.message })
        await this.pause(Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** attempt), error)
      }
    }
  }
}

function elapsed(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
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
