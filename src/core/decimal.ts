import { invalid } from './errors.js'
import { DECIMAL_PRECISION, DECIMAL_SCALE } from './table-definition.js'

const LIMIT = 10n ** BigInt(DECIMAL_PRECISION)
const ONE = 10n ** BigInt(DECIMAL_SCALE)

/** A price or size as a whole number of 10^-8. */
export type Scaled = bigint

/** Parses a plain decimal ("36.667", "-1") with at most 8 decimals into its scaled value. Exact, or an error. */
export function parseDecimal(field: string, text: string): Scaled {
  const match = /^(-?)(\d+)(?:\.(\d*))?$/.exec(text)
  const fraction = match?.[3] ?? ''
  if (!match || fraction.length > DECIMAL_SCALE) {
    throw invalid(field, text, `a decimal with at most ${DECIMAL_SCALE} decimals`)
  }
  const magnitude = BigInt(match[2]!) * ONE + BigInt(fraction.padEnd(DECIMAL_SCALE, '0'))
  if (magnitude >= LIMIT) throw invalid(field, text, `a decimal(${DECIMAL_PRECISION},${DECIMAL_SCALE})`)
  return match[1] === '-' ? -magnitude : magnitude
}

/** Plain decimal text without exponent or needless zeros: 3666700000n → "36.667". */
export function formatDecimal(scaled: Scaled): string {
  const magnitude = scaled < 0n ? -scaled : scaled
  const fraction = String(magnitude % ONE)
    .padStart(DECIMAL_SCALE, '0')
    .replace(/0+$/, '')
  const text = fraction === '' ? String(magnitude / ONE) : `${magnitude / ONE}.${fraction}`
  return scaled < 0n ? `-${text}` : text
}
