import type { SequenceRun } from '#core'
import { OpenGaps } from './open-gaps.js'

/**
 * A stretch of sequence numbers that count on from each other, while rows come. The last number is held as its two
 * int32 halves, as columns hold it: the row that everybody expects costs no bigint.
 */
export class OpenRun {
  lastLow: number
  lastHigh: number
  first: bigint
  startMicros: number
  endMicros: number
  readonly gaps: OpenGaps

  constructor({ first, last, startMicros, endMicros, gaps }: SequenceRun) {
    this.lastLow = Number(BigInt.asIntN(32, last))
    this.lastHigh = Number(last >> 32n)
    this.first = first
    this.startMicros = startMicros
    this.endMicros = endMicros
    this.gaps = new OpenGaps(gaps)
  }

  static at(sequence: bigint, eventMicros: number): OpenRun {
    return new OpenRun({
      first: sequence,
      last: sequence,
      startMicros: eventMicros,
      endMicros: eventMicros,
      gaps: [],
    })
  }

  get last(): bigint {
    return joinHalves(this.lastLow, this.lastHigh)
  }

  /** As of now; later changes do not show. */
  get state(): SequenceRun {
    const { first, last, startMicros, endMicros, gaps } = this
    return { first, last, startMicros, endMicros, gaps: gaps.list() }
  }

  /** Whether the number is the one after the last. */
  isNext(low: number, high: number): boolean {
    return low === ((this.lastLow + 1) | 0) && high === (low === 0 ? this.lastHigh + 1 : this.lastHigh)
  }

  isBelowLast(low: number, high: number): boolean {
    return high === this.lastHigh ? low >>> 0 < this.lastLow >>> 0 : high < this.lastHigh
  }

  /** A number above all others came. */
  raise(low: number, high: number, eventMicros: number): void {
    this.lastLow = low
    this.lastHigh = high
    this.include(eventMicros)
  }

  /** A number below all others came. */
  lower(sequence: bigint, eventMicros: number): void {
    this.first = sequence
    this.include(eventMicros)
  }

  /** A row of that event time is of this run. */
  include(eventMicros: number): void {
    if (eventMicros > this.endMicros) this.endMicros = eventMicros
    if (eventMicros < this.startMicros) this.startMicros = eventMicros
  }

  /** How far an event time lies outside the run's own, in µs. */
  distance(eventMicros: number): number {
    if (eventMicros < this.startMicros) return this.startMicros - eventMicros
    return eventMicros > this.endMicros ? eventMicros - this.endMicros : 0
  }
}

export function joinHalves(low: number, high: number): bigint {
  return (BigInt(high) << 32n) | BigInt(low >>> 0)
}
