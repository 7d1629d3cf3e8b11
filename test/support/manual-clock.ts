import type { Clock } from '#core'

interface Pending {
  readonly dueMs: number
  readonly callback: () => void
}

/** Time that moves only when the test says so. */
export class ManualClock implements Clock {
  #wallMs: number
  #monotonicMs = 0
  readonly #pending = new Set<Pending>()

  constructor(startMs = 1_700_000_000_000) {
    this.#wallMs = startMs
  }

  nowMs(): number {
    return this.#wallMs
  }

  monotonicMs(): number {
    return this.#monotonicMs
  }

  after(delayMs: number, callback: () => void): () => void {
    const pending = { dueMs: this.#monotonicMs + delayMs, callback }
    this.#pending.add(pending)
    return () => this.#pending.delete(pending)
  }

  /** Lets time pass, and calls what has come due, in order. */
  advance(ms: number): void {
    this.#wallMs += ms
    this.#monotonicMs += ms
    const due = [...this.#pending].filter(({ dueMs }) => dueMs <= this.#monotonicMs)
    for (const pending of due.sort((a, b) => a.dueMs - b.dueMs)) {
      this.#pending.delete(pending)
      pending.callback()
    }
  }

  /** Sets the wall clock, back as well, as an administrator does. Monotonic time goes on. */
  setWall(ms: number): void {
    this.#wallMs = ms
  }
}
