import { expect, test } from 'vitest'
import type { InstrumentState, SequenceGap } from '#core'
import { openGaps } from '../../src/query/gaps.js'

const SECOND = 1_000_000

/** Numbers that are missing between two seconds. */
function gap(from: bigint, to: bigint, after: number, before: number): SequenceGap {
  const times = { afterMicros: after * SECOND, beforeMicros: before * SECOND, detectedMicros: 0 }
  return { from, to, sessionDay: 0, ...times }
}

function instrument(exchange: string, symbol: string, gaps: readonly SequenceGap[]): InstrumentState {
  const run = { first: 1n, last: 99n, startMicros: 0, endMicros: 0, gaps }
  return {
    partition: 0,
    exchange,
    symbol,
    accepted: 1,
    newestMicros: null,
    duplicates: 0,
    refused: {},
    prices: null,
    runs: [run],
  }
}

const ALL = { symbols: null, exchange: null, startNanos: null, endNanos: null }
const INSTRUMENTS = [
  instrument('ASX', 'BHP', [gap(3n, 4n, 10, 20), gap(7n, 7n, 30, 30)]),
  instrument('ASX', 'CBA', [gap(5n, 5n, 10, 11)]),
  instrument('XNAS', 'BHP', [gap(2n ** 62n, 2n ** 62n + 9n, 10, 40)]),
]

test('gaps are those of the symbols, the exchange and the times that were asked for', () => {
  const found = (selection: object) =>
    openGaps(INSTRUMENTS, { ...ALL, ...selection })?.listed.map(({ exchange, symbol, from }) =>
      [exchange, symbol, from].join(' '),
    ) ?? null
  const nanos = (seconds: number) => BigInt(seconds) * 1_000_000_000n
  expect(found({})).toHaveLength(4)
  expect(found({ symbols: ['BHP'] })).toEqual(['ASX BHP 3', 'ASX BHP 7', 'XNAS BHP 4611686018427387904'])
  expect(found({ symbols: ['BHP'], exchange: 'ASX' })).toEqual(['ASX BHP 3', 'ASX BHP 7'])
  expect(found({ exchange: 'ASX', startNanos: nanos(21) })).toEqual(['ASX BHP 7'])
  expect(found({ exchange: 'ASX', endNanos: nanos(11) })).toEqual(['ASX BHP 3', 'ASX CBA 5'])
  expect(found({ exchange: 'ASX', endNanos: nanos(10) })).toBe(null)
  expect(found({ symbols: ['XYZ'] })).toBe(null)
})

test('all are counted, and a hundred listed, with numbers and times exact', () => {
  const gaps = Array.from({ length: 250 }, (_, each) => gap(BigInt(10 * each), BigInt(10 * each + 1), 1, 2))
  const found = openGaps([instrument('ASX', 'BHP', gaps)], ALL)
  expect(found).toMatchObject({ count: 250, missing: 500n })
  expect(found?.listed).toHaveLength(100)
  expect(found?.listed[0]).toEqual({
    symbol: 'BHP',
    exchange: 'ASX',
    from: 0n,
    to: 1n,
    after: '1970-01-01T00:00:01.000000Z',
    before: '1970-01-01T00:00:02.000000Z',
  })
})
