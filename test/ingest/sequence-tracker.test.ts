import { describe, expect, test } from 'vitest'
import { MICROS_PER_DAY, QualityFlag } from '#core'
import { gapSize } from '../../src/ingest/open-gaps.js'
import { GapBudget, MAX_GAPS, MAX_RUNS, SequenceTracker } from '../../src/ingest/sequence-tracker.js'
import {
  flagsOf,
  newTracker,
  OPEN_MICROS as OPEN,
  observe,
  ranges,
  type SequenceRow,
} from '../support/sequence-rows.js'

const { sequenceGap, outOfOrder, duplicateSequence, sequenceReset } = QualityFlag
const HOUR = 3_600_000_000

/** Rows of one append, with event times that rise with the numbers. */
function rows(sequences: readonly number[], { from = OPEN, logMicros = 1 } = {}): SequenceRow[] {
  return sequences.map((sequence) => ({
    sequence: BigInt(sequence),
    eventMicros: from + sequence,
    logMicros,
  }))
}

/** Runs as text: numbers and gaps. */
function shape(tracker: SequenceTracker): string[] {
  return tracker.runs.map(({ first, last, gaps }) => [`${first}–${last}`, ...ranges(gaps)].join(' without '))
}

function observeMonotone(tracker: SequenceTracker, sequence: bigint, eventMicros: number): number {
  return observe(tracker, { sequence, eventMicros, logMicros: 1, isMonotone: true })
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index)
}

