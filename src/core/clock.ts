import { randomInt } from 'node:crypto'

/** Time, passed in so that a test can drive it. Wall time since 1970 UTC; monotonic time from any start. */
export interface Clock {
  nowMs(): number
  monotonicMs(): number
  /** Calls back once, after the delay; the result cancels. A pending call does not keep the process alive. */
  after(delayMs: number, callback: () => void): () => void
}

/** Randomness, passed in so that a test can seed it. */
export interface Random {
  /** A whole number, uniformly in [1, 2^48): a safe Iceberg snapshot id. */
  id(): number
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after: (delayMs, callback) => {
    const timer = setTimeout(callback, delayMs).unref()
    return () => clearTimeout(timer)
  },
}

export const systemRandom: Random = { id: () => randomInt(1, 2 ** 48 - 1) }
