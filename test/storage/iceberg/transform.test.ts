import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MAX_EVENT_MICROS, parseTimeNanos } from '#core'
import { murmur3 } from '../../../src/storage/iceberg/murmur3.js'
import { parseTransform } from '../../../src/storage/iceberg/partition.js'
import {
  applyTransform,
  type Period,
  partitionFolder,
  periodOfMicros,
  periodStart,
} from '../../../src/storage/iceberg/transform.js'
import { encodeValue, type Value } from '../../../src/storage/iceberg/values.js'

const SEED = 20_261_126
const micros = (text: string) => parseTimeNanos('time', text) / 1000n
const apply = (transform: string, type: string, value: Value | null) =>
  applyTransform(parseTransform(transform), type, value)
const folder = (name: string, transform: string, type: string, value: Value | null) =>
  partitionFolder(name, parseTransform(transform), type, value)

describe('buckets hash as in the specification, appendix B', () => {
  const golden: readonly [type: string, value: Value, hash: number][] = [
    ['int', 34, 2_017_239_379],
    ['long', 34n, 2_017_239_379],
    ['decimal(9, 2)', 1420n, -500_754_589],
    ['date', 17_486, -653_330_422],
    ['time', 81_068_000_000n, -662_762_989],
    ['timestamp', micros('2017-11-16T22:31:08Z'), -2_047_944_441],
    ['timestamp', micros('2017-11-16T22:31:08.000001Z'), -1_207_196_810],
    ['timestamptz', micros('2017-11-16T14:31:08-08:00'), -2_047_944_441],
    ['timestamptz', micros('2017-11-16T14:31:08.000001-08:00'), -1_207_196_810],
    ['string', 'iceberg', 1_210_000_089],
    ['uuid', Buffer.from('f79c3e09677c4bbda4793f349cb785e7', 'hex'), 1_488_055_340],
    ['fixed[4]', Uint8Array.of(0, 1, 2, 3), -188_683_207],
    ['binary', Uint8Array.of(0, 1, 2, 3), -188_683_207],
  ]
  // A bucket is the hash without its sign, modulo the count: with the largest count it is the hash itself.
  test.each(golden)('%s %s', (type, value, hash) => {
    expect(apply('bucket[2147483647]', type, value)).toBe((hash & 0x7fff_ffff) % 2_147_483_647)
    expect(apply('bucket[16]', type, value)).toBe((hash & 0x7fff_ffff) % 16)
    expect(apply('bucket[16]', type, null)).toBe(null)
  })

  test('the hash is signed, and of nothing 0', () => {
    expect(murmur3(new TextEncoder().encode('iceberg'))).toBe(1_210_000_089)
    expect(murmur3(encodeValue('long', 17_486n))).toBe(-653_330_422)
    expect(murmur3(new Uint8Array(0))).toBe(0)
  })

  test('floats and booleans have none', () => {
    expect(apply('bucket[4]', 'double', 1.5)).toBe(undefined)
    expect(apply('bucket[4]', 'boolean', true)).toBe(undefined)
    expect(apply('bucket[0]', 'string', 'BHP')).toBe(undefined)
  })
})

describe('values are cut', () => {
  const golden: readonly [transform: string, type: string, value: Value, result: Value][] = [
    ['truncate[10]', 'int', 1, 0],
    ['truncate[10]', 'int', -1, -10],
    ['truncate[10]', 'int', -10, -10],
    ['truncate[10]', 'long', 11n, 10n],
    ['truncate[10]', 'long', -1n, -10n],
    ['truncate[50]', 'decimal(9, 2)', 1065n, 1050n],
    ['truncate[3]', 'string', 'iceberg', 'ice'],
    ['truncate[2]', 'string', '😀😁😂', '😀😁'],
    ['truncate[3]', 'string', 'ic', 'ic'],
    ['truncate[2]', 'binary', Uint8Array.of(1, 2, 3), Uint8Array.of(1, 2)],
  ]
  test.each(golden)('%s of %s %s is %s', (transform, type, value, result) => {
    expect(apply(transform, type, value)).toEqual(result)
  })

  test('of types that cannot be cut nothing is known; void is null; an unknown transform is not known', () => {
    expect(apply('truncate[3]', 'timestamptz', 5n)).toBe(undefined)
    expect(apply('truncate[0]', 'string', 'BHP')).toBe(undefined)
    expect(apply('void', 'string', 'BHP')).toBe(null)
    expect(apply('fortnight', 'timestamptz', 5n)).toBe(undefined)
    expect(apply('identity', 'string', 'BHP')).toBe('BHP')
  })
})

