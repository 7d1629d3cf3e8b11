import { isInteger, LosslessNumber, parse, stringify } from 'lossless-json'
import { TicklakeError } from '#core'

/** JSON without loss: a whole number beyond 2^53 is a bigint, a fraction keeps its digits. */
export type Json = null | boolean | number | bigint | string | LosslessNumber | readonly Json[] | JsonObject

export interface JsonObject {
  readonly [key: string]: Json
}

export const NO_FIELDS: JsonObject = Object.freeze({})

/** Parses JSON; `corrupt` names what was read. */
export function parseJson(text: string, what: string): Json {
  try {
    // parseNumber below yields exactly the number forms of Json; the parser makes the rest of it.
    return parse(text, null, parseNumber) as Json
  } catch (cause) {
    throw new TicklakeError('corrupt', `${what} is not JSON: ${String(cause)}`, { cause })
  }
}

export function formatJson(value: Json, indent?: number): string {
  return stringify(value, null, indent) ?? 'null'
}

/** What `read` finds wrong is wrong with somebody's request, not with a stored file: `corrupt` becomes `invalid_input`. */
export function asRequest<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    if (!(cause instanceof TicklakeError && cause.code === 'corrupt')) throw cause
    throw new TicklakeError('invalid_input', cause.message, { ...cause.detail, cause })
  }
}

function parseNumber(text: string): number | bigint | LosslessNumber {
  if (!isInteger(text)) return new LosslessNumber(text)
  const value = Number(text)
  return Number.isSafeInteger(value) ? value : BigInt(text)
}

/**
 * Takes the known keys out of one object of a file, each with its type checked; `rest` is what nobody took, so
 * that keys of newer or foreign writers are carried along. A wrong type is `corrupt`, with the path of the key.
 */
export class Fields {
  readonly #object: JsonObject
  readonly #path: string
  readonly #taken = new Set<string>()

  constructor(value: Json | undefined, path: string) {
    if (!isObject(value))
      throw new TicklakeError('corrupt', `${path}: expected an object, found ${shown(value)}`)
    this.#object = value
    this.#path = path
  }

  has(key: string): boolean {
    return this.#object[key] !== undefined && this.#object[key] !== null
  }

  string(key: string): string {
    const value = this.#take(key)
    return typeof value === 'string' ? value : this.#wrong(key, 'a string', value)
  }

  /** One of the words, however it is capitalised. */
  choice<T extends string>(key: string, among: readonly T[]): T {
    const text = this.string(key)
    const chosen = among.find((word) => word === text.toLowerCase())
    return chosen ?? this.#wrong(key, among.join(' or '), text)
  }

  boolean(key: string): boolean {
    const value = this.#take(key)
    return typeof value === 'boolean' ? value : this.#wrong(key, 'true or false', value)
  }

  /** A whole number below 2^53: counts, times, field ids and sequence numbers. */
  integer(key: string): number {
    const value = this.#take(key)
    return typeof value === 'number' ? value : this.#wrong(key, 'a whole number below 2^53', value)
  }

  /** A 64-bit whole number: snapshot ids. */
  long(key: string): bigint {
    const value = this.#take(key)
    if (typeof value !== 'number' && typeof value !== 'bigint')
      return this.#wrong(key, 'a whole number', value)
    return BigInt(value)
  }

  json(key: string): Json {
    return this.#take(key) ?? null
  }

  object(key: string): Fields {
    return new Fields(this.#take(key), `${this.#path}.${key}`)
  }

  /** The elements of a list, each as `read` makes of it. */
  list<T>(key: string, read: (element: Json, path: string) => T): readonly T[] {
    const value = this.#take(key)
    if (!Array.isArray(value)) return this.#wrong(key, 'a list', value)
    return value.map((element: Json, index) => read(element, `${this.#path}.${key}[${index}]`))
  }

  /** The elements of a list of plain values, each read as one of the methods here reads a key. */
  values<T>(key: string, read: (key: string) => T): readonly T[] {
    const list = this.list(key, (element) => element)
    const elements = new Fields({ ...list }, `${this.#path}.${key}`)
    return list.map((_, index) => read.call(elements, String(index)))
  }

  /** As `read` says if the key is there, else `otherwise`. */
  optional<T, O>(key: string, read: (key: string) => T, otherwise: O): T | O {
    if (this.has(key)) return read.call(this, key)
    this.#taken.add(key)
    return otherwise
  }

  /** An object whose values are all strings: properties and summaries. */
  strings(): Readonly<Record<string, string>> {
    return Object.fromEntries(Object.keys(this.#object).map((key) => [key, this.string(key)]))
  }

  keys(): readonly string[] {
    return Object.keys(this.#object)
  }

  /** The keys that were not asked for. Call last. */
  rest(): JsonObject {
    const left = Object.entries(this.#object).filter(([key]) => !this.#taken.has(key))
    return left.length === 0 ? NO_FIELDS : Object.fromEntries(left)
  }

  #take(key: string): Json | undefined {
    this.#taken.add(key)
    return this.#object[key]
  }

  #wrong(key: string, expected: string, found: Json | undefined): never {
    throw new TicklakeError('corrupt', `${this.#path}.${key}: expected ${expected}, found ${shown(found)}`)
  }
}

function isObject(value: Json | undefined): value is JsonObject {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof LosslessNumber)
  )
}

function shown(value: Json | undefined): string {
  return value === undefined ? 'nothing' : formatJson(value).slice(0, 100)
}
