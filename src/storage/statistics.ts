import type { ColumnStatistics } from '#engine'
import type { FileColumn } from './file-columns.js'
import { baseType, lowerBound, upperBound, type Value } from './iceberg/values.js'

/**
 * A column's bound as a manifest has it, from what DuckDB says of a file that it wrote; null where none is safe: DuckDB
 * prints a binary minimum without saying where it cut it off, and leaves NaNs out of minimum and maximum, which readers
 * take for greater than any number.
 */
export function boundOf(
  { type }: FileColumn,
  statistics: ColumnStatistics,
  side: 'min' | 'max',
): Uint8Array | null {
  const text = statistics[side]
  if (text === undefined || statistics.hasNan) return null
  const value = statisticValue(type, text)
  if (value === null) return null
  return side === 'min' ? lowerBound(type, value) : upperBound(type, value)
}

/** The value of DuckDB's text of it; null for an infinite one, one before the year 1 or after 9999, and of bytes. */
export function statisticValue(type: string, text: string): Value | null {
  switch (baseType(type)) {
    case 'boolean':
      return text === '1' || text === 'true'
    case 'int':
      return Number(text)
    case 'long':
      return BigInt(text)
    case 'float':
    case 'double': {
      const value = Number(text)
      return Number.isFinite(value) ? value : null
    }
    case 'decimal':
      return unscaled(type, text)
    case 'string':
      return text
    case 'date': {
      const micros = microsOf(text, '00:00:00')
      return micros === null ? null : Number(micros / 86_400_000_000n)
    }
    case 'time':
      return microsOf('1970-01-01', text)
    case 'timestamp':
    case 'timestamptz': {
      const [date = '', time = ''] = text.replace(/\+00$/, '').split(' ')
      return microsOf(date, time)
    }
    default:
      return null
  }
}

/** The whole number that a decimal is stored as, at the scale of its type. */
export function unscaled(type: string, text: string): bigint {
  const scale = Number(/,\s*(\d+)\s*\)$/.exec(type)?.[1] ?? 0)
  const [whole = '', fraction = ''] = text.split('.')
  return BigInt(whole + fraction.padEnd(scale, '0'))
}

function microsOf(date: string, time: string): bigint | null {
  const match = /^(\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?$/.exec(time)
  if (!match || !/^\d{4}-\d\d-\d\d$/.test(date)) return null
  const [, seconds, fraction = ''] = match
  return BigInt(Date.parse(`${date}T${seconds}Z`)) * 1000n + BigInt(fraction.padEnd(6, '0'))
}
