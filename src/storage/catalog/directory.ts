import type { Logger } from '#core'
import { Fields, formatJson, type Json, parseJson } from '../iceberg/json.js'
import type { ObjectStore } from '../objects/object-store.js'
import type { Properties } from './catalog-server.js'

export interface Namespace {
  readonly properties: Properties
  /** By name, the folder below the warehouse: <namespace>/<folder>. */
  readonly tables: ReadonlyMap<string, string>
}

/** The namespaces there are, and the tables that other engines have made in them. */
export type Namespaces = ReadonlyMap<string, Namespace>

interface Known {
  /** The N of the file; 0: there is none yet. */
  readonly version: number
  readonly namespaces: Namespaces
}

const FORMAT = 1

/**
 * The namespaces, kept as <folder>/vN.json, where the highest N is current: the exclusive creation of the next file is
 * the commit point, as it is for a table's metadata. For one process, which changes it one change after the other.
 */
export class Directory {
  readonly #objects: ObjectStore
  readonly #folder: string
  readonly #logger: Logger
  /** Null: to be read, at first and after a write whose outcome is not known. Whoever asks meanwhile gets the same read. */
  #known: Promise<Known> | null = null

  constructor(objects: ObjectStore, folder: string, logger: Logger) {
    this.#objects = objects
    this.#folder = folder
    this.#logger = logger
  }

  async namespaces(): Promise<Namespaces> {
    return (await this.#current()).namespaces
  }

  /** An error leaves it open whether they were replaced: whoever asks then is told what is there. */
  async replace(namespaces: Namespaces): Promise<void> {
    const { version } = await this.#current()
    try {
      await this.#objects.create(this.#location(version + 1), Buffer.from(format(namespaces), 'utf8'))
    } catch (error) {
      this.#known = null
      throw error
    }
    this.#known = Promise.resolve({ version: version + 1, namespaces })
    await this.#objects.remove(this.#location(version)).catch((error: Error) => {
      this.#logger.warn('an old list of namespaces is left behind', { version, error: error.message })
    })
  }

  #current(): Promise<Known> {
    if (this.#known) return this.#known
    const reading = this.#read()
    this.#known = reading
    // Whoever asked sees the failure; the next one reads again.
    reading.catch(() => {
      this.#known = null
    })
    return reading
  }

  async #read(): Promise<Known> {
    const listed = (await this.#objects.list(this.#folder)).map(({ location }) => versionOf(location))
    const version = Math.max(0, ...listed)
    if (version === 0) return { version, namespaces: new Map() }
    const location = this.#location(version)
    const text = Buffer.from(await this.#objects.read(location)).toString('utf8')
    return { version, namespaces: parse(text, location) }
  }

  #location(version: number): string {
    return `${this.#folder}/v${version}.json`
  }
}

function format(namespaces: Namespaces): string {
  const each = [...namespaces].map(([name, { properties, tables }]) => [
    name,
    { properties, tables: Object.fromEntries(tables) },
  ])
  return formatJson({ format: FORMAT, namespaces: Object.fromEntries(each) }, 2)
}

function parse(text: string, location: string): Namespaces {
  const from = new Fields(parseJson(text, location), location).object('namespaces')
  return new Map(from.keys().map((name) => [name, parseNamespace(from.json(name), `${location}.${name}`)]))
}

function parseNamespace(json: Json, path: string): Namespace {
  const from = new Fields(json, path)
  return {
    properties: from.object('properties').strings(),
    tables: new Map(Object.entries(from.object('tables').strings())),
  }
}

/** The N of …/vN.json; 0 of any other name. */
function versionOf(location: string): number {
  return Number(/\/v(\d+)\.json$/.exec(location)?.[1] ?? 0)
}
