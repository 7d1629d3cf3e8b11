import type { Random } from '#core'

/** Repeatable randomness for tests: the same seed gives the same numbers on every machine (splitmix32). */
export class SeededRandom implements Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed | 0
  }

  /** Uniform in [0, 2^32). */
  uint32(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0
    let mixed = this.#state ^ (this.#state >>> 16)
    mixed = Math.imul(mixed, 0x21f0aaad)
    mixed ^= mixed >>> 15
    mixed = Math.imul(mixed, 0x735a2d97)
    return (mixed ^ (mixed >>> 15)) >>> 0
  }

  /** Uniform in [0, bound), for bounds below 2^32. */
  below(bound: number): number {
    return Math.floor((this.uint32() / 2 ** 32) * bound)
  }

  /** True once in `n` draws, on average. */
  oneIn(n: number): boolean {
    return this.below(n) === 0
  }

  pick<T>(choices: readonly T[]): T {
    // `below` stays under the length, so that the element is there.
    return choices[this.below(choices.length)] as T
  }

  /** Uniform in [0, bound), for any bound. */
  bigBelow(bound: bigint): bigint {
    const wide = (BigInt(this.uint32()) << 64n) | (BigInt(this.uint32()) << 32n) | BigInt(this.uint32())
    return wide % bound
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256))
  }

  id(): number {
    return 1 + Number(this.bigBelow(2n ** 47n))
  }
}
