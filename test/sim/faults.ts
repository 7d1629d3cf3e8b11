import type { SeededRandom } from '../support/seeded-random.js'

/** What may go wrong. */
export const FAULT_KINDS = [
  /** An operation is refused and had no effect. */
  'failure',
  /** An operation took effect and is then reported as failed. */
  'unknown outcome',
  /** An operation waits while others overtake it. */
  'delay',
  /** The process dies right before an operation. */
  'crash before',
  /** The process dies right after an operation took effect, before anybody heard of it. */
  'crash after',
  /** The log hands out records again that lie below the position. */
  'duplicate delivery',
  /** Records get offsets and never become visible; whoever appended them is told of a failure. */
  'aborted transaction',
  /** A transaction's end marker takes an offset in each partition. */
  'control record',
  /** The reader loses its partitions and begins again at the committed vector, while the log goes on. */
  'rebalance',
  /** The process ends in good order and is started again. */
  'restart',
  /** The wall clock is set back. */
  'clock set back',
] as const

export type FaultKind = (typeof FAULT_KINDS)[number]

/** A crash ends all that other faults would have led to: it must not be as common. */
const CRASH_ONE_IN = 5

/** Decides, by the seed alone, when something goes wrong, and counts it. */
export class Faults {
  readonly counts = new Map<FaultKind, number>()
  readonly #random: SeededRandom
  readonly #enabled: ReadonlySet<FaultKind>
  readonly #oneIn: number
  #calm = false

  /**
   * Each seed has kinds of its own and its own rate: a fault that comes with all the others hides what it does alone
   * (Groce et al., Swarm Testing, ISSTA 2012).
   */
  constructor(random: SeededRandom) {
    this.#random = random
    this.#enabled = new Set(FAULT_KINDS.filter(() => !random.oneIn(3)))
    this.#oneIn = random.pick([4, 8, 20, 60])
  }

  /** From now on nothing goes wrong. */
  calm(): void {
    this.#calm = true
  }

  get isCalm(): boolean {
    return this.#calm
  }

  /** The one of these kinds that happens now, or null. */
  draw(kinds: readonly FaultKind[], times = 1): FaultKind | null {
    if (this.#calm || !this.#random.oneIn(this.#oneIn * times)) return null
    const possible = kinds.filter((kind) => this.#enabled.has(kind))
    if (possible.length === 0) return null
    const kind = this.#random.pick(possible)
    if (kind.startsWith('crash') && !this.#random.oneIn(CRASH_ONE_IN)) return null
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1)
    return kind
  }
}
