import { randomUUID } from 'node:crypto'
import { invalid, type TableLayout, TicklakeError } from '#core'
import { type CommitContext, commitChange } from '../commit.js'
import { type CreateTable, createdTable } from '../iceberg/create-table.js'
import type { TableMetadata } from '../iceberg/metadata.js'
import { refused } from '../iceberg/refusal.js'
import { checkRequirements } from '../iceberg/requirements.js'
import { createByUpdates } from '../iceberg/updates.js'
import type { TableHead } from '../table-head.js'
import type { LoadedTable } from './catalog.js'
import type {
  CatalogServer,
  CreatedTable,
  Properties,
  PropertyChanges,
  TableCommit,
  TableIdentifier,
} from './catalog-server.js'
import { Directory, type Namespace, type Namespaces } from './directory.js'
import { FileCatalog } from './file-catalog.js'
import { OwnTable } from './own-table.js'
import { type CommitRules, notMade, RequestedChange, settledCommit } from './requested-change.js'

export interface RestCatalogOptions {
  /** Of the tables of ours; the catalog in it is theirs alone. */
  readonly context: CommitContext
  /** Location of the folder of all namespaces. */
  readonly warehouse: string
  /** The namespace of the tables of ours. It is always there. */
  readonly namespace: string
  readonly own: readonly {
    readonly head: TableHead
    readonly layout: TableLayout
    readonly isDerived?: boolean
  }[]
}

/** Names become parts of paths. */
const NAME = /^[A-Za-z0-9][\w-]{0,127}$/
const NAME_EXPECTED = 'letters, digits, _ and -, at most 128, of which the first is a letter or digit'
/** Of other engines, in all namespaces; and of namespaces. */
const MAX_TABLES = 10_000
const MAX_NAMESPACES = 1_000
const EMPTY: Namespace = { properties: {}, tables: new Map() }

/**
 * The tables of ours, and beside them those of other engines, of which nothing is read here but their metadata. These
 * lie at <warehouse>/<namespace>/<name>-<8 digits>, so that the place of a table that was dropped is never taken again.
 * What changes the directory or a table of others is done one after the other; the tables of ours have their heads.
 */
export class RestCatalog implements CatalogServer {
  readonly #options: RestCatalogOptions
  readonly #own: ReadonlyMap<string, OwnTable>
  readonly #directory: Directory
  #last: Promise<unknown> = Promise.resolve()