describe('periods', () => {
  const golden: readonly [transform: string, type: string, value: Value, number: number][] = [
    ['year', 'timestamptz', micros('2017-12-01T10:12:55.038194Z'), 47],
    ['month', 'timestamptz', micros('2017-12-01T10:12:55.038194Z'), 575],
    ['day', 'timestamptz', micros('2017-12-01T10:12:55.038194Z'), 17_501],
    ['hour', 'timestamptz', micros('2017-12-01T10:12:55.038194Z'), 420_034],
    ['year', 'timestamptz', -1n, -1],
    ['month', 'timestamptz', -1n, -1],
    ['day', 'timestamptz', -1n, -1],
    ['hour', 'timestamptz', -1n, -1],
    ['hour', 'timestamp', 0n, 0],
    ['year', 'date', 17_501, 47],
    ['month', 'date', -1, -1],
    ['day', 'date', 17_501, 17_501],
  ]
  test.each(golden)('%s of %s %s is %s', (transform, type, value, number) => {
    expect(apply(transform, type, value)).toBe(number)
    expect(apply(transform, type, null)).toBe(null)
  })

  test('a date has no hours, a string no days', () => {
    expect(apply('hour', 'date', 3)).toBe(undefined)
    expect(apply('day', 'string', '2024-08-08')).toBe(undefined)
  })

  test('each time lies in its period, from its start and before that of the next', () => {
    const periods = fc.constantFrom<Period>('year', 'month', 'day', 'hour')
    const times = fc.bigInt({ min: -BigInt(MAX_EVENT_MICROS), max: BigInt(MAX_EVENT_MICROS) })
    fc.assert(
      fc.property(periods, times, (period, time) => {
        const number = periodOfMicros(period, time)
        expect(periodStart(period, number) <= time).toBe(true)
        expect(time < periodStart(period, number + 1)).toBe(true)
        expect(periodOfMicros(period, periodStart(period, number))).toBe(number)
        expect(periodOfMicros(period, periodStart(period, number + 1) - 1n)).toBe(number)
      }),
      { numRuns: 2000, seed: SEED },
    )
  })
})

describe('the folder of a partition is named as Iceberg’s Java library names it', () => {
  const golden: readonly [
    name: string,
    transform: string,
    type: string,
    value: Value | null,
    path: string,
  ][] = [
    ['exchange_timestamp_day', 'day', 'timestamptz', 19_943, 'exchange_timestamp_day=2024-08-08'],
    ['exchange_timestamp_hour', 'hour', 'timestamptz', 478_645, 'exchange_timestamp_hour=2024-08-08-13'],
    ['t_month', 'month', 'timestamptz', 655, 't_month=2024-08'],
    ['t_year', 'year', 'timestamptz', 54, 't_year=2024'],
    ['t_year', 'year', 'timestamptz', -1, 't_year=1969'],
    ['symbol_bucket', 'bucket[16]', 'string', 7, 'symbol_bucket=7'],
    ['exchange', 'identity', 'string', 'ASX', 'exchange=ASX'],
    ['exchange', 'identity', 'string', null, 'exchange=null'],
    [
      'exchange',
      'identity',
      'string',
      "a/b =c+ü~'()!*-._",
      'exchange=a%2Fb+%3Dc%2B%C3%BC%7E%27%28%29%21*-._',
    ],
    ['exchange', 'identity', 'string', '../..\ud800', 'exchange=..%2F..%EF%BF%BD'],
    ['a b', 'truncate[2]', 'string', 'AB', 'a+b=AB'],
    ['d', 'identity', 'date', 19_943, 'd=2024-08-08'],
    [
      't',
      'identity',
      'timestamptz',
      micros('2017-12-01T10:12:55.03819Z'),
      't=2017-12-01T10%3A12%3A55.03819%2B00%3A00',
    ],
    ['t', 'identity', 'timestamp', micros('2017-12-01T10:12:00Z'), 't=2017-12-01T10%3A12%3A00'],
    ['p', 'identity', 'decimal(18, 8)', -150_000_000n, 'p=-1.50000000'],
    ['n', 'identity', 'long', -5n, 'n=-5'],
    ['b', 'identity', 'binary', Uint8Array.of(251, 255), 'b=%2B%2F8%3D'],
  ]
  test.each(golden)('%s by %s of %s %s', (name, transform, type, value, path) => {
    expect(folder(name, transform, type, value)).toBe(path)
  })
})
