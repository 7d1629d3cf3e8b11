import { AssertionError } from 'node:assert'

/** States an invariant. A false one is a programming error and crashes. */
export function assert(condition: boolean, invariant: string): asserts condition {
  if (!condition) throw new AssertionError({ message: invariant })
}

/** Closes a `switch` over a union: compiles only when every case is handled. */
export function unreachable(value: never): never {
  throw new AssertionError({ message: `unreachable: ${JSON.stringify(value)}` })
}