  constructor(options: RestCatalogOptions) {
    this.#options = options
    const { own, context, warehouse } = options
    this.#own = new Map(
      own.map(({ head, layout, isDerived }) => [head.name, new OwnTable(head, layout, isDerived)]),
    )
    // No namespace has a name like it.
    this.#directory = new Directory(context.objects, `${warehouse}/.catalog`, context.logger)
  }

  async namespaces(): Promise<readonly string[]> {
    return [...(await this.#namespaces()).keys()].sort()
  }

  async namespace(name: string): Promise<Properties> {
    const { properties } = existing(await this.#namespaces(), name)
    return { ...properties, location: this.#locationOf(name) }
  }

  createNamespace(name: string, properties: Properties): Promise<Properties> {
    return this.#inTurn(async () => {
      checkName('namespace', name)
      const { location = this.#locationOf(name), ...others } = properties
      this.#checkLocation(name, location)
      const namespaces = await this.#namespaces()
      if (namespaces.has(name)) throw new TicklakeError('conflict', `there is a namespace ${name} already`)
      if (namespaces.size >= MAX_NAMESPACES) throw full(`${MAX_NAMESPACES} namespaces`)
      await this.#directory.replace(new Map(namespaces).set(name, { ...EMPTY, properties: others }))
      return { ...others, location }
    })
  }

  dropNamespace(name: string): Promise<void> {
    return this.#inTurn(async () => {
      const namespaces = await this.#namespaces()
      const { tables } = existing(namespaces, name)
      if (name === this.#options.namespace) throw refused(`${name} holds the tables of ticklake and stays`)
      if (tables.size > 0) {
        throw new TicklakeError('conflict', `${name} holds ${tables.size} tables: drop or move them first`)
      }
      const left = new Map(namespaces)
      left.delete(name)
      await this.#directory.replace(left)
    })
  }

  changeNamespace(name: string, removals: readonly string[], updates: Properties): Promise<PropertyChanges> {
    return this.#inTurn(async () => {
      const namespaces = await this.#namespaces()
      const namespace = existing(namespaces, name)
      const { location, ...others } = updates
      if (location !== undefined) this.#checkLocation(name, location)
      const before = namespace.properties
      const removed = removals.filter((key) => Object.hasOwn(before, key))
      const kept = Object.entries(before).filter(([key]) => !removals.includes(key))
      const properties = { ...Object.fromEntries(kept), ...others }
      await this.#directory.replace(new Map(namespaces).set(name, { ...namespace, properties }))
      const missing = removals.filter((key) => !Object.hasOwn(before, key))
      return { updated: Object.keys(updates), removed, missing }
    })
  }

  async tables(namespace: string): Promise<readonly string[]> {
    const { tables } = existing(await this.#namespaces(), namespace)
    const own = namespace === this.#options.namespace ? [...this.#own.keys()] : []
    return [...own, ...tables.keys()].sort()
  }

  async load(table: TableIdentifier): Promise<LoadedTable> {
    const own = this.#ownTable(table)
    if (own) return own.load()
    return this.#files().load(folderOf(await this.#namespaces(), table))
  }

  async create(namespace: string, request: CreateTable): Promise<CreatedTable> {
    const table = { namespace, name: request.name }
    return this.#inTurn(async () => {
      await this.#checkAbsent(table)
      const folder = request.location === null ? this.#newFolder(table) : this.#folderAt(request.location)
      const metadata = createdTable(request, this.#empty(folder))
      if (request.isStaged) {
        await this.#makeFolder(metadata.location)
        return { metadata, metadataLocation: null }
      }
      return this.#store(table, folder, metadata)
    })
  }

  commit(table: TableIdentifier, commit: TableCommit): Promise<LoadedTable> {
    const own = this.#ownTable(table)
    if (own) return own.commit(commit)
    return this.#inTurn(async () => {
      const namespaces = await this.#namespaces().catch((error: unknown) => {
        throw notMade(error)
      })
      const isThere = existing(namespaces, table.namespace).tables.has(table.name)
      if (!isThere && commit.isCreation) return this.#createByCommit(table, commit)
      const folder = folderOf(namespaces, table)
      const catalog = this.#files()
      const { context } = this.#options
      const change = new RequestedChange(commit, FOREIGN_RULES, context.clock)
      return settledCommit(
        change,
        () => commitChange({ ...context, catalog }, folder, change),
        async () => {
          const current = await catalog.load(folder)
          return change.isIn(current.metadata) ? current : null
        },
      )
    })
  }

  drop(table: TableIdentifier, purge: boolean): Promise<void> {
    return this.#inTurn(async () => {
      const folder = await this.#movable(table, 'dropped')
      await this.#place([table, null])
      if (purge) await this.#purge(folder)
    })
  }

  rename(from: TableIdentifier, to: TableIdentifier): Promise<void> {
    return this.#inTurn(async () => {
      const folder = await this.#movable(from, 'renamed')
      await this.#checkAbsent(to)
      await this.#place([from, null], [to, folder])
    })
  }

  register(table: TableIdentifier, metadataLocation: string): Promise<LoadedTable> {
    return this.#inTurn(async () => {
      await this.#checkAbsent(table)
      const [location = ''] = metadataLocation.split('/metadata/')
      const folder = this.#folderAt(location)
      await this.#checkUntaken(folder)
      const loaded = await this.#files().load(folder)
      if (loaded.metadataLocation !== metadataLocation) {
        throw invalid(
          'metadata-location',
          metadataLocation,
          `the newest metadata there, ${loaded.metadataLocation}`,
        )
      }
      await this.#place([table, folder])
      return loaded
    })
  }

  async #createByCommit(table: TableIdentifier, commit: TableCommit): Promise<LoadedTable> {
    await this.#checkAbsent(table)
    checkRequirements(null, commit.requirements)
    const metadata = createByUpdates(this.#empty(this.#newFolder(table)), commit.updates)
    const folder = this.#folderAt(metadata.location)
    try {
      return await this.#store(table, folder, metadata)
    } catch (cause) {
      if (!(cause instanceof TicklakeError)) throw cause
      // When this can't be read either, the outcome is not known.
      const { tables } = existing(await this.#namespaces(), table.namespace)
      if (tables.get(table.name) === folder) return this.#files().load(folder)
      throw notMade(cause)
    }
  }

  /** Until the directory names it, the table is not there. */
  async #store(table: TableIdentifier, folder: string, metadata: TableMetadata): Promise<LoadedTable> {
    await this.#checkUntaken(folder)
    const earlier = await this.#options.context.objects.list(`${metadata.location}/metadata`)
    if (earlier.some(({ location }) => location.endsWith('.metadata.json'))) {
      throw refused(`${metadata.location} holds a table already: choose another location, or none`)
    }
    const created = await this.#files().create(folder, metadata)
    await this.#place([table, folder])
    return created
  }

  /** Says in which folders tables are from now on, in one step; null: in none. */
  async #place(...places: readonly (readonly [TableIdentifier, string | null])[]): Promise<void> {
    const namespaces = new Map(await this.#namespaces())
    for (const [{ namespace, name }, folder] of places) {
      const before = existing(namespaces, namespace)
      const tables = new Map(before.tables)
      if (folder === null) tables.delete(name)
      else tables.set(name, folder)
      namespaces.set(namespace, { ...before, tables })
    }
    await this.#directory.replace(namespaces)
  }

  /** DuckDB writes the manifests of a staged table into a local folder that it expects to be there. */
  async #makeFolder(location: string): Promise<void> {
    try {
      await this.#options.context.objects.create(`${location}/metadata/staged`, new Uint8Array())
    } catch (error) {
      // It was staged before.
      if (!(error instanceof TicklakeError && error.code === 'conflict')) throw error
    }
  }

  async #purge(folder: string): Promise<void> {
    const { objects, logger } = this.#options.context
    try {
      const files = await objects.list(`${this.#options.warehouse}/${folder}`)
      for (const { location } of files) await objects.remove(location)
    } catch (error) {
      // The table is gone all the same.
      logger.warn('files of a dropped table are left behind', { folder, error: String(error) })
    }
  }

  async #checkAbsent(table: TableIdentifier): Promise<void> {
    const { namespace, name } = table
    checkName('name', name)
    const namespaces = await this.#namespaces()
    if (this.#ownTable(table) || existing(namespaces, namespace).tables.has(name)) {
      throw new TicklakeError('conflict', `there is a table ${shown(table)} already`)
    }
    let count = 0
    for (const { tables } of namespaces.values()) count += tables.size
    if (count >= MAX_TABLES) throw full(`${MAX_TABLES} tables`)
  }

  /** The folder of a table that is not ours. */
  async #movable(table: TableIdentifier, what: string): Promise<string> {
    if (this.#ownTable(table)) throw refused(`${shown(table)} is filled by ticklake and cannot be ${what}`)
    return folderOf(await this.#namespaces(), table)
  }

  async #checkUntaken(folder: string): Promise<void> {
    const folders = [...(await this.#namespaces()).values()].flatMap(({ tables }) => [...tables.values()])
    const own = [...this.#own.keys()].map((name) => `${this.#options.namespace}/${name}`)
    if ([...folders, ...own].includes(folder)) {
      throw refused(`${this.#locationOf(folder)} belongs to another table: choose another location, or none`)
    }
  }

  #ownTable({ namespace, name }: TableIdentifier): OwnTable | undefined {
    return namespace === this.#options.namespace ? this.#own.get(name) : undefined
  }

  #empty(folder: string) {
    const uuid = randomUUID()
    return { uuid, location: this.#locationOf(folder), nowMs: this.#options.context.clock.nowMs() }
  }

  #newFolder({ namespace, name }: TableIdentifier): string {
    return `${namespace}/${name}-${randomUUID().slice(0, 8)}`
  }

  /** The folder of a location that somebody has chosen. */
  #folderAt(location: string): string {
    const [namespace = '', name = '', ...rest] = location.slice(this.#options.warehouse.length + 1).split('/')
    const folder = `${namespace}/${name}`
    if (
      location === this.#locationOf(folder) &&
      rest.length === 0 &&
      NAME.test(namespace) &&
      NAME.test(name)
    ) {
      return folder
    }
    throw invalid(
      'location',
      location,
      `${this.#locationOf('<namespace>/<folder>')}, with names of ${NAME_EXPECTED}`,
    )
  }

  #locationOf(folder: string): string {
    return `${this.#options.warehouse}/${folder}`
  }

  #checkLocation(namespace: string, location: string): void {
    const expected = this.#locationOf(namespace)
    if (location !== expected) throw invalid('location', location, `${expected}, which stays so`)
  }

  /** Without what it would remember: there may be many tables, and they are asked for seldom. */
  #files(): FileCatalog {
    return new FileCatalog(this.#options.context.objects, this.#options.warehouse)
  }

  async #namespaces(): Promise<Namespaces> {
    const kept = await this.#directory.namespaces()
    const { namespace } = this.#options
    return kept.has(namespace) ? kept : new Map(kept).set(namespace, EMPTY)
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work)
    this.#last = done.catch(() => {})
    return done
  }
}

/** Whoever made a table may do to it what Iceberg allows; but it stays where it is. */
const FOREIGN_RULES: CommitRules = {
  admit: (base, next) => {
    if (next.location !== base.location)
      throw refused(`a table cannot leave ${base.location}: make another one`)
    return next
  },
  inspect: async (_, next) => next,
}

function existing(namespaces: Namespaces, name: string): Namespace {
  const found = namespaces.get(name)
  if (found) return found
  throw new TicklakeError('not_found', `there is no namespace ${JSON.stringify(name)}`, {
    field: 'namespace',
  })
}

function folderOf(namespaces: Namespaces, table: TableIdentifier): string {
  const folder = existing(namespaces, table.namespace).tables.get(table.name)
  if (folder !== undefined) return folder
  throw new TicklakeError('not_found', `there is no table ${JSON.stringify(shown(table))}`, {
    field: 'table',
  })
}

function checkName(field: string, name: string): void {
  if (!NAME.test(name)) throw invalid(field, name, NAME_EXPECTED)
}

function full(what: string): TicklakeError {
  return refused(`the catalog holds ${what} already: drop some first`)
}

function shown({ namespace, name }: TableIdentifier): string {
  return `${namespace}.${name}`
}
