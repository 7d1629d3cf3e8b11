import { type Clock, invalid, TicklakeError } from '#core'
import { type Answer, RowData } from '#query'

/** How long clients may wait, and how long they do that say nothing. */
export interface TimeBounds {
  readonly timeoutMs: number
  readonly maxTimeoutMs: number
}

/** How long a client waits at most: for an answer to begin, and, where it is streamed, for each further part of it. */
export class TimeLimit {
  readonly #limitMs: number
  readonly #clock: Clock
  readonly #late = new AbortController()

  /** `invalid_input` for a wish beyond what is allowed. */
  constructor(askedMs: number | undefined, { timeoutMs, maxTimeoutMs }: TimeBounds, clock: Clock) {
    if (askedMs !== undefined && askedMs > maxTimeoutMs)
      throw invalid('timeout_ms', askedMs, `a whole number of milliseconds from 1 to ${maxTimeoutMs}`)
    this.#limitMs = askedMs ?? timeoutMs
    this.#clock = clock
  }

  /** Aborts with `timeout` when a wait is too long. */
  get signal(): AbortSignal {
    return this.#late.signal
  }

  /** An answer whose query has this signal. */
  async answer(answering: Promise<Answer>): Promise<Answer> {
    const answer = await this.#within(answering)
    const { data } = answer
    if (!data.isStreamed) return answer
    return { ...answer, data: RowData.streamed(this.#parts(data), () => data.close()) }
  }

  /** A reader may take its time between two parts. */
  async *#parts(data: RowData): AsyncGenerator<Uint8Array> {
    const parts = data[Symbol.asyncIterator]()
    for (;;) {
      const next = await this.#within(parts.next())
      if (next.done) return
      yield next.value
    }
  }

  async #within<T>(work: Promise<T>): Promise<T> {
    const cancel = this.#clock.after(this.#limitMs, () => {
      const message = `the query was ended after ${this.#limitMs} ms: ask for less, or raise timeout_ms`
      this.#late.abort(new TicklakeError('timeout', message))
    })
    try {
      return await work
    } finally {
      cancel()
    }
  }
}
