import { assert, formatDay, formatMicros, MICROS_PER_DAY } from '#core'
import { murmur3 } from './murmur3.js'
import type { Transform } from './partition.js'
import { baseType, encodeValue, type Value } from './values.js'

/**
 * What partition specs make of values (spec: Partition Transforms). Years, months, days and hours are counted from
 * 1970 and rounded down, so that times before 1970 are negative; buckets and periods are numbers.
 */

const DAY_MICROS = BigInt(MICROS_PER_DAY)
const HOUR_MICROS = DAY_MICROS / 24n
const EPOCH_YEAR = 1970

/** A period of UTC time with a number of its own. */
export type Period = 'year' | 'month' | 'day' | 'hour'

/**
 * The partition value of a column's value; null for null. Undefined when it cannot be known: an unknown transform, or
 * one that the type does not have.
 */
export function applyTransform(
  transform: Transform,
  type: string,
  value: Value | null,
): Value | null | undefined {
  switch (transform.kind) {
    case 'identity':
      return value
    case 'void':
      return null
    case 'unknown':
      return undefined
    case 'bucket':
      return value === null ? null : bucket(transform.width, type, value)
    case 'truncate':
      return value === null ? null : truncate(transform.width, type, value)
    default:
      return value === null ? null : periodOf(transform.kind, type, value)
  }
}

/** The first µs of a period, since 1970 UTC. */
export function periodStart(period: Period, number: number): bigint {
  switch (period) {
    case 'hour':
      return BigInt(number) * HOUR_MICROS
    case 'day':
      return BigInt(number) * DAY_MICROS
    case 'month':
      return BigInt(Date.UTC(EPOCH_YEAR, number)) * 1000n
    case 'year':
      return BigInt(Date.UTC(EPOCH_YEAR + number)) * 1000n
  }
}

/** The number of the period that an event time lies in, in µs since 1970 UTC. */
export function periodOfMicros(period: Period, micros: bigint): number {
  switch (period) {
    case 'hour':
      return Number((micros - modulo(micros, HOUR_MICROS)) / HOUR_MICROS)
    case 'day':
      return Number((micros - modulo(micros, DAY_MICROS)) / DAY_MICROS)
    case 'month':
      return monthOfDay(periodOfMicros('day', micros))
    case 'year':
      return Math.floor(periodOfMicros('month', micros) / 12)
  }
}

/** The folder of a partition: "exchange=ASX", "exchange_timestamp_hour=2024-08-08-13", encoded as Iceberg's Java does. */
export function partitionFolder(
  name: string,
  transform: Transform,
  type: string,
  value: Value | null,
): string {
  return `${urlEncoded(name)}=${urlEncoded(value === null ? 'null' : partitionText(transform, type, value))}`
}

function partitionText(transform: Transform, type: string, value: Value): string {
  switch (transform.kind) {
    case 'year':
    case 'month':
    case 'day':
    case 'hour':
      return periodText(transform.kind, Number(value))
    case 'identity':
    case 'truncate':
      return valueText(type, value)
    default:
      return String(value)
  }
}

function periodText(period: Period, number: number): string {
  const start = formatMicros(periodStart(period, number))
  switch (period) {
    case 'year':
      return start.slice(0, -'-01-01T00:00:00.000000Z'.length)
    case 'month':
      return start.slice(0, -'-01T00:00:00.000000Z'.length)
    case 'day':
      return formatDay(number)
    case 'hour':
      return start.slice(0, -':00:00.000000Z'.length).replace('T', '-')
  }
}

function valueText(type: string, value: Value): string {
  switch (baseType(type)) {
    case 'date':
      return formatDay(Number(value))
    case 'timestamptz':
    case 'timestamp': {
      assert(typeof value === 'bigint', `${type} is a bigint`)
      const text = formatMicros(value).replace(/\.?0*Z$/, '')
      return baseType(type) === 'timestamptz' ? `${text}+00:00` : text
    }
    case 'decimal': {
      assert(typeof value === 'bigint', `${type} is an unscaled bigint`)
      const scale = Number(/,\s*(\d+)\s*\)$/.exec(type)?.[1] ?? 0)
      const digits = String(value < 0n ? -value : value).padStart(scale + 1, '0')
      const whole = digits.slice(0, digits.length - scale)
      return `${value < 0n ? '-' : ''}${whole}${scale > 0 ? `.${digits.slice(-scale)}` : ''}`
    }
    default:
      return value instanceof Uint8Array ? Buffer.from(value).toString('base64') : String(value)
  }
}

function periodOf(period: Period, type: string, value: Value): number | undefined {
  switch (baseType(type)) {
    case 'timestamp':
    case 'timestamptz':
      return typeof value === 'bigint' ? periodOfMicros(period, value) : undefined
    case 'date':
      if (period === 'hour' || typeof value !== 'number') return undefined
      return periodOfMicros(period, BigInt(value) * DAY_MICROS)
    default:
      return undefined
  }
}

function bucket(count: number, type: string, value: Value): number | undefined {
  const bytes = hashedBytes(type, value)
  return bytes === null || count === 0 ? undefined : (murmur3(bytes) & 0x7fff_ffff) % count
}

/** Whole numbers are hashed as longs, so that widening a column leaves its buckets as they are. */
function hashedBytes(type: string, value: Value): Uint8Array | null {
  switch (baseType(type)) {
    case 'int':
    case 'date':
    case 'long':
    case 'time':
    case 'timestamp':
    case 'timestamptz':
      return encodeValue('long', value)
    case 'decimal':
    case 'string':
    case 'binary':
    case 'fixed':
    case 'uuid':
      return encodeValue(type, value)
    default:
      return null
  }
}

function truncate(width: number, type: string, value: Value): Value | undefined {
  if (width === 0) return undefined
  switch (baseType(type)) {
    case 'int':
      return typeof value === 'number' ? value - (((value % width) + width) % width) : undefined
    case 'long':
    case 'decimal':
      return typeof value === 'bigint' ? value - modulo(value, BigInt(width)) : undefined
    case 'string':
      return typeof value === 'string' ? Array.from(value).slice(0, width).join('') : undefined
    case 'binary':
      return value instanceof Uint8Array ? value.slice(0, width) : undefined
    default:
      return undefined
  }
}

function monthOfDay(day: number): number {
  const date = new Date(day * 86_400_000)
  return (date.getUTCFullYear() - EPOCH_YEAR) * 12 + date.getUTCMonth()
}

/** As Java's URLEncoder: letters, digits and ".-*_" stay, a space is a plus. */
function urlEncoded(text: string): string {
  // Through UTF-8, which makes a lone surrogate the replacement character; encodeURIComponent would throw.
  return encodeURIComponent(Buffer.from(text, 'utf8').toString('utf8'))
    .replace(/[!'()~]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%20', '+')
}

function modulo(value: bigint, divisor: bigint): bigint {
  return ((value % divisor) + divisor) % divisor
}
