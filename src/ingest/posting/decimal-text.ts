import { DECIMAL_PRECISION, DECIMAL_SCALE, type QuarantineReason, type Scaled } from '#core'

/** A decimal text as a whole number of 10^-8, or why it is none. */
export type DecimalReading =
  | { readonly scaled: Scaled; readonly isRounded: boolean }
  | { readonly reason: QuarantineReason; readonly expected: string }

const PLAIN = new RegExp(`^-?\\d{1,${DECIMAL_PRECISION - DECIMAL_SCALE}}(\\.\\d{0,${DECIMAL_SCALE}})?$`)

/** The look ahead keeps a long text of blanks from being tried at each of them. */
const NUMBER = /^[\t\n\f\r ]*([+-]?)(?=[.\d])(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?[\t\n\f\r ]*$/

/** Digits beyond this many are refused rather than counted, as the loader query does. */
const EXPONENT_LIMIT = 10_000

/** Reads a decimal as the loader query does: exact, and half-even where it has more than 8 decimals. */
export function readDecimal(text: string): DecimalReading {
  if (PLAIN.test(text)) return { scaled: plainScaled(text), isRounded: false }
  const [, sign = '', whole = '', fraction = '', exponentText = '0'] = NUMBER.exec(text) ?? []
  const digits = whole + fraction
  if (digits === '') return { reason: 'not_a_number', expected: 'a decimal number' }
  const exponent = Math.max(-EXPONENT_LIMIT, Math.min(EXPONENT_LIMIT, Number(exponentText)))
  // How many of the digits stand before the eighth decimal's end; the others are lost.
  const keep = whole.length + DECIMAL_SCALE + exponent
  const kept = keep <= 0 ? '' : digits.slice(0, keep).padEnd(keep, '0')
  const rest = (keep < 0 ? '0'.repeat(-keep) + digits : digits.slice(keep)).replace(TRAILING_ZEROS, '')
  const significant = kept.replace(/^0+/, '')
  const outOfRange = {
    reason: 'out_of_range',
    expected: `a decimal(${DECIMAL_PRECISION},${DECIMAL_SCALE})`,
  } as const
  if (significant.length > DECIMAL_PRECISION) return outOfRange
  const magnitude = BigInt(significant === '' ? 0 : significant)
  // Without trailing zeros, '5' is exactly one half.
  const isUp = rest > '5' || (rest === '5' && magnitude % 2n === 1n)
  const rounded = magnitude + (isUp ? 1n : 0n)
  if (rounded >= LIMIT) return outOfRange
  if (rounded === 0n && rest !== '') {
    return { reason: 'rounds_to_zero', expected: `more than half of 10^-${DECIMAL_SCALE}` }
  }
  return { scaled: sign === '-' ? -rounded : rounded, isRounded: rest !== '' }
}

const LIMIT = 10n ** BigInt(DECIMAL_PRECISION)
const TRAILING_ZEROS = /(?<!0)0+$/

/** So many digits and fewer are whole numbers that Number holds exactly, and makes faster than BigInt. */
const EXACT_DIGITS = 15

function plainScaled(text: string): Scaled {
  const isNegative = text.charCodeAt(0) === MINUS
  const from = isNegative ? 1 : 0
  const point = text.indexOf('.')
  const end = point < 0 ? text.length : point
  if (end - from + DECIMAL_SCALE > EXACT_DIGITS) {
    const fraction = point < 0 ? '' : text.slice(point + 1)
    return BigInt(text.slice(0, end) + fraction.padEnd(DECIMAL_SCALE, '0'))
  }
  let scaled = 0
  let decimals = 0
  for (let at = from; at < text.length; at++) {
    if (at === point) continue
    scaled = scaled * 10 + (text.charCodeAt(at) - ZERO)
    if (at > end) decimals++
  }
  const whole = BigInt(scaled * 10 ** (DECIMAL_SCALE - decimals))
  return isNegative ? -whole : whole
}

const MINUS = '-'.charCodeAt(0)
const ZERO = '0'.charCodeAt(0)
