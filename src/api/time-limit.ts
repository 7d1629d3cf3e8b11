import { type Clock, TicklakeError } from '#core'
import { type Answer, RowData } from '#query'

/** How long a client waits at most: for an answer to begin, and, where it is streamed, for each further part of it. */
export class TimeLimit {
  readonly #limitMs: number
  readonly #clock: Clock
  readonly #late = new AbortController()

  constructor(limitMs: number, clock: Clock) {
    this.#limitMs = limitMs
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
    const cancel = this.#clock.after(this.#limitMs, () =>
      this.#late.abort(
        new TicklakeError(
          'timeout',
          `the statement was ended after ${this.#limitMs} ms: ask for less, or raise timeout_ms`,
        ),
      ),
    )
    try {
      return await work
    } finally {
      cancel()
    }
  }
}
