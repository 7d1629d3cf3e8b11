import { isUtf8 } from 'node:buffer'
import { parse } from 'lossless-json'
import { invalid } from '#core'
import { type PostedRow, type RowProblem, shown } from './posted-row.js'

/** The rows of a JSON array. An element that is no row is a problem of its own: its neighbours are read all the same. */
export function* jsonRows(body: Buffer): Generator<PostedRow> {
  for (const element of arrayElements(body)) yield jsonRow(element)
}

/** The rows of newline-delimited JSON. Blank lines are no rows; a line that is no JSON is a problem of its own. */
export function* ndjsonRows(body: Buffer): Generator<PostedRow> {
  for (let start = 0; start < body.length; ) {
    const end = body.indexOf(NEWLINE, start)
    const line = trimmed(body, start, end < 0 ? body.length : end)
    if (line.length > 0) yield jsonRow(line)
    start = end < 0 ? body.length : end + 1
  }
}

const [NEWLINE, QUOTE, BACKSLASH, COMMA] = [0x0a, 0x22, 0x5c, 0x2c]
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d]

/** A row is flat. What is nested deeper than this is not even parsed: the parser would end with the stack. */
const MAX_DEPTH = 16

/** The bytes of each element, without blanks around them. Whether an element is JSON is its own affair. */
function* arrayElements(body: Buffer): Generator<Buffer> {
  const whole = trimmed(body, 0, body.length)
  if (whole[0] !== OPEN_ARRAY) throw notAnArray(whole, 0)
  let start = 1
  let depth = 1
  for (let at = 1; at < whole.length; at++) {
    const byte = whole[at]
    if (byte === QUOTE) at = stringEnd(whole, at)
    else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) depth++
    else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) depth--
    const isEnd = depth === 0
    if (!isEnd && !(depth === 1 && byte === COMMA)) continue
    if (isEnd && at < whole.length - 1) throw notAnArray(whole, at + 1)
    const element = trimmed(whole, start, at)
    // Only of an empty array is there nothing between the brackets.
    if (!(isEnd && start === 1 && element.length === 0)) yield element
    if (isEnd) return
    start = at + 1
  }
  throw notAnArray(whole, whole.length)
}

/** The position of the closing quote, or the end of the bytes. */
function stringEnd(bytes: Buffer, opening: number): number {
  for (let at = opening + 1; at < bytes.length; at++) {
    if (bytes[at] === BACKSLASH) at++
    else if (bytes[at] === QUOTE) return at
  }
  return bytes.length
}

function notAnArray(body: Buffer, at: number) {
  const found = at < body.length ? body.toString('utf8', at, at + 20) : 'its end'
  return invalid('body', found, `a JSON array there, at byte ${at}`)
}

/** Without JSON's white space at the ends. */
function trimmed(bytes: Buffer, start: number, end: number): Buffer {
  const isBlank = (byte: number | undefined) =>
    byte === 0x20 || byte === 0x09 || byte === NEWLINE || byte === 0x0d
  let [from, to] = [start, end]
  while (from < to && isBlank(bytes[from])) from++
  while (to > from && isBlank(bytes[to - 1])) to--
  return bytes.subarray(from, to)
}

function jsonRow(bytes: Buffer): PostedRow {
  const original = () => bytes
  const value = isUtf8(bytes) && depthOf(bytes) <= MAX_DEPTH ? parsed(bytes.toString('utf8')) : undefined
  if (!isObject(value)) {
    const text = shown(bytes.toString('utf8', 0, 400))
    return { problem: { reason: 'malformed', field: null, value: text, expected: 'a JSON object' }, original }
  }
  const fields = new Map<string, string>()
  for (const [name, inner] of Object.entries(value)) {
    if (inner === null) continue
    if (typeof inner !== 'string') return { problem: notAScalar(name, inner), original }
    fields.set(name, inner)
  }
  return { fields, original }
}

function depthOf(bytes: Buffer): number {
  let [depth, deepest] = [0, 0]
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]
    if (byte === QUOTE) at = stringEnd(bytes, at)
    else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) deepest = Math.max(deepest, ++depth)
    else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) depth--
  }
  return deepest
}

/** Numbers come as the text that was written. Undefined: it is no JSON, or holds one name twice. */
function parsed(text: string): unknown {
  try {
    return parse(text, undefined, (digits) => digits)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function notAScalar(field: string, value: unknown): RowProblem {
  return { reason: 'malformed', field, value: shown(JSON.stringify(value)), expected: 'a text or a number' }
}