describe('numbers that rise by one', () => {
  test('the first row begins a run, the next number goes on', () => {
    const tracker = newTracker()
    expect(flagsOf(tracker, rows([7, 8, 9]))).toEqual([0, 0, 0])
    expect(tracker.runs).toEqual([
      { first: 7n, last: 9n, startMicros: OPEN + 7, endMicros: OPEN + 9, gaps: [] },
    ])
  })

  test.each([0xffff_fffen, 0x7fff_fffen, -2n, 2n ** 53n - 1n, 2n ** 63n - 3n, -(2n ** 63n)])(
    'count on across every border of 32 and 53 bits (from %s)',
    (first) => {
      const tracker = newTracker()
      const given = [0n, 1n, 2n].map((step) => ({ sequence: first + step, eventMicros: OPEN, logMicros: 1 }))
      expect(flagsOf(tracker, given)).toEqual([0, 0, 0])
      expect(tracker.runs).toMatchObject([{ first, last: first + 2n }])
    },
  )

  test('the least number is not what follows the greatest', () => {
    const tracker = newTracker()
    observe(tracker, { sequence: 2n ** 63n - 1n, eventMicros: OPEN, logMicros: 1 })
    expect(observe(tracker, { sequence: -(2n ** 63n), eventMicros: OPEN, logMicros: 1 })).not.toBe(0)
  })

  test('a jump reveals a gap, with the times and the session between which it lies', () => {
    const tracker = newTracker()
    expect(flagsOf(tracker, rows([1, 2, 6], { logMicros: 77 }))).toEqual([0, 0, sequenceGap])
    const gap = {
      from: 3n,
      to: 5n,
      sessionDay: 19_800,
      afterMicros: OPEN + 2,
      beforeMicros: OPEN + 6,
      detectedMicros: 77,
    }
    expect(tracker.runs[0]!.gaps).toEqual([gap])
    expect(tracker.takeEvents()).toEqual({ opened: [gap], filled: [], gapsGivenUp: 0 })
    expect(gapSize(gap)).toBe(3)
    expect(tracker.takeEvents().opened).toEqual([])
  })

  test('times of a gap are in order even where event times are not', () => {
    const tracker = newTracker()
    flagsOf(tracker, [
      { sequence: 1n, eventMicros: OPEN + 9, logMicros: 1 },
      { sequence: 3n, eventMicros: OPEN, logMicros: 1 },
    ])
    expect(tracker.runs[0]!.gaps).toMatchObject([{ afterMicros: OPEN, beforeMicros: OPEN + 9 }])
  })

  test.each([
    ['its only number', [1, 3], [2], [], ['2–2']],
    ['its first', [1, 5], [2], ['3–4'], ['2–2']],
    ['its last', [1, 5], [4], ['2–3'], ['4–4']],
    ['one within', [1, 6], [3], ['2–2', '4–5'], ['3–3']],
    ['several, upwards', [1, 6], [3, 4], ['2–2', '5–5'], ['3–4']],
    ['several, downwards', [1, 6], [4, 3], ['2–2', '5–5'], ['3–4']],
    ['apart', [1, 6], [2, 5], ['3–4'], ['2–2', '5–5']],
    ['of two gaps', [1, 3, 5], [4, 2], [], ['4–4', '2–2']],
  ])('late rows fill a gap: %s', (_, first, late, open, filled) => {
    const tracker = newTracker()
    flagsOf(tracker, rows(first, { logMicros: 1 }))
    expect(flagsOf(tracker, rows(late, { logMicros: 2 }))).toEqual(late.map(() => outOfOrder))
    expect(ranges(tracker.runs[0]!.gaps)).toEqual(open)
    const events = tracker.takeEvents()
    expect(ranges(events.filled)).toEqual(filled)
    expect(events.filled.every((gap) => gap.detectedMicros === 1 && gap.filledMicros === 2)).toBe(true)
  })

  test('what a late row leaves open is known more closely', () => {
    const tracker = newTracker()
    flagsOf(tracker, rows([10, 50], { logMicros: 1 }))
    flagsOf(tracker, rows([30], { logMicros: 2 }))
    expect(tracker.runs[0]!.gaps).toMatchObject([
      { from: 11n, to: 29n, afterMicros: OPEN + 10, beforeMicros: OPEN + 30, detectedMicros: 1 },
      { from: 31n, to: 49n, afterMicros: OPEN + 30, beforeMicros: OPEN + 50, detectedMicros: 1 },
    ])
  })

  test.each([[[3, 4]], [[4, 3]]])('neighbours filled together lie between the times of both (%s)', (late) => {
    const tracker = newTracker()
    flagsOf(tracker, rows([1, 6], { logMicros: 1 }))
    flagsOf(tracker, rows(late, { logMicros: 2 }))
    expect(tracker.takeEvents().filled).toMatchObject([
      { from: 3n, to: 4n, afterMicros: OPEN + 1, beforeMicros: OPEN + 6 },
    ])
  })

  test('fills of different appends are told apart', () => {
    const tracker = newTracker()
    flagsOf(tracker, rows([1, 9], { logMicros: 1 }))
    flagsOf(tracker, rows([2, 3], { logMicros: 2 }))
    flagsOf(tracker, rows([4], { logMicros: 3 }))
    const { filled } = tracker.takeEvents()
    expect(ranges(filled)).toEqual(['2–3', '4–4'])
    expect(filled.map((gap) => gap.filledMicros)).toEqual([2, 3])
    expect(filled[0]).toMatchObject({ afterMicros: OPEN + 1, beforeMicros: OPEN + 9 })
  })

  test('a gap that one append reveals and fills was never one', () => {
    const tracker = newTracker()
    expect(flagsOf(tracker, rows([1, 3, 2, 4]))).toEqual([0, sequenceGap, outOfOrder, 0])
    expect(shape(tracker)).toEqual(['1–4'])
    expect(tracker.takeEvents().filled).toEqual([])
  })

  test('a number that came before is a duplicate and changes nothing', () => {
    const tracker = newTracker()
    flagsOf(tracker, rows([1, 2, 3, 7]))
    const before = tracker.runs
    const again = [2n, 7n, 1n].map((sequence) => ({ sequence, eventMicros: OPEN + 900, logMicros: 2 }))
    expect(flagsOf(tracker, again)).toEqual([duplicateSequence, duplicateSequence, duplicateSequence])
    expect(tracker.runs).toEqual(before)
  })

  test('a run grows at its front, with a gap between', () => {
    const tracker = newTracker()
    expect(flagsOf(tracker, rows([10, 9, 5]))).toEqual([0, outOfOrder, outOfOrder | sequenceGap])
    expect(shape(tracker)).toEqual(['5–10 without 6–8'])
    expect(tracker.runs[0]!.gaps).toMatchObject([{ afterMicros: OPEN + 5, beforeMicros: OPEN + 9 }])
  })
})

