import { TicklakeError } from '#core'
import type { StateStore } from '../log/log-store.js'
import { requireReadable } from './compatibility.js'
import type { RegisteredSchema, SchemaRegistry, SubjectVersion } from './registry.js'
import { canonicalText, parseSchema } from './schema-text.js'
import { requireTableSchema } from './table-subjects.js'

/** A registry in the states of a log's store: schemas and the records that need them stay together. */
export class EmbeddedRegistry implements SchemaRegistry {
  readonly #store: StateStore
  /** The registration under way: they go one after the other, so that no two get the same id. */
  #turn: Promise<unknown> = Promise.resolve()

  /** The store of a log that has been started. */
  constructor(store: StateStore) {
    this.#store = store
  }

  register(subject: string, schema: string): Promise<RegisteredSchema> {
    const registered = this.#turn.then(() => this.#register(subject, schema))
    // The next one begins whatever became of this one; its caller hears of the error.
    this.#turn = registered.catch(() => undefined)
    return registered
  }

  async #register(subject: string, schema: string): Promise<RegisteredSchema> {
    const all = this.#registrations()
    const text = canonicalText(subject, schema)
    const identical = all.filter((known) => canonicalText(known.subject, known.schema) === text)
    const registered = identical.find((known) => known.subject === subject)
    if (registered) return registered
    parseSchema(subject, schema)
    requireTableSchema(subject, schema)
    const versions = all.filter((known) => known.subject === subject)
    const newest = versions.at(-1)
    if (newest) requireReadable(subject, schema, newest.schema)
    const elsewhere = identical[0]
    const added: RegisteredSchema = {
      id: elsewhere?.id ?? 1 + all.reduce((highest, { id }) => Math.max(highest, id), 0),
      subject,
      version: versions.length + 1,
      schema: elsewhere?.schema ?? schema,
    }
    await this.#store.commit({ states: new Map([[stateName(all.length + 1), added]]) })
    return added
  }

  async find(subject: string, schema: string): Promise<RegisteredSchema> {
    const text = canonicalText(subject, schema)
    const found = this.#ofSubject(subject).find((known) => canonicalText(subject, known.schema) === text)
    if (!found) throw new TicklakeError('not_found', `${subject} has no version that is this schema`)
    return found
  }

  async byId(id: number): Promise<string> {
    return this.#ofId(id)[0]!.schema
  }

  async usesOf(id: number): Promise<readonly SubjectVersion[]> {
    return this.#ofId(id).map(({ subject, version }) => ({ subject, version }))
  }

  async subjects(): Promise<readonly string[]> {
    return [...new Set(this.#registrations().map(({ subject }) => subject))].sort()
  }

  async versions(subject: string): Promise<readonly number[]> {
    return this.#ofSubject(subject).map(({ version }) => version)
  }

  async version(subject: string, version: number | 'latest'): Promise<RegisteredSchema> {
    const versions = this.#ofSubject(subject)
    const found = version === 'latest' ? versions.at(-1) : versions[version - 1]
    if (!found) throw new TicklakeError('not_found', `${subject} has no version ${version}`)
    return found
  }

  /** Whether `register` would take the schema after that version: `conflict` if not, naming the field. */
  async requireCompatible(subject: string, version: number | 'latest', schema: string): Promise<void> {
    parseSchema(subject, schema)
    requireTableSchema(subject, schema)
    requireReadable(subject, schema, (await this.version(subject, version)).schema)
  }

  #ofSubject(subject: string): readonly RegisteredSchema[] {
    const versions = this.#registrations().filter((known) => known.subject === subject)
    if (versions.length === 0)
      throw new TicklakeError('not_found', `no schema is registered under ${subject}`)
    return versions
  }

  #ofId(id: number): readonly RegisteredSchema[] {
    const uses = this.#registrations().filter((known) => known.id === id)
    if (uses.length === 0) throw new TicklakeError('not_found', `no schema has the id ${id}`)
    return uses
  }

  /** In the order in which they came. */
  #registrations(): RegisteredSchema[] {
    const registrations: RegisteredSchema[] = []
    for (let number = 1; ; number++) {
      const state = this.#store.state(stateName(number))
      if (state === undefined) return registrations
      // Only `register` writes these states. In older data folders the schema is JSON, not its text.
      const known = state as RegisteredSchema
      const schema = typeof known.schema === 'string' ? known.schema : JSON.stringify(known.schema)
      registrations.push({ ...known, schema })
    }
  }
}

function stateName(number: number): string {
  return `schema/${number}`
}
