import { createHash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { TicklakeError } from '#core'
import type { SeededRandom } from '../support/seeded-random.js'
import type { FaultKind, Faults } from './faults.js'

/** One run of the process. What belongs to it never goes on once it has died. */
export class Life {
  readonly number: number
  #alive = true

  constructor(number: number) {
    this.number = number
  }

  get isAlive(): boolean {
    return this.#alive
  }

  die(): void {
    this.#alive = false
  }

  /** For what is not awaited: a dead process does nothing. */
  check(): void {
    if (!this.#alive) throw new Error(`run ${this.number} of the process has ended`)
  }
}

/** What can happen to any operation that is awaited. */
const ALWAYS: readonly FaultKind[] = ['delay', 'crash before', 'crash after']
/** What can happen to one that may fail without effect, and to one that changes something. */
export const READING: readonly FaultKind[] = [...ALWAYS, 'failure']
export const WRITING: readonly FaultKind[] = [...READING, 'unknown outcome']

/** Turns of the event loop in which nobody stirs: all that could go on has gone on. */
const QUIET_TURNS = 3
const LONGEST_DELAY_STEPS = 40
const TRACE_LENGTH = 60

interface Waiting {
  readonly life: Life
  readonly name: string
  readonly faults: readonly FaultKind[]
  readonly run: (fault: FaultKind | null) => Promise<void>
  notBefore: number
}

/**
 * One gate before every operation that leaves the event loop. It lets one through at a time, picked by the seed, and
 * waits for its end before the next: so the order of everything follows from the seed, whatever threads do below.
 */
export class Scheduler {
  readonly random: SeededRandom
  readonly faults: Faults
  #waiting: Waiting[] = []
  #arrivals = 0
  #steps = 0
  readonly #trace: string[] = []
  readonly #digest = createHash('sha256')

  constructor(random: SeededRandom, faults: Faults) {
    this.random = random
    this.faults = faults
  }

  get steps(): number {
    return this.#steps
  }

  /** The last things that happened, oldest first. */
  get trace(): readonly string[] {
    return this.#trace
  }

  /** Of everything that happened: two runs with one digest went the same way. */
  digest(): string {
    return this.#digest.copy().digest('hex')
  }

  note(line: string): void {
    const numbered = `${this.#steps} ${line}`
    this.#digest.update(`${numbered}\n`)
    this.#trace.push(numbered)
    if (this.#trace.length > TRACE_LENGTH) this.#trace.shift()
  }

  /** Somebody goes on without coming to the gate. */
  stir(): void {
    this.#arrivals++
  }

  /** Waits for its turn, then does the work. Never resolves if the process dies before its end. */
  gate<T>(
    life: Life,
    name: string,
    work: () => T | Promise<T>,
    faults: readonly FaultKind[] = ALWAYS,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#arrivals++
      this.#waiting.push({
        life,
        name,
        faults,
        notBefore: 0,
        run: async (fault) => {
          const injected = new TicklakeError('unavailable', `injected ${fault} of ${name}`)
          if (fault === 'failure') return reject(injected)
          if (fault === 'crash before') return life.die()
          try {
            const result = await work()
            if (fault === 'crash after') life.die()
            else if (fault === 'unknown outcome') reject(injected)
            else resolve(result)
          } catch (error) {
            reject(error)
          }
        },
      })
    })
  }

  /** Lets one operation through; false when nobody waits who may go. */
  async step(): Promise<boolean> {
    await this.quiet()
    this.#steps++
    this.#waiting = this.#waiting.filter(({ life }) => life.isAlive)
    const ready = this.#waiting.filter(({ notBefore }) => notBefore <= this.#steps)
    if (ready.length === 0) return false
    const next = this.random.pick(ready)
    const fault = this.faults.draw(next.faults)
    this.note(`run ${next.life.number}: ${next.name}${fault ? ` [${fault}]` : ''}`)
    if (fault === 'delay') {
      next.notBefore = this.#steps + 1 + this.random.below(LONGEST_DELAY_STEPS)
      return true
    }
    this.#waiting.splice(this.#waiting.indexOf(next), 1)
    await next.run(fault)
    return true
  }

  /** Resolves when everybody waits at the gate, for a timer, or for one another. */
  async quiet(): Promise<void> {
    for (let turns = 0, seen = this.#arrivals; turns < QUIET_TURNS; turns++) {
      await setImmediate()
      if (seen !== this.#arrivals) turns = -1
      seen = this.#arrivals
    }
  }
}
