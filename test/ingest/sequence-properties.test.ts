import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MICROS_PER_DAY, QualityFlag, type SequenceGap } from '#core'
import { gapSize } from '../../src/ingest/open-gaps.js'
import { type Filled, MAX_RUNS } from '../../src/ingest/sequence-tracker.js'
import {
  flagsOf,
  newTracker,
  OPEN_MICROS as OPEN,
  observe,
  type SequenceRow,
} from '../support/sequence-rows.js'

const { sequenceGap, outOfOrder, duplicateSequence } = QualityFlag
const HOUR = 3_600_000_000

/** A stream that runs from `first`, without some numbers, with some twice, in some order, by appends of the log. */
const shuffledRows = fc
  .record({
    first: fc.constantFrom(1n, 2n ** 32n - 40n, -20n, 2n ** 53n),
    sequences: fc
      .uniqueArray(fc.nat({ max: 120 }), { minLength: 1, maxLength: 120 })
      .chain((kept) =>
        fc.oneof(
          fc.constant(kept),
          fc.constant(kept.toSorted((a, b) => a - b)),
          fc.shuffledSubarray([...kept, ...kept], { minLength: 1 }),
        ),
      ),
    appends: fc.integer({ min: 1, max: 8 }),
  })
  .map(({ first, sequences, appends }) =>
    sequences.map(
      (sequence, index): SequenceRow => ({
        sequence: first + BigInt(sequence),
        eventMicros: OPEN + sequence * 1000,
        logMicros: Math.floor((index * appends) / sequences.length),
      }),
    ),
  )

/** Rows of several days in any order and with any times, so that every rule has its turn. */
const anyRows = fc
  .array(
    fc.record({
      sequence: fc.oneof(fc.bigInt({ min: 1n, max: 12n }), fc.bigInt({ min: 1n, max: 200n })),
      eventMicros: fc
        .tuple(fc.nat({ max: 30 }), fc.nat({ max: 3 * HOUR }))
        .map(([day, micros]) => OPEN + day * MICROS_PER_DAY + micros),
      appendEnds: fc.boolean(),
      isMonotone: fc.integer({ max: 9, min: 0 }).map((draw) => draw === 0),
    }),
    { maxLength: 150 },
  )
  .map((given) => {
    let logMicros = 1
    return given.map(
      ({ appendEnds, ...row }): SequenceRow => ({ ...row, logMicros: appendEnds ? logMicros++ : logMicros }),
    )
  })

/** The obvious way: all numbers that came, in a set. Right within one run. */
class Obvious {
  readonly #came = new Set<bigint>()
  first = 0n
  last = 0n

  observe({ sequence }: SequenceRow): number {
    const { first, last } = this
    const isFirst = this.#came.size === 0
    const isKnown = this.#came.has(sequence)
    this.#came.add(sequence)
    if (isFirst || sequence < first) this.first = sequence
    if (isFirst || sequence > last) this.last = sequence
    if (isFirst) return 0
    if (isKnown) return duplicateSequence
    if (sequence > last) return sequence === last + 1n ? 0 : sequenceGap
    return sequence < first - 1n ? outOfOrder | sequenceGap : outOfOrder
  }

  get missing(): bigint[] {
    const missing: bigint[] = []
    for (let number = this.first; number < this.last; number++) {
      if (!this.#came.has(number)) missing.push(number)
    }
    return missing
  }
}

function numbers(gaps: readonly Pick<SequenceGap, 'from' | 'to'>[]): bigint[] {
  return gaps.flatMap(({ from, to }) =>
    Array.from({ length: gapSize({ from, to }) }, (_, i) => from + BigInt(i)),
  )
}

const REPORT = { numRuns: 400, verbose: true } as const

describe('for any stream (a failure prints its seed)', () => {
  test('flags and open gaps are those of the obvious way, and gaps are in order', () => {
    const property = fc.property(shuffledRows, (given) => {
      const tracker = newTracker()
      const obvious = new Obvious()
      for (const row of given) expect(observe(tracker, row)).toBe(obvious.observe(row))
      expect(tracker.runs.length).toBe(1)
      const { first, last, gaps } = tracker.runs[0]!
      expect([first, last]).toEqual([obvious.first, obvious.last])
      expect(numbers(gaps)).toEqual(obvious.missing)
      for (const [index, gap] of gaps.entries()) {
        expect(gap.afterMicros).toBeLessThanOrEqual(gap.beforeMicros)
        if (index > 0) expect(gap.from).toBeGreaterThan(gaps[index - 1]!.to + 1n)
      }
    })
    fc.assert(property, REPORT)
  })

  test('what was missing after any append is open or was filled, once', () => {
    const property = fc.property(shuffledRows, (given) => {
      const tracker = newTracker()
      const obvious = new Obvious()
      const everMissing = new Set<bigint>()
      const filled: Filled[] = []
      given.forEach((row, index) => {
        observe(tracker, row)
        obvious.observe(row)
        if (row.logMicros === given[index + 1]?.logMicros) return
        for (const number of obvious.missing) everMissing.add(number)
        filled.push(...tracker.takeEvents().filled)
      })
      const told = [...numbers(filled), ...numbers(tracker.runs[0]!.gaps)]
      expect(told.toSorted(ascending)).toEqual([...everMissing].toSorted(ascending))
    })
    fc.assert(property, REPORT)
  })

  test('a tracker made of the state of another goes on as that one would have [inv 15]', () => {
    const property = fc.property(anyRows, fc.nat(), (given, cut) => {
      const middle = cut % (given.length + 1)
      const whole = newTracker()
      const before = flagsOf(whole, given.slice(0, middle))
      whole.takeEvents()
      const kept = whole.runs
      const keptBefore = structuredClone(kept)
      const restored = newTracker(keptBefore)
      const after = flagsOf(whole, given.slice(middle))
      expect(flagsOf(restored, given.slice(middle))).toEqual(after)
      expect(restored.runs).toEqual(whole.runs)
      expect(restored.takeEvents()).toEqual(whole.takeEvents())
      expect(kept, 'a state handed out does not change').toEqual(keptBefore)
      // Nor does it matter where else the state is looked at or events are taken.
      const watched = newTracker()
      const flags = given.map((row) => {
        watched.takeEvents()
        expect(watched.runs.length).toBeLessThanOrEqual(MAX_RUNS)
        return observe(watched, row)
      })
      expect(flags).toEqual([...before, ...after])
      expect(watched.runs).toEqual(whole.runs)
    })
    fc.assert(property, REPORT)
  })

  test('the times of two runs never overlap', () => {
    const property = fc.property(anyRows, (given) => {
      const tracker = newTracker()
      for (const row of given) {
        observe(tracker, row)
        const byTime = tracker.runs.toSorted((a, b) => a.startMicros - b.startMicros)
        for (const [index, run] of byTime.entries()) {
          if (index > 0) expect(run.startMicros).toBeGreaterThan(byTime[index - 1]!.endMicros)
        }
      }
    })
    fc.assert(property, REPORT)
  })
})

function ascending(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0
}
