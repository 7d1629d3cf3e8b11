import { createHash } from 'node:crypto'
import { HttpError } from './problem.js'

const MAX_KEYS = 1_000
const MAX_BYTES = 16 * 1024 * 1024

interface Answered<A> {
  /** Of the request. */
  readonly fingerprint: string
  readonly answer: Promise<A>
  /** Of its text; 0 while it is being made. */
  bytes: number
}

/**
 * The newest answers by the keys of their requests, in memory: a request that is sent again is answered as it was, and
 * does nothing. What failed is forgotten, since it may be tried again. A restart forgets all.
 */
export class AnsweredRequests<A extends { readonly text: string }> {
  readonly #answered = new Map<string, Answered<A>>()
  #bytes = 0

  /** 422 when the key came with another request. */
  answer(key: string, request: readonly string[], work: () => Promise<A>): Promise<A> {
    const fingerprint = createHash('sha256').update(request.join('\0')).digest('hex')
    const known = this.#answered.get(key)
    if (known && known.fingerprint !== fingerprint) {
      throw new HttpError(422, `Idempotency-Key: ${key} came with another request already: draw a new one`)
    }
    if (known) return known.answer
    const entry: Answered<A> = { fingerprint, answer: work(), bytes: 0 }
    this.#answered.set(key, entry)
    entry.answer.then(
      ({ text }) => this.#keep(key, entry, text.length),
      () => this.#isKnown(key, entry) && this.#answered.delete(key),
    )
    return entry.answer
  }

  /** False when it has made room for others meanwhile. */
  #isKnown(key: string, entry: Answered<A>): boolean {
    return this.#answered.get(key) === entry
  }

  #keep(key: string, entry: Answered<A>, bytes: number): void {
    if (!this.#isKnown(key, entry)) return
    entry.bytes = bytes
    this.#bytes += bytes
    for (const [oldestKey, oldest] of this.#answered) {
      if (this.#answered.size <= MAX_KEYS && this.#bytes <= MAX_BYTES) return
      this.#answered.delete(oldestKey)
      this.#bytes -= oldest.bytes
    }
  }
}
