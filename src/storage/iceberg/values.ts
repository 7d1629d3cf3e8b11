import { assert } from '#core'

/**
 * Single values as Iceberg stores them in bounds and partition summaries (spec, Appendix D, "Binary single-value
 * serialization"), their order, and the truncation of long ones.
 *
 * In memory: int and date are numbers; long, time, timestamp(tz) and decimal (unscaled) are bigints; string is a
 * string; binary and fixed are bytes; float and double are numbers; boolean is a boolean.
 */
export type Value = boolean | number | bigint | string | Uint8Array

/** Strings keep so many code points in a bound, binary so many bytes. */
export const BOUND_LENGTH = 16

const LAST_CODE_POINT = 0x10ffff
const FIRST_SURROGATE = 0xd800
const AFTER_SURROGATES = 0xe000

/** The serialised value. */
export function encodeValue(type: string, value: Value): Uint8Array {
  switch (baseType(type)) {
    case 'boolean':
      return Uint8Array.of(value === true ? 1 : 0)
    case 'int':
    case 'date':
      return little(4, (view) => view.setInt32(0, Number(value), true))
    case 'long':
    case 'time':
    case 'timestamp':
    case 'timestamptz':
      assert(typeof value === 'bigint' || typeof value === 'number', `${type} is a whole number`)
      return little(8, (view) => view.setBigInt64(0, BigInt(value), true))
    case 'float':
      return little(4, (view) => view.setFloat32(0, Number(value), true))
    case 'double':
      return little(8, (view) => view.setFloat64(0, Number(value), true))
    case 'decimal':
      assert(typeof value === 'bigint', `${type} is an unscaled bigint`)
      return twosComplement(value)
    case 'string':
      assert(typeof value === 'string', 'a string is a string')
      return new TextEncoder().encode(value)
    default:
      assert(value instanceof Uint8Array, `${type} is bytes`)
      return value
  }
}

/** The value of serialised bytes, or null when their length does not fit the type. */
export function decodeValue(type: string, bytes: Uint8Array): Value | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  switch (baseType(type)) {
    case 'boolean':
      return bytes.length === 1 ? bytes[0] !== 0 : null
    case 'int':
    case 'date':
      return bytes.length === 4 ? view.getInt32(0, true) : null
    case 'long':
    case 'time':
    case 'timestamp':
    case 'timestamptz':
      // Four bytes: written while the column was an int, before it was widened.
      if (bytes.length === 4) return BigInt(view.getInt32(0, true))
      return bytes.length === 8 ? view.getBigInt64(0, true) : null
    case 'float':
      return bytes.length === 4 ? view.getFloat32(0, true) : null
    case 'double':
      if (bytes.length === 4) return view.getFloat32(0, true)
      return bytes.length === 8 ? view.getFloat64(0, true) : null
    case 'decimal':
      return bytes.length === 0 ? null : fromTwosComplement(bytes)
    case 'string':
      return Buffer.from(bytes).toString('utf8')
    default:
      return bytes
  }
}

/**
 * Compares serialised values of one type: negative, zero or positive. Null when they cannot be ordered (a length
 * that does not fit the type, or uuid, on whose order readers disagree): then nothing may be concluded.
 */
export function compareValues(type: string, a: Uint8Array, b: Uint8Array): number | null {
  switch (baseType(type)) {
    case 'string':
    case 'binary':
    case 'fixed':
      // UTF-8 keeps the order of code points, which JavaScript's own string order does not.
      return Buffer.compare(a, b)
    case 'uuid':
      return null
    default: {
      const left = decodeValue(type, a)
      const right = decodeValue(type, b)
      if (left === null || right === null || Number.isNaN(left) || Number.isNaN(right)) return null
      return left < right ? -1 : left > right ? 1 : 0
    }
  }
}

/** A value that no value of the column is below, or null when there is none to write. */
export function lowerBound(type: string, min: Value): Uint8Array | null {
  switch (baseType(type)) {
    case 'uuid':
      return null
    case 'float':
    case 'double':
      if (Number.isNaN(min)) return null
      return encodeValue(type, min === 0 ? -0 : min)
    case 'string':
      assert(typeof min === 'string', 'a string is a string')
      return encodeValue(type, codePoints(min).slice(0, BOUND_LENGTH).join(''))
    case 'binary':
      assert(min instanceof Uint8Array, 'binary is bytes')
      return min.slice(0, BOUND_LENGTH)
    default:
      return encodeValue(type, min)
  }
}

/** A value that no value of the column is above, or null when there is none to write. */
export function upperBound(type: string, max: Value): Uint8Array | null {
  switch (baseType(type)) {
    case 'uuid':
      return null
    case 'float':
    case 'double':
      if (Number.isNaN(max)) return null
      return encodeValue(type, max === 0 ? 0 : max)
    case 'string': {
      assert(typeof max === 'string', 'a string is a string')
      const points = codePoints(max)
      if (points.length <= BOUND_LENGTH) return encodeValue(type, max)
      const above = incrementText(points.slice(0, BOUND_LENGTH))
      return above === null ? null : encodeValue(type, above)
    }
    case 'binary':
      assert(max instanceof Uint8Array, 'binary is bytes')
      return max.length <= BOUND_LENGTH ? max.slice() : incrementBytes(max.subarray(0, BOUND_LENGTH))
    default:
      return encodeValue(type, max)
  }
}

/** The name without parameters: "decimal(18, 8)" → "decimal". */
export function baseType(type: string): string {
  const end = type.search(/[([]/)
  return end < 0 ? type : type.slice(0, end)
}

/** By code point; a lone surrogate counts as the replacement character that UTF-8 makes of it. */
function codePoints(text: string): string[] {
  return Array.from(Buffer.from(text, 'utf8').toString('utf8'))
}

function incrementText(prefix: string[]): string | null {
  for (let last = prefix.length - 1; last >= 0; last--) {
    const next = prefix[last]!.codePointAt(0)! + 1
    if (next > LAST_CODE_POINT) continue
    const point = next === FIRST_SURROGATE ? AFTER_SURROGATES : next
    return prefix.slice(0, last).join('') + String.fromCodePoint(point)
  }
  return null
}

function incrementBytes(prefix: Uint8Array): Uint8Array | null {
  for (let last = prefix.length - 1; last >= 0; last--) {
    if (prefix[last] === 0xff) continue
    const above = prefix.slice(0, last + 1)
    above[last]! += 1
    return above
  }
  return null
}

function little(size: number, write: (view: DataView) => void): Uint8Array {
  const bytes = new Uint8Array(size)
  write(new DataView(bytes.buffer))
  return bytes
}

/** Big-endian two's complement in as few bytes as hold the sign. */
function twosComplement(value: bigint): Uint8Array {
  let size = 1
  while (BigInt.asIntN(size * 8, value) !== value) size += 1
  let rest = BigInt.asUintN(size * 8, value)
  const bytes = new Uint8Array(size)
  for (let index = size - 1; index >= 0; index--) {
    bytes[index] = Number(rest & 0xffn)
    rest >>= 8n
  }
  return bytes
}

function fromTwosComplement(bytes: Uint8Array): bigint {
  let value = 0n
  for (const byte of bytes) value = (value << 8n) | BigInt(byte)
  return BigInt.asIntN(bytes.length * 8, value)
}
