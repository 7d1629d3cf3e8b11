import { type Clock, type Logger, type Service, TicklakeError } from '#core'
import type { Consumer } from './consumer.js'

/** How much the lake has to do, from little to too much. */
const STATES = ['normal', 'elevated', 'critical'] as const

export type PressureState = (typeof STATES)[number]

/** What pressure is told by. */
export interface Strain {
  /** Records of the log that the table furthest behind does not show yet. */
  readonly lagRecords: number
  /** Share of Node's heap that is in use, 0 to 1. */
  readonly heapShare: number
}

/** Where a state begins: at either bound. */
export interface PressureBounds {
  readonly elevated: Strain
  readonly critical: Strain
}

/** A state is left once all is below this share of its bounds: a value that trembles at one changes nothing. */
const LEAVE_BELOW = 0.8

/** How often it is looked at. A load appends at most some 100,000 records meanwhile. */
const LOOK_EVERY_MS = 250

/** The state after this strain. A function of its arguments alone: never up without a reason, never down too early. */
export function nextPressure(
  state: PressureState,
  strain: Strain,
  { elevated, critical }: PressureBounds,
): PressureState {
  const levelAt = (share: number) =>
    reaches(strain, critical, share) ? 2 : reaches(strain, elevated, share) ? 1 : 0
  const least = levelAt(1)
  const most = levelAt(LEAVE_BELOW)
  return STATES[Math.max(least, Math.min(most, STATES.indexOf(state)))]!
}

function reaches(strain: Strain, bounds: Strain, share: number): boolean {
  return strain.lagRecords >= bounds.lagRecords * share || strain.heapShare >= bounds.heapShare * share
}

export interface PressureOptions {
  readonly consumers: readonly Pick<Consumer, 'status'>[]
  readonly heapShare: () => number
  readonly bounds: PressureBounds
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Holds back what can wait, so that what cannot goes on: loads wait from `elevated` on, rows that are posted are refused
 * when it is `critical`. What is in the log already is treated as ever: no check is left out, no row is dropped.
 */
export class Pressure implements Service {
  readonly #options: PressureOptions
  #state: PressureState = 'normal'
  #cancelLook: (() => void) | null = null
  #isStopped = false
  #waiting: (() => void)[] = []

  constructor(options: PressureOptions) {
    this.#options = options
  }

  get state(): PressureState {
    return this.#state
  }

  async start(): Promise<void> {
    this.#look()
  }

  /** Whoever waits is told that it is over. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancelLook?.()
    this.#wake()
  }

  /**
   * Resolves when the state is `normal`: for work that can wait. `unavailable` when it will not be any more, because a
   * reader of the log has failed or the lake stops. Aborting the signal ends the wait with its reason.
   */
  async untilCalm(signal?: AbortSignal): Promise<void> {
    const wake = () => this.#wake()
    signal?.addEventListener('abort', wake, { once: true })
    try {
      while (this.#state !== 'normal') {
        signal?.throwIfAborted()
        this.#requireHope()
        await new Promise<void>((resolve) => this.#waiting.push(resolve))
      }
    } finally {
      signal?.removeEventListener('abort', wake)
    }
  }

  /** For work that is sent again later: `overloaded` while the state is `critical`. */
  requireRoom(): void {
    if (this.#state !== 'critical') return
    throw new TicklakeError(
      'overloaded',
      'the tables are too far behind the log, or memory is short: try again later',
    )
  }

  #requireHope(): void {
    if (this.#isStopped)
      throw new TicklakeError('unavailable', 'the lake is being closed: load the file again later')
    for (const consumer of this.#options.consumers) {
      const { table, failure } = consumer.status()
      if (!failure) continue
      const message = `${table} does not take rows any more (${failure.message}): load the file again after a restart`
      throw new TicklakeError('unavailable', message, { cause: failure })
    }
  }

  #look(): void {
    const { consumers, heapShare, bounds, clock } = this.#options
    const lags = consumers.map((consumer) => consumer.status().lagRecords)
    this.#take({ lagRecords: Math.max(0, ...lags), heapShare: heapShare() }, bounds)
    this.#cancelLook = clock.after(LOOK_EVERY_MS, () => this.#look())
  }

  #take(strain: Strain, bounds: PressureBounds): void {
    const before = this.#state
    this.#state = nextPressure(before, strain, bounds)
    // Those who wait look again at each look: a consumer may have failed.
    this.#wake()
    if (this.#state === before) return
    const fields = {
      from: before,
      to: this.#state,
      lag_records: strain.lagRecords,
      heap_percent: Math.round(strain.heapShare * 100),
    }
    if (this.#state === 'normal') this.#options.logger.info('pressure is back to normal: loads go on', fields)
    else if (this.#state === 'elevated') this.#options.logger.warn('pressure is elevated: loads wait', fields)
    else this.#options.logger.warn('pressure is critical: posted rows are refused, loads wait', fields)
  }

  #wake(): void {
    for (const waiter of this.#waiting.splice(0)) waiter()
  }
}
