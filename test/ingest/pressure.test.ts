import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Logger } from '#core'
import type { ConsumerStatus } from '#ingest'
import { nextPressure, Pressure, type PressureState, type Strain } from '../../src/ingest/pressure.js'
import { LoadFixture } from '../support/load-fixture.js'
import { ManualClock } from '../support/manual-clock.js'

const BOUNDS = {
  elevated: { lagRecords: 1_000, heapShare: 0.75 },
  critical: { lagRecords: 5_000, heapShare: 0.9 },
}
const LEVELS: readonly PressureState[] = ['normal', 'elevated', 'critical']

const levelOf = (state: PressureState) => LEVELS.indexOf(state)
const strains = fc.record({
  lagRecords: fc.nat({ max: 10_000 }),
  heapShare: fc.double({ min: 0, max: 1, noNaN: true }),
})
const states = fc.constantFrom(...LEVELS)
const next = (state: PressureState, strain: Strain) => nextPressure(state, strain, BOUNDS)

describe('the next state', () => {
  test.each<[PressureState, number, number, PressureState]>([
    ['normal', 999, 0.74, 'normal'],
    ['normal', 1_000, 0, 'elevated'],
    ['normal', 0, 0.75, 'elevated'],
    ['normal', 5_000, 0, 'critical'],
    ['elevated', 800, 0, 'elevated'],
    ['elevated', 799, 0.59, 'normal'],
    ['elevated', 0, 0.61, 'elevated'],
    ['critical', 4_000, 0, 'critical'],
    ['critical', 3_999, 0.71, 'elevated'],
    ['critical', 0, 0, 'normal'],
  ])(
    'after %s with %i records behind and %f of the heap is as the bounds say',
    (state, lagRecords, heapShare, after) => {
      expect(next(state, { lagRecords, heapShare })).toBe(after)
    },
  )

  test('never falls when the strain or the state before is higher, and holds while nothing changes', () => {
    fc.assert(
      fc.property(states, states, strains, strains, (a, b, strain, more) => {
        const higher = {
          lagRecords: Math.max(strain.lagRecords, more.lagRecords),
          heapShare: Math.max(strain.heapShare, more.heapShare),
        }
        expect(levelOf(next(a, higher))).toBeGreaterThanOrEqual(levelOf(next(a, strain)))
        const above = levelOf(a) > levelOf(b) ? a : b
        expect(levelOf(next(above, strain))).toBeGreaterThanOrEqual(levelOf(next(a, strain)))
        expect(next(next(a, strain), strain)).toBe(next(a, strain))
      }),
    )
  })

  test('does not flap: within a fifth below a bound, whatever order values come in, a state stays', () => {
    const trembling = fc.array(
      fc.record({
        lagRecords: fc.integer({ min: 800, max: 999 }),
        heapShare: fc.double({ min: 0, max: 0.7, noNaN: true }),
      }),
    )
    fc.assert(
      fc.property(fc.constantFrom<PressureState>('normal', 'elevated'), trembling, (state, values) => {
        for (const strain of values) expect(next(state, strain)).toBe(state)
      }),
    )
  })
})

/** A lake of one table whose lag, heap and failure a test sets. */
function fixture() {
  const clock = new ManualClock()
  const logged: { level: string; message: string; fields: object }[] = []
  const keep =
    (level: string) =>
    (message: string, fields: object = {}) =>
      void logged.push({ level, message, fields })
  const logger: Logger = {
    debug: keep('debug'),
    info: keep('info'),
    warn: keep('warn'),
    error: keep('error'),
    child: () => logger,
  }
  const lake = { lag: 0, heap: 0, failure: null as Error | null }
  const status = (): ConsumerStatus => ({
    table: 'trades',
    lagRecords: lake.lag,
    lagMs: 0,
    rows: 0,
    refusals: [],
    stalled: null,
    failure: lake.failure,
  })
  const pressure = new Pressure({
    consumers: [{ status }],
    heapShare: () => lake.heap,
    bounds: BOUNDS,
    clock,
    logger,
  })
  return {
    pressure,
    lake,
    logged,
    /** Sets the lag and lets the pressure look. */
    lag: (records: number) => {
      lake.lag = records
      clock.advance(250)
    },
    look: () => clock.advance(250),
  }
}

