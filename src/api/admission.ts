import { TicklakeError } from '#core'

export interface AdmissionBounds {
  /** Bodies under way. */
  readonly maxRequests: number
  /** Bytes of them. A single body is let in however long it is: it has a bound of its own. */
  readonly maxUnderWayBytes: number
}

/** Lets bodies in, so many and so many bytes at a time. */
export class Admission {
  readonly #bounds: AdmissionBounds
  #requests = 0
  #bytes = 0

  constructor(bounds: AdmissionBounds) {
    this.#bounds = bounds
  }

  /** Takes a place for a body and gives what gives it back, to be called once; `overloaded` when there is none. */
  enter(bytes: number): () => void {
    const { maxRequests, maxUnderWayBytes } = this.#bounds
    const isFull = this.#requests >= maxRequests || this.#bytes + bytes > maxUnderWayBytes
    if (this.#requests > 0 && isFull) {
      const taken = `${this.#requests} bodies of ${this.#bytes} bytes`
      throw new TicklakeError('overloaded', `${taken} are being taken already: try again later`)
    }
    this.#requests++
    this.#bytes += bytes
    return () => {
      this.#requests--
      this.#bytes -= bytes
    }
  }
}
