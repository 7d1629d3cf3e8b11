/** An event time, split where the tables split it. */
export interface EventTime {
  readonly micros: bigint
  /** The part below a microsecond, 0–999. */
  readonly nanos: number
}

const MIN_LONG = -(2n ** 63n)
const MAX_LONG = 2n ** 63n - 1n
const ISO = /^(\d{4}-\d\d-\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d)(?::(\d\d))?)$/

/** Whole nanoseconds since 1970, or ISO 8601 with an offset, as the loader query reads them; null for anything else. */
export function readTime(text: string): EventTime | null {
  return /^-?\d{5,19}$/.test(text) ? readNanos(text) : readIso(text)
}

/** Whole nanoseconds since 1970, however few. */
export function readNanos(text: string): EventTime | null {
  if (/^\d{4,19}$/.test(text)) {
    // Microseconds until 2255 are numbers that Number holds exactly, and makes faster than BigInt.
    const micros = Number(text.slice(0, -3))
    if (Number.isSafeInteger(micros)) return { micros: BigInt(micros), nanos: Number(text.slice(-3)) }
  }
  const nanos = readLong(text)
  if (nanos === null) return null
  const below = ((nanos % 1000n) + 1000n) % 1000n
  return { micros: (nanos - below) / 1000n, nanos: Number(below) }
}

/** A whole number of 64 bits; null for anything else. */
export function readLong(text: string): bigint | null {
  if (!/^-?\d{1,19}$/.test(text)) return null
  const value = BigInt(text)
  return value >= MIN_LONG && value <= MAX_LONG ? value : null
}

function readIso(text: string): EventTime | null {
  const match = ISO.exec(text)
  if (!match) return null
  const [, date, hour, minute, second, fraction = '', sign = '+', offsetHours = '0', offsetMinutes = '0'] =
    match
  const midnight = Date.parse(`${date}T00:00:00Z`)
  // Date.parse rolls 31 February over to March.
  if (Number.isNaN(midnight) || new Date(midnight).toISOString().slice(0, 10) !== date) return null
  const seconds = Number(hour) * 3600 + Number(minute) * 60 + Number(second)
  // 24:00:00 is the next day's midnight.
  if (Number(minute) > 59 || Number(second) > 59 || seconds > 86_400) return null
  const offset = (Number(offsetHours) * 3600 + Number(offsetMinutes) * 60) * (sign === '-' ? -1 : 1)
  const digits = fraction.padEnd(9, '0')
  const micros = BigInt(midnight / 1000 + seconds - offset) * 1_000_000n + BigInt(digits.slice(0, 6))
  return { micros, nanos: Number(digits.slice(6)) }
}