describe('numbers that begin anew', () => {
  const nextDay = OPEN + MICROS_PER_DAY

  test('more than an hour later, below half', () => {
    const tracker = newTracker()
    flagsOf(tracker, rows(range(1, 100)))
    const from = OPEN + 100 + HOUR
    expect(flagsOf(tracker, rows([1, 2, 3], { from }))).toEqual([sequenceReset, 0, 0])
    expect(shape(tracker)).toEqual(['1–100', '1–3'])
  })

  test.each([
    ['only an hour later', [100], [1], HOUR + 100],
    ['at half', [1, 100], [50], 5 * HOUR],
    ['at once', [100], [1], 200],
  ])('not when %s', (_, before, [sequence], laterMicros) => {
    const tracker = newTracker()
    flagsOf(tracker, rows(before))
    observe(tracker, { sequence: BigInt(sequence!), eventMicros: OPEN + laterMicros, logMicros: 2 })
    expect(tracker.runs.length).toBe(1)
  })

  test('in a new session, however short the pause', () => {
    const tracker = newTracker()
    const midnight = 19_801 * MICROS_PER_DAY
    flagsOf(tracker, rows(range(1, 9), { from: midnight - 10 }))
    expect(flagsOf(tracker, rows([1, 2], { from: midnight - 1 }))).toEqual([sequenceReset, 0])
  })

  test('even where the number is missing in the run before', () => {
    const tracker = newTracker()
    flagsOf(tracker, rows([1, 5, 6, 7, 8, 9]))
    expect(flagsOf(tracker, rows([2, 3], { from: nextDay }))).toEqual([sequenceReset, 0])
    expect(shape(tracker)).toEqual(['1–9 without 2–4', '2–3'])
  })

  test('late rows go to the run of their time', () => {
    const tracker = newTracker()
    flagsOf(tracker, rows([1, 2, 3, 5, 6]))
    flagsOf(tracker, rows([1, 2], { from: nextDay }))
    expect(flagsOf(tracker, rows([4, 7, 9]))).toEqual([outOfOrder, 0, sequenceGap])
    expect(flagsOf(tracker, rows([3, 4], { from: nextDay }))).toEqual([0, 0])
    expect(shape(tracker)).toEqual(['1–9 without 8–8', '1–4'])
  })

  test('a row whose time lies a little before the reset is of the new run', () => {
    const tracker = newTracker()
    flagsOf(tracker, rows(range(1, 9)))
    flagsOf(tracker, rows([1], { from: nextDay }))
    expect(observe(tracker, { sequence: 2n, eventMicros: nextDay - 5, logMicros: 1 })).toBe(0)
    expect(shape(tracker)).toEqual(['1–9', '1–2'])
  })

  test('days loaded backwards are runs of their own, whatever number their first row has', () => {
    const tracker = newTracker()
    for (const [day, first] of [
      [9, 1],
      [8, 1],
      [7, 4],
      [6, 20],
    ] as const) {
      const flags = flagsOf(tracker, rows(range(first, 30), { from: OPEN + day * MICROS_PER_DAY }))
      expect(new Set(flags)).toEqual(new Set([0]))
    }
    expect(shape(tracker)).toEqual(['1–30', '1–30', '4–30', '20–30'])
    // And a day between them, last.
    expect(flagsOf(tracker, rows([1, 2], { from: OPEN + 8.5 * MICROS_PER_DAY }))).toEqual([sequenceReset, 0])
  })

  test('numbers that go on over days are one run, forwards and backwards', () => {
    const tracker = newTracker()
    const day = (number: number) =>
      rows(range(100 * number, 100 * number + 99), { from: OPEN + number * MICROS_PER_DAY })
    expect(new Set(flagsOf(tracker, day(8)))).toEqual(new Set([0]))
    expect(new Set(flagsOf(tracker, day(9)))).toEqual(new Set([0]))
    expect(flagsOf(tracker, day(7)).slice(1)).toEqual(new Array(99).fill(outOfOrder))
    expect(shape(tracker)).toEqual(['700–999'])
  })

  test('only so many runs are kept; the one that was first is forgotten with its gaps', () => {
    const tracker = newTracker()
    for (const day of range(0, MAX_RUNS)) {
      flagsOf(tracker, rows([1, 2, 9], { from: OPEN + day * MICROS_PER_DAY }))
    }
    expect(tracker.runs.length).toBe(MAX_RUNS)
    expect(tracker.runs[0]!.startMicros).toBe(OPEN + MICROS_PER_DAY + 1)
    expect(tracker.takeEvents().gapsGivenUp).toBe(1)
  })
})

