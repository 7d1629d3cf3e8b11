import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  BOUND_LENGTH,
  compareValues,
  decodeValue,
  encodeValue,
  lowerBound,
  upperBound,
  type Value,
} from '../../../src/storage/iceberg/values.js'
import { byUtf8 } from '../../support/data-file.js'

const hex = (bytes: Uint8Array | null) => (bytes === null ? null : Buffer.from(bytes).toString('hex'))
const text = (bytes: Uint8Array | null) => (bytes === null ? null : Buffer.from(bytes).toString('utf8'))

describe('single values are serialised as in the specification, appendix D', () => {
  const golden: readonly [type: string, value: Value, bytes: string][] = [
    ['boolean', false, '00'],
    ['boolean', true, '01'],
    ['int', 34, '22000000'],
    ['int', -2, 'feffffff'],
    ['long', 34n, '2200000000000000'],
    ['long', -(2n ** 63n), '0000000000000080'],
    ['date', 16_139, '0b3f0000'],
    ['timestamptz', 1_394_432_234_754_000n, 'd00f048e3af40400'],
    ['float', 1.5, '0000c03f'],
    ['double', -0.0, '0000000000000080'],
    ['string', 'BHP', '424850'],
    ['string', '€', 'e282ac'],
    ['binary', Uint8Array.of(1, 255), '01ff'],
    ['decimal(18, 8)', 0n, '00'],
    ['decimal(18, 8)', 127n, '7f'],
    ['decimal(18, 8)', 128n, '0080'],
    ['decimal(18, 8)', -128n, '80'],
    ['decimal(18, 8)', -129n, 'ff7f'],
    ['decimal(18, 8)', 3_666_700_000n, '00da8d66e0'],
    ['decimal(38, 8)', 2n ** 100n, '10000000000000000000000000'],
  ]
  test.each(golden)('%s %s is %s', (type, value, bytes) => {
    expect(hex(encodeValue(type, value))).toBe(bytes)
    expect(decodeValue(type, encodeValue(type, value))).toEqual(value)
  })

  test('an int bound is still read after its column has been widened to long', () => {
    expect(decodeValue('long', encodeValue('int', -7))).toBe(-7n)
  })
})

/** Few distinct characters, around all places where the orders of UTF-16 and UTF-8 differ. */
const character = fc.constantFrom('a', 'z', '\u007f', '\ud7ff', '\ue000', '\uffff', '😀', '\u{10ffff}')

describe('bounds are cut to sixteen', () => {
  const long = 'abcdefghijklmnop'
  test.each([
    ['a short value is whole', 'BHP', 'BHP', 'BHP'],
    ['sixteen code points are whole', long, long, long],
    ['a longer one is cut, its upper bound raised', `${long}q`, long, 'abcdefghijklmnoq'],
    ['code points count, not UTF-16 units', '😀'.repeat(17), '😀'.repeat(16), `${'😀'.repeat(15)}😁`],
    [
      'the raise steps over the surrogates',
      `${'a'.repeat(15)}\ud7ffx`,
      `${'a'.repeat(15)}\ud7ff`,
      `${'a'.repeat(15)}\ue000`,
    ],
    [
      'a last code point carries',
      `${'a'.repeat(15)}\u{10ffff}x`,
      `${'a'.repeat(15)}\u{10ffff}`,
      `${'a'.repeat(14)}b`,
    ],
    ['there is no upper bound above them all', '\u{10ffff}'.repeat(17), '\u{10ffff}'.repeat(16), null],
    ['a lone surrogate becomes what UTF-8 makes of it', '\ud800', '\ufffd', '\ufffd'],
  ])('%s', (_, value, lower, upper) => {
    expect(text(lowerBound('string', value))).toBe(lower)
    expect(text(upperBound('string', value))).toBe(upper)
  })

  test('binary is cut by bytes; 0xff carries', () => {
    const bytes = (...tail: number[]) => Uint8Array.from([...new Array(14).fill(7), ...tail])
    expect(upperBound('binary', bytes(1, 2, 3))).toEqual(bytes(1, 3))
    expect(upperBound('binary', bytes(1, 0xff, 3))).toEqual(bytes(2))
    expect(upperBound('binary', new Uint8Array(17).fill(0xff))).toBeNull()
    expect(lowerBound('binary', bytes(1, 2, 3))).toEqual(bytes(1, 2))
  })

  test('NaN is no bound, zero is the outer zero, uuid has none', () => {
    expect(lowerBound('double', Number.NaN)).toBeNull()
    expect(upperBound('float', Number.NaN)).toBeNull()
    expect(hex(lowerBound('float', 0))).toBe('00000080')
    expect(hex(upperBound('float', -0))).toBe('00000000')
    expect(lowerBound('uuid', new Uint8Array(16))).toBeNull()
  })

  test('every string lies within its bounds, by UTF-8', () => {
    const strings = fc.string({ unit: character, maxLength: BOUND_LENGTH + 4 })
    fc.assert(
      fc.property(strings, (value) => {
        const own = encodeValue('string', value)
        const upper = upperBound('string', value)
        expect(compareValues('string', lowerBound('string', value)!, own)).toBeLessThanOrEqual(0)
        if (upper) expect(compareValues('string', own, upper)).toBeLessThanOrEqual(0)
        else expect(value.startsWith('\u{10ffff}'.repeat(BOUND_LENGTH))).toBe(true)
      }),
    )
  })
})

describe('serialised values compare as their values', () => {
  const integers = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })
  const sign = (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0)

  test.each(['long', 'timestamptz', 'decimal(38, 8)'])('%s', (type) => {
    fc.assert(
      fc.property(integers, integers, (a, b) => {
        expect(compareValues(type, encodeValue(type, a), encodeValue(type, b))).toBe(sign(a, b))
        expect(decodeValue(type, encodeValue(type, a))).toBe(a)
      }),
    )
  })

  test('strings by code point, where JavaScript would compare UTF-16 units', () => {
    expect('\uffff' < '😀').toBe(false)
    expect(
      compareValues('string', encodeValue('string', '\uffff'), encodeValue('string', '😀')),
    ).toBeLessThan(0)
    fc.assert(
      fc.property(fc.string({ unit: character }), fc.string({ unit: character }), (a, b) => {
        expect(Math.sign(compareValues('string', encodeValue('string', a), encodeValue('string', b))!)).toBe(
          Math.sign(byUtf8(a, b)),
        )
      }),
    )
  })

  test('what cannot be ordered says so', () => {
    expect(compareValues('long', Uint8Array.of(1), Uint8Array.of(2))).toBeNull()
    expect(compareValues('uuid', new Uint8Array(16), new Uint8Array(16))).toBeNull()
    expect(compareValues('double', encodeValue('double', Number.NaN), encodeValue('double', 1))).toBeNull()
  })
})
