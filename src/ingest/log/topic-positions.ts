import { type OffsetVector, TicklakeError } from '#core'

/** Where each partition of a topic begins and ends, and who waits for it to go on. */
export class TopicPositions {
  readonly topic: string
  #begin: OffsetVector
  #end: OffsetVector
  readonly #waiting = new Set<() => void>()

  constructor(topic: string, begin: OffsetVector, end: OffsetVector) {
    this.topic = topic
    this.#begin = begin
    this.#end = end
  }

  get partitionCount(): number {
    return this.#end.length
  }

  get begin(): OffsetVector {
    return this.#begin
  }

  get end(): OffsetVector {
    return this.#end
  }

  /** New ends; wakes whoever waits. */
  advance(end: OffsetVector): void {
    this.#end = end
    for (const wake of [...this.#waiting]) wake()
  }

  trimmed(begin: OffsetVector): void {
    this.#begin = begin
  }

  /** A position that the log can't serve is an error that says which partition and what is missing. */
  check(from: OffsetVector): void {
    if (from.length !== this.partitionCount) {
      throw new TicklakeError(
        'invalid_input',
        `the position has ${from.length} partitions, topic ${this.topic} has ${this.partitionCount}`,
      )
    }
    from.forEach((offset, partition) => {
      const begin = this.#begin[partition]!
      const end = this.#end[partition]!
      if (offset < begin) {
        throw new TicklakeError(
          'gone',
          `topic ${this.topic}, partition ${partition}: offsets ${offset} to ${begin - 1} are no longer kept; the log begins at ${begin}`,
        )
      }
      if (offset > end) {
        throw new TicklakeError(
          'not_found',
          `topic ${this.topic}, partition ${partition}: offsets ${end} to ${offset - 1} are missing; the log ends at ${end}`,
        )
      }
    })
  }

  /** Resolves when the end lies beyond `from` in any partition, or the signal aborts. */
  beyond(from: OffsetVector, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const settle = () => {
        if (!signal.aborted && this.#end.every((end, partition) => end <= (from[partition] ?? 0))) return
        this.#waiting.delete(settle)
        signal.removeEventListener('abort', settle)
        resolve()
      }
      this.#waiting.add(settle)
      signal.addEventListener('abort', settle)
      settle()
    })
  }
}
