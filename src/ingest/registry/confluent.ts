import { type Breaker, type Clock, invalid, type Service, TicklakeError } from '#core'
import { requireReadable } from './compatibility.js'
import { ConfluentClient, type ConfluentOptions } from './confluent-client.js'
import type { RegisteredSchema, SchemaRegistry, SubjectVersion } from './registry.js'
import { canonicalText, parseSchema } from './schema-text.js'

/** Schemas that are kept in memory: ids and registrations never change. The oldest is forgotten. */
const MAX_KEPT = 1_000
const WATCH_MS = 10_000

/**
 * A registry of its own (Confluent's, Karapace, Apicurio, Redpanda). It keeps the promises of the contract whatever
 * that registry is set to: compatibility is checked here first, by the stricter rules and naming the field, and a
 * subject that we write is set to BACKWARD unless it has a level of its own other than NONE.
 */
export class ConfluentRegistry implements SchemaRegistry, Service {
  readonly #client: ConfluentClient
  readonly #schemas = new Map<number, string>()
  /** By subject and canonical text; those under way too, so that the same schema is registered once. */
  readonly #registrations = new Map<string, Promise<RegisteredSchema>>()

  readonly #clock: Clock
  #cancelWatch = () => {}
  #stopped = false

  constructor(options: ConfluentOptions) {
    this.#client = new ConfluentClient(options)
    this.#clock = options.clock
  }

  /** How the registry does: for metrics and health. */
  get breaker(): Breaker {
    return this.#client.breaker
  }

  /** Waits for no answer: what was registered before is in the log, and may be served while the registry is down. */
  async start(): Promise<void> {
    void this.#watch()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#cancelWatch()
    this.#client.breaker.stop()
  }

  /** Asks it now and then, so that its breaker tells of an outage before somebody needs the registry. */
  async #watch(): Promise<void> {
    // The breaker keeps the failure.
    await this.#client.request('GET', ['config']).catch(() => null)
    if (!this.#stopped) this.#cancelWatch = this.#clock.after(WATCH_MS, () => void this.#watch())
  }

  async register(subject: string, schema: string): Promise<RegisteredSchema> {
    // Not every registry knows a schema again whose attributes are in another order.
    const text = canonicalText(subject, schema)
    const key = JSON.stringify([subject, text])
    const known = this.#registrations.get(key)
    if (known) return known
    const registered = this.#register(subject, text)
    keep(this.#registrations, key, registered)
    registered.catch(() => this.#registrations.delete(key))
    return registered
  }

  async #register(subject: string, schema: string): Promise<RegisteredSchema> {
    const registered =
      (await orNull(this.find(subject, schema))) ?? (await this.#registerNew(subject, schema))
    await this.#requireLevel(subject)
    return registered
  }

  async #registerNew(subject: string, schema: string): Promise<RegisteredSchema> {
    parseSchema(subject, schema)
    const newest = await orNull(this.version(subject, 'latest'))
    if (newest) requireReadable(subject, schema, newest.schema)
    await this.#client.request('POST', ['subjects', subject, 'versions'], { schema })
    // Confluent answers with the id only.
    return this.find(subject, schema)
  }

  /** A subject can be given a level only once it exists. Apicurio answers NONE where none was given. */
  async #requireLevel(subject: string): Promise<void> {
    const config = await orNull(this.#client.request('GET', ['config', subject]))
    if (config !== null && textOf(config, 'compatibilityLevel') !== 'NONE') return
    await this.#client.request('PUT', ['config', subject], { compatibility: 'BACKWARD' })
  }

  async find(subject: string, schema: string): Promise<RegisteredSchema> {
    const text = canonicalText(subject, schema)
    return registeredSchema(await this.#client.request('POST', ['subjects', subject], { schema: text }))
  }

  async byId(id: number): Promise<string> {
    const known = this.#schemas.get(id)
    if (known !== undefined) return known
    const schema = textOf(await this.#client.request('GET', ['schemas', 'ids', id]), 'schema')
    keep(this.#schemas, id, schema)
    return schema
  }

  async usesOf(id: number): Promise<readonly SubjectVersion[]> {
    const uses = await this.#client.request('GET', ['schemas', 'ids', id, 'versions'])
    return listOf(uses).map((use) => ({ subject: textOf(use, 'subject'), version: numberOf(use, 'version') }))
  }

  async subjects(): Promise<readonly string[]> {
    return listOf(await this.#client.request('GET', ['subjects']))
      .map(String)
      .sort()
  }

  async versions(subject: string): Promise<readonly number[]> {
    return listOf(await this.#client.request('GET', ['subjects', subject, 'versions'])).map(Number)
  }

  async version(subject: string, version: number | 'latest'): Promise<RegisteredSchema> {
    return registeredSchema(await this.#client.request('GET', ['subjects', subject, 'versions', version]))
  }
}

function keep<K, V>(kept: Map<K, V>, key: K, value: V): void {
  if (kept.size >= MAX_KEPT) kept.delete(kept.keys().next().value as K) // not empty: there is a first
  kept.set(key, value)
}

async function orNull<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked
  } catch (error) {
    if (error instanceof TicklakeError && error.code === 'not_found') return null
    throw error
  }
}

function registeredSchema(answer: unknown): RegisteredSchema {
  return {
    id: numberOf(answer, 'id'),
    subject: textOf(answer, 'subject'),
    version: numberOf(answer, 'version'),
    schema: textOf(answer, 'schema'),
  }
}

function textOf(answer: unknown, name: string): string {
  const value = member(answer, name)
  return typeof value === 'string' ? value : unexpected(answer, `an object with a text ${name}`)
}

function numberOf(answer: unknown, name: string): number {
  const value = member(answer, name)
  return Number.isInteger(value) ? Number(value) : unexpected(answer, `an object with a number ${name}`)
}

function listOf(answer: unknown): readonly unknown[] {
  return Array.isArray(answer) ? answer : unexpected(answer, 'a list')
}

function member(answer: unknown, name: string): unknown {
  return typeof answer === 'object' && answer !== null
    ? Object.entries(answer).find(([key]) => key === name)?.[1]
    : undefined
}

/** Not the answer of a registry: nothing was found out. */
function unexpected(answer: unknown, expected: string): never {
  const cause = invalid('answer', JSON.stringify(answer), expected)
  throw new TicklakeError('unavailable', `schema registry: ${cause.message}. Check registry.url`, { cause })
}
