import CircuitBreaker from 'opossum'
import { TicklakeError } from './errors.js'

export type BreakerState = 'closed' | 'half-open' | 'open'

export interface BreakerOptions {
  /** What stands behind it, as messages and metrics name it: "schema registry". */
  readonly name: string
  /** Where it is, for the message that it does not answer: its URL. */
  readonly at?: string
  /** A call that takes longer has failed. */
  readonly timeoutMs: number
  /** How long nothing is asked once it is open; then one call tries (half-open). */
  readonly resetMs: number
}

/** Calls within ten seconds (opossum's window) before their failures mean anything, and the share of them that opens. */
const VOLUME_THRESHOLD = 3
const ERROR_PERCENTAGE = 50
/**
 * Failures in a row that open it whatever was answered before: a busy service that hangs would otherwise have everybody wait until
 * its answers have left the window.
 */
const FAILURES_IN_A_ROW = 10

/**
 * Stands before a service that may be down: after repeated failures it answers `unavailable` at once instead of
 * letting everyone wait, and tries again by itself. What the service refuses for good reason is no failure.
 */
export class Breaker {
  readonly #name: string
  readonly #at: string
  readonly #resetMs: number
  readonly #circuit: CircuitBreaker<[() => Promise<unknown>], unknown>
  #failure: string | null = null
  #failuresInARow = 0

  constructor({ name, at, timeoutMs, resetMs }: BreakerOptions) {
    this.#name = name
    this.#at = at === undefined ? name : `${name} ${at}`
    this.#resetMs = resetMs
    this.#circuit = new CircuitBreaker((work: () => Promise<unknown>) => work(), {
      name,
      timeout: timeoutMs,
      resetTimeout: resetMs,
      volumeThreshold: VOLUME_THRESHOLD,
      errorThresholdPercentage: ERROR_PERCENTAGE,
      errorFilter: (error: unknown) => !isFailure(error),
    })
  }

  get name(): string {
    return this.#name
  }

  get state(): BreakerState {
    if (this.#circuit.opened) return 'open'
    return this.#circuit.halfOpen ? 'half-open' : 'closed'
  }

  /** Why the newest call failed; null when it was answered, or when nothing was asked yet. */
  get failure(): string | null {
    return this.#failure
  }

  /** Does the work unless the breaker is open. `unavailable` when it is, or when the work took too long. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    try {
      // The circuit gives back what `work` gave.
      const answer = (await this.#circuit.fire(work)) as T
      this.#answered()
      return answer
    } catch (error) {
      const what = this.#refusal(error)
      if (what === null) {
        if (isFailure(error)) this.#failed(error instanceof Error ? error.message : String(error))
        else this.#answered()
        throw error
      }
      throw new TicklakeError('unavailable', `${what}: try again later`, { cause: error })
    }
  }

  #answered(): void {
    this.#failure = null
    this.#failuresInARow = 0
  }

  #failed(why: string): void {
    this.#failure = why
    this.#failuresInARow++
    if (this.#failuresInARow >= FAILURES_IN_A_ROW && this.state === 'closed') this.#circuit.open()
  }

  /** What the circuit itself says; null for an error of the work. */
  #refusal(error: unknown): string | null {
    switch (error instanceof Error && 'code' in error ? error.code : null) {
      case 'ETIMEDOUT':
        this.#failed(`${this.#at} does not answer`)
        return this.#failure
      case 'EOPENBREAKER':
        return `${this.#name} has failed repeatedly (last: ${this.#failure ?? 'it is not known'}) and is tried again within ${this.#resetMs} ms`
      case 'ESHUTDOWN':
        return `${this.#name} is not asked any more, since the lake is being closed`
      default:
        return null
    }
  }

  /** Ends its timers; what is asked afterwards is refused. */
  stop(): void {
    this.#circuit.shutdown()
  }
}

/** Answers such as `not_found` and `conflict` show that the service works. */
function isFailure(error: unknown): boolean {
  return !(error instanceof TicklakeError) || error.code === 'unavailable' || error.code === 'timeout'
}
