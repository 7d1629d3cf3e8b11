import avro, { type Schema } from 'avsc'
import { invalid, TicklakeError } from '#core'
import type { StateStore } from '../log/log-store.js'
import { requireReadable } from './compatibility.js'
import type { RegisteredSchema, SchemaRegistry } from './registry.js'

/** A registry in the states of a log's store: schemas and the records that need them stay together. */
export class EmbeddedRegistry implements SchemaRegistry {
  readonly #store: StateStore
  /** The registration under way: they go one after the other, so that no two get the same id. */
  #turn: Promise<unknown> = Promise.resolve()

  /** The store of a log that has been started. */
  constructor(store: StateStore) {
    this.#store = store
  }

  register(subject: string, schema: Schema): Promise<RegisteredSchema> {
    const registered = this.#turn.then(() => this.#register(subject, schema))
    // The next one begins whatever became of this one; its caller hears of the error.
    this.#turn = registered.catch(() => undefined)
    return registered
  }

  async #register(subject: string, schema: Schema): Promise<RegisteredSchema> {
    const text = canonicalText(schema)
    const versions = this.#stored().filter((stored) => stored.subject === subject)
    const identical = versions.find((stored) => canonicalText(stored.schema) === text)
    if (identical) return identical
    requireAvro(subject, schema)
    const newest = versions.at(-1)
    if (newest) requireReadable(subject, schema, newest.schema)
    const registered: RegisteredSchema = {
      id: this.#stored().length + 1,
      subject,
      version: versions.length + 1,
      // Read back from its text: the caller's object may change.
      schema: JSON.parse(text) as Schema,
    }
    await this.#store.commit({ states: new Map([[stateName(registered.id), registered]]) })
    return registered
  }

  async byId(id: number): Promise<RegisteredSchema> {
    const stored = this.#read(id)
    if (!stored) throw new TicklakeError('not_found', `no schema has the id ${id}`)
    return stored
  }

  /** All schemas by id, which is the order in which they came. */
  #stored(): RegisteredSchema[] {
    const stored: RegisteredSchema[] = []
    for (let id = 1; ; id++) {
      const schema = this.#read(id)
      if (!schema) return stored
      stored.push(schema)
    }
  }

  #read(id: number): RegisteredSchema | undefined {
    // Only `register` writes these states.
    return this.#store.state(stateName(id)) as RegisteredSchema | undefined
  }
}

function stateName(id: number): string {
  return `schema/${id}`
}

function requireAvro(subject: string, schema: Schema): void {
  try {
    avro.Type.forSchema(schema)
  } catch (cause) {
    throw invalid(subject, JSON.stringify(schema), 'an Avro schema', cause)
  }
}

/** Schemas are the same when their JSON is, the order of attributes aside. */
function canonicalText(schema: Schema): string {
  const sorted = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(sorted)
    if (typeof value !== 'object' || value === null) return value
    const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
    return Object.fromEntries(entries.map(([name, inner]) => [name, sorted(inner)]))
  }
  return JSON.stringify(sorted(JSON.parse(JSON.stringify(schema))))
}