test('only so many gaps are kept; the lowest is forgotten, and its number is a duplicate when it comes', () => {
  const tracker = newTracker()
  flagsOf(tracker, rows(range(0, MAX_GAPS + 2).map((index) => 1 + 2 * index)))
  const { gaps } = tracker.runs[0]!
  expect(gaps.length).toBe(MAX_GAPS)
  expect(gaps[0]).toMatchObject({ from: 6n, to: 6n })
  expect(tracker.takeEvents().gapsGivenUp).toBe(2)
  expect(flagsOf(tracker, rows([4, 6], { logMicros: 2 }))).toEqual([duplicateSequence, outOfOrder])
})

test('a gap that falls apart makes no more than that', () => {
  const tracker = newTracker()
  flagsOf(tracker, rows([0, 3 * MAX_GAPS]))
  flagsOf(tracker, rows(range(1, MAX_GAPS + 1).map((index) => 2 * index)))
  expect(tracker.runs[0]!.gaps.length).toBe(MAX_GAPS)
  expect(tracker.takeEvents().gapsGivenUp).toBe(2)
})

describe('numbers that never fall', () => {
  test('may leave others out and repeat, but not fall', () => {
    const tracker = newTracker()
    const flags = [5n, 9n, 9n, 8n, 2n, 12n].map((sequence) => observeMonotone(tracker, sequence, OPEN))
    expect(flags).toEqual([0, 0, 0, outOfOrder, outOfOrder, 0])
    expect(shape(tracker)).toEqual(['2–12'])
  })

  test('are compared as 64-bit numbers', () => {
    const tracker = newTracker()
    const rising = [-(2n ** 63n), -1n, 0n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 63n - 1n]
    expect(rising.map((sequence) => observeMonotone(tracker, sequence, OPEN))).toEqual(rising.map(() => 0))
    expect(observeMonotone(tracker, 2n ** 63n - 2n, OPEN)).toBe(outOfOrder)
  })

  test('begin anew each session; an older session is a run of its own', () => {
    const tracker = newTracker()
    const day = (number: number) => OPEN + number * MICROS_PER_DAY
    expect(observeMonotone(tracker, 500n, day(5))).toBe(0)
    expect(observeMonotone(tracker, 3n, day(6))).toBe(sequenceReset)
    expect(observeMonotone(tracker, 700n, day(4))).toBe(0)
    expect(observeMonotone(tracker, 8n, day(6) + 9)).toBe(0)
    expect(observeMonotone(tracker, 7n, day(6) + 8)).toBe(outOfOrder)
    expect(observeMonotone(tracker, 2n, day(3))).toBe(0)
    expect(shape(tracker)).toEqual(['500–500', '3–8', '700–700', '2–2'])
  })
})

test('instruments of a partition share a bound of open gaps: who reveals one too many forgets its lowest', () => {
  const budget = new GapBudget(3)
  const trackers = [0, 1].map(() => new SequenceTracker([], () => 0, budget))
  const reveal = (tracker: SequenceTracker, ...numbers: number[]) => {
    for (const number of numbers) tracker.observeContiguous(number, 0, OPEN + number, 0)
  }
  reveal(trackers[0]!, 1, 3, 5)
  reveal(trackers[1]!, 1, 3, 5)
  const gapsOf = (tracker: SequenceTracker) => tracker.runs.flatMap((run) => ranges(run.gaps))
  expect(trackers.map(gapsOf)).toEqual([['2–2', '4–4'], ['4–4']])
  expect(trackers[1]!.takeEvents().gapsGivenUp).toBe(1)
  reveal(trackers[0]!, 2)
  reveal(trackers[1]!, 7)
  expect(trackers.map(gapsOf)).toEqual([['4–4'], ['4–4', '6–6']])
  // A tracker that goes on from these runs counts as the one before.
  const restored = new GapBudget(3)
  for (const { runs } of trackers) new SequenceTracker(runs, () => 0, restored)
  expect(restored.open).toBe(budget.open)
})
