import { assert, TicklakeError } from '#core'
import { logPrevious, type TableMetadata } from '../iceberg/metadata.js'
import { metadataBytes, parseMetadata } from '../iceberg/metadata-file.js'
import type { ObjectStore } from '../objects/object-store.js'
import type { Catalog, LoadedTable } from './catalog.js'

/** A loaded table and the N of its vN.metadata.json. */
interface KnownTable extends LoadedTable {
  readonly version: number
}

/**
 * Tables as folders of a warehouse: <warehouse>/<table>/metadata/vN.metadata.json, where the highest N is current.
 * The commit point is the exclusive creation of the next file. version-hint.text is written afterwards, for
 * readers of other makers; here it may be behind or lost. Safe because one process owns the warehouse, and because
 * two writers in it cannot both create the same N.
 */
export class FileCatalog implements Catalog {
  readonly #objects: ObjectStore
  readonly #warehouse: string
  /** What was read or written last: metadata files never change. */
  readonly #known = new Map<string, KnownTable>()
  /** By table, of the metadata files that fell out of the log last. A commit is made without it: nobody waits but the next. */
  readonly #removals = new Map<string, Promise<void>>()

  /** @param warehouse its location: absolute, with scheme. */
  constructor(objects: ObjectStore, warehouse: string) {
    this.#objects = objects
    this.#warehouse = warehouse.replace(/\/+$/, '')
  }

  /** Where a table of that name lives or will live. */
  tableLocation(table: string): string {
    if (!/^[\w-]+(\/[\w-]+)?$/.test(table)) throw notFound(table)
    return `${this.#warehouse}/${table}`
  }

  async load(table: string): Promise<LoadedTable> {
    let newest = await this.#startingPoint(table)
    for (;;) {
      const next = await this.#read(table, newest.version + 1)
      if (!next) break
      newest = next
    }
    this.#remember(table, newest)
    return newest
  }

  async create(table: string, metadata: TableMetadata): Promise<LoadedTable> {
    assert(metadata.location === this.tableLocation(table), 'a table lives in the folder of its name')
    const created = await this.#create(table, 1, metadata)
    await this.#writeHint(table, created.version)
    return created
  }

  async commit(table: string, base: LoadedTable, next: TableMetadata): Promise<LoadedTable> {
    // Names of deleted old files are free again: a base far behind must not find one of them.
    if ((await this.load(table)).metadataLocation !== base.metadataLocation) {
      throw new TicklakeError('conflict', `${base.metadataLocation} is not the current metadata any more`)
    }
    const logged = logPrevious(next, base.metadata, base.metadataLocation)
    const earlier = this.#removals.get(table)
    this.#removals.delete(table)
    await earlier
    const written = await this.#create(table, versionOf(base.metadataLocation) + 1, logged)
    await this.#writeHint(table, written.version)
    const removal = this.#removeUnlogged(base.metadata, logged)
    // The next commit hears of its failure.
    removal.catch(() => {})
    this.#removals.set(table, removal)
    return written
  }

  async #create(table: string, version: number, metadata: TableMetadata): Promise<KnownTable> {
    const metadataLocation = this.#location(table, version)
    await this.#objects.create(metadataLocation, metadataBytes(metadata))
    const written = { metadata, metadataLocation, version }
    this.#remember(table, written)
    return written
  }

  async #writeHint(table: string, version: number): Promise<void> {
    await this.#objects.replace(this.#hintLocation(table), Buffer.from(String(version), 'latin1'))
  }

  /** A version that exists, from which on the newer ones follow without a gap. */
  async #startingPoint(table: string): Promise<KnownTable> {
    const known = this.#known.get(table)
    const hint = await this.#hint(table)
    if (known && known.version >= (hint ?? 0)) return known
    const hinted = hint === null ? null : await this.#read(table, hint)
    if (hinted) return hinted
    const folder = `${this.tableLocation(table)}/metadata`
    const versions = (await this.#objects.list(folder)).map(({ location }) => versionOf(location))
    const listed = await this.#read(table, Math.max(0, ...versions))
    if (listed) return listed
    throw notFound(table)
  }

  async #hint(table: string): Promise<number | null> {
    const bytes = await this.#readIfPresent(this.#hintLocation(table))
    const version = bytes === null ? 0 : Number(Buffer.from(bytes).toString('latin1'))
    return Number.isSafeInteger(version) && version > 0 ? version : null
  }

  async #read(table: string, version: number): Promise<KnownTable | null> {
    const metadataLocation = this.#location(table, version)
    const bytes = await this.#readIfPresent(metadataLocation)
    if (bytes === null) return null
    const metadata = parseMetadata(Buffer.from(bytes).toString('utf8'), metadataLocation)
    const location = this.tableLocation(table)
    if (metadata.location !== location) {
      const message =
        `table ${table} was written at ${metadata.location} and has been moved to ${location}: ` +
        'its files name their absolute places. Move the folder back, or load its source again here'
      throw new TicklakeError('invalid_input', message, {
        field: 'location',
        value: location,
        expected: metadata.location,
      })
    }
    return { metadata, metadataLocation, version }
  }

  async #readIfPresent(location: string): Promise<Uint8Array | null> {
    try {
      return await this.#objects.read(location)
    } catch (error) {
      if (error instanceof TicklakeError && error.code === 'not_found') return null
      throw error
    }
  }

  /** Deletes the metadata files that fell out of the log, which keeps the last hundred at least. */
  async #removeUnlogged(base: TableMetadata, next: TableMetadata): Promise<void> {
    if (next.properties['write.metadata.delete-after-commit.enabled'] !== 'true') return
    const logged = new Set(next.metadataLog.map((entry) => entry.metadataFile))
    for (const { metadataFile } of base.metadataLog) {
      const isOurs = metadataFile.startsWith(`${next.location}/metadata/`)
      if (isOurs && !logged.has(metadataFile)) await this.#objects.remove(metadataFile)
    }
  }

  #remember(table: string, loaded: KnownTable): void {
    if (loaded.version > (this.#known.get(table)?.version ?? 0)) this.#known.set(table, loaded)
  }

  #location(table: string, version: number): string {
    return `${this.tableLocation(table)}/metadata/v${version}.metadata.json`
  }

  #hintLocation(table: string): string {
    return `${this.tableLocation(table)}/metadata/version-hint.text`
  }
}

/** The N of …/vN.metadata.json; 0 of any other name. */
function versionOf(location: string): number {
  return Number(/\/v(\d+)\.metadata\.json$/.exec(location)?.[1] ?? 0)
}

function notFound(table: string): TicklakeError {
  return new TicklakeError('not_found', `there is no table ${JSON.stringify(table)}`)
}
