import { assert, TicklakeError } from '#core'

/** How long a reading holds what it takes: a moment, a while, or for as long as a reader who is slow. */
export const RANKS = ['small', 'large', 'streamed'] as const
export type Rank = (typeof RANKS)[number]

/** What readings of a rank and of all ranks above it may have together. */
export interface Capacity {
  /** Readings at once. */
  readonly places: number
  /** Readings that wait. */
  readonly waiting: number
  /** Memory that they reserve. */
  readonly bytes: number
}

/** What a reading takes. */
export interface Claim {
  readonly rank: Rank
  readonly bytes: number
}

interface Waiting extends Claim {
  readonly start: () => void
}

/**
 * Lets readings in, so many at a time, and lets others wait. Each rank has its share of the places, of the line and of
 * the memory, which is part of the share of the rank below: what holds its place for long leaves room for what does
 * not. In a rank they are let in as they came; one that waits holds back those of its rank and above, which want the
 * same, and nobody else.
 */
export class Places {
  readonly #capacities: Readonly<Record<Rank, Capacity>>
  readonly #running = new Set<Claim>()
  #waiting: readonly Waiting[] = []

  /** Each capacity is at most that of the rank below. */
  constructor(capacities: Readonly<Record<Rank, Capacity>>) {
    this.#capacities = capacities
  }

  get running(): readonly Claim[] {
    return [...this.#running]
  }

  get waiting(): readonly Claim[] {
    return this.#waiting
  }

  /**
   * Takes a place, when it is its turn, and gives what gives it back. `overloaded` when too many wait
   * already. Aborting the signal ends the wait with its reason. A claim is no larger than what its rank may have.
   */
  async take(claim: Claim, signal?: AbortSignal): Promise<() => void> {
    assert(claim.bytes <= this.#capacities[claim.rank].bytes, 'a claim can be granted')
    signal?.throwIfAborted()
    const mustWait = this.#waiting.some(({ rank }) => isUpTo(rank, claim.rank)) || !this.#hasRoom(claim)
    return mustWait ? this.#wait(claim, signal) : this.#enter(claim)
  }

  /** Takes a place that there is. */
  #enter({ rank, bytes }: Claim): () => void {
    // Equal claims are many readings.
    const held = { rank, bytes }
    this.#running.add(held)
    return () => {
      if (this.#running.delete(held)) this.#letIn()
    }
  }

  #wait(claim: Claim, signal: AbortSignal | undefined): Promise<() => void> {
    for (const rank of RANKS.filter((rank) => isUpTo(rank, claim.rank))) {
      const count = this.#waiting.filter((other) => isUpTo(rank, other.rank)).length
      if (count < this.#capacities[rank].waiting) continue
      throw new TicklakeError('overloaded', `${count} ${WAITERS[rank]} wait already: try again later`)
    }
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting = this.#waiting.filter((other) => other !== waiting)
        // It may have held back others.
        this.#letIn()
        reject(signal?.reason)
      }
      const start = () => {
        signal?.removeEventListener('abort', leave)
        resolve(this.#enter(claim))
      }
      const waiting = { ...claim, start }
      this.#waiting = [...this.#waiting, waiting]
      signal?.addEventListener('abort', leave, { once: true })
    })
  }

  #letIn(): void {
    const still: Waiting[] = []
    for (const waiting of this.#waiting) {
      const isHeldBack = still.some(({ rank }) => isUpTo(rank, waiting.rank))
      if (isHeldBack || !this.#hasRoom(waiting)) still.push(waiting)
      else waiting.start()
    }
    this.#waiting = still
  }

  #hasRoom({ rank, bytes }: Claim): boolean {
    return RANKS.filter((part) => isUpTo(part, rank)).every((part) => {
      const held = this.running.filter((other) => isUpTo(part, other.rank))
      const capacity = this.#capacities[part]
      return held.length < capacity.places && reserved(held) + bytes <= capacity.bytes
    })
  }
}

const WAITERS: Readonly<Record<Rank, string>> = {
  small: 'queries',
  large: 'large queries',
  streamed: 'answers that are to be streamed',
}

/** Bytes of claims together. */
export function reserved(claims: readonly Claim[]): number {
  return claims.reduce((sum, { bytes }) => sum + bytes, 0)
}

/** Whether a rank is another one or below it. */
function isUpTo(rank: Rank, other: Rank): boolean {
  return RANKS.indexOf(rank) <= RANKS.indexOf(other)
}