/** What a wait has come to, once everything has had its turn that could have. */
async function outcome(wait: Promise<void>): Promise<string> {
  let told = 'waits'
  wait.then(
    () => {
      told = 'calm'
    },
    (error: Error) => {
      told = error.message
    },
  )
  for (let turn = 0; turn < 10; turn++) await Promise.resolve()
  return told
}

describe('pressure', () => {
  test('lets loads wait from elevated on, and go on when it is normal again', async () => {
    const { pressure, lag } = fixture()
    await pressure.start()
    expect(await outcome(pressure.untilCalm())).toBe('calm')
    lag(1_000)
    const wait = pressure.untilCalm()
    expect(await outcome(wait)).toBe('waits')
    lag(900)
    expect(await outcome(wait)).toBe('waits')
    lag(100)
    expect(await outcome(wait)).toBe('calm')
    await pressure.stop()
  })

  test('refuses posted rows only when it is critical, as overloaded', async () => {
    const { pressure, lag } = fixture()
    await pressure.start()
    lag(4_999)
    expect(pressure.state).toBe('elevated')
    pressure.requireRoom()
    lag(5_000)
    expect(() => pressure.requireRoom()).toThrow(expect.objectContaining({ code: 'overloaded' }))
    lag(3_000)
    pressure.requireRoom()
    await pressure.stop()
  })

  test('tells each change of its state, once, with what it came from', async () => {
    const { pressure, lake, lag, look, logged } = fixture()
    await pressure.start()
    lag(1_200)
    look()
    lake.heap = 0.95
    look()
    lake.heap = 0.2
    lag(0)
    look()
    expect(logged).toEqual([
      {
        level: 'warn',
        message: 'pressure is elevated: loads wait',
        fields: { from: 'normal', to: 'elevated', lag_records: 1_200, heap_percent: 0 },
      },
      {
        level: 'warn',
        message: 'pressure is critical: posted rows are refused, loads wait',
        fields: { from: 'elevated', to: 'critical', lag_records: 1_200, heap_percent: 95 },
      },
      {
        level: 'info',
        message: 'pressure is back to normal: loads go on',
        fields: { from: 'critical', to: 'normal', lag_records: 0, heap_percent: 20 },
      },
    ])
    await pressure.stop()
  })

  test('ends a wait with the reason of its signal, with the failure of a reader, and with its own end', async () => {
    const { pressure, lake, lag, look } = fixture()
    await pressure.start()
    lag(1_000)
    const left = new AbortController()
    const abandoned = pressure.untilCalm(left.signal)
    left.abort(new Error('the client has left'))
    expect(await outcome(abandoned)).toBe('the client has left')
    const hopeless = pressure.untilCalm()
    lake.failure = new Error('the log is gone')
    look()
    expect(await outcome(hopeless)).toMatch(/^trades does not take rows any more \(the log is gone\)/)
    lake.failure = null
    const stopped = pressure.untilCalm()
    await pressure.stop()
    expect(await outcome(stopped)).toMatch(/^the lake is being closed/)
  })
})

test('a load waits between two appends until there is no pressure, and loses nothing [inv 13]', async () => {
  const fixture = await LoadFixture.open()
  let letGo = () => {}
  const calm = new Promise<void>((resolve) => {
    letGo = resolve
  })
  const waits = new Promise<void>((resolve) => {
    fixture.untilCalm = () => {
      resolve()
      return calm
    }
  })
  const csv = (rowCount: number) =>
    ['symbol,exchange,time,price,size', ...Array(rowCount).fill('BHP,ASX,1700000000000,1.25,3')].join('\n')
  const long = fixture.loadText('long.csv', csv(40_000), 'csv-trades')
  await waits
  // Another load, too short to wait, goes the whole way meanwhile.
  await fixture.loadText('short.csv', csv(10), 'csv-trades')
  expect(fixture.trades()).toHaveLength(10)
  letGo()
  expect(await long).toMatchObject({ rowsRead: 40_000, accepted: 40_000 })
  expect(fixture.trades()).toHaveLength(40_010)
  await fixture.close()
})
