import { invalid } from './errors.js'

export const MICROS_PER_DAY = 86_400_000_000
/**
 * Event times lie within ±2^53 µs of 1970, in the years 1684 to 2255: exact as a JavaScript number, and as
 * nanoseconds in 64 bits. Others are refused at ingest.
 */
export const MAX_EVENT_MICROS = Number.MAX_SAFE_INTEGER
const NANOS_PER_SECOND = 1_000_000_000n

/**
 * Time from outside: RFC 3339 with an offset ("2014-03-10T10:00:00.123456789+11:00", "2014-03-10" means UTC
 * midnight) or whole nanoseconds since 1970. Gives nanoseconds since 1970 UTC, exact.
 */
export function parseTimeNanos(field: string, text: string): bigint {
  if (/^-?\d{1,19}$/.test(text) && text.length > 4) return BigInt(text)
  const match = /^(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d))?$/.exec(
    text,
  )
  const expected = 'an RFC 3339 time with an offset (2014-03-10T10:00:00Z), a date, or nanoseconds since 1970'
  if (!match) throw invalid(field, text, expected)
  const [, date, time = '00:00:00', fraction = '', zone = 'Z'] = match
  const ms = Date.parse(`${date}T${time.length === 5 ? `${time}:00` : time}${zone.toUpperCase()}`)
  const day = Date.parse(`${date}T00:00:00Z`)
  // Date.parse rolls 31 February over to March: refuse it.
  if (Number.isNaN(ms) || new Date(day).toISOString().slice(0, 10) !== date)
    throw invalid(field, text, expected)
  return BigInt(ms / 1000) * NANOS_PER_SECOND + BigInt(fraction.padEnd(9, '0'))
}

/** RFC 3339 in UTC with six decimals: 1394432234754000n → "2014-03-10T06:17:14.754000Z". */
export function formatMicros(micros: bigint): string {
  const remainder = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n
  const seconds = Number((micros - remainder) / 1_000_000n)
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}.${String(remainder).padStart(6, '0')}Z`
}

/** The UTC day of an event time, counted from 1970-01-01. */
export function dayOfMicros(micros: bigint): number {
  return Math.floor(Number(micros) / MICROS_PER_DAY)
}

/** "2014-03-10" of a day counted from 1970-01-01. */
export function formatDay(day: number): string {
  return new Date(day * 86_400_000).toISOString().slice(0, 10)
}
