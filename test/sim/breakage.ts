import type { OffsetVector } from '#core'
import { formatVector } from '#core'
import type { StreamTable } from '#storage'
import type { Catalog, LoadedTable } from '../../src/storage/catalog/catalog.js'
import type { TableMetadata } from '../../src/storage/iceberg/metadata.js'
import { OFFSETS_KEY } from '../../src/storage/iceberg/snapshot.js'
import { currentOffsets } from '../../src/storage/position.js'

/**
 * Promises that a simulation can be told to break, to see that it notices. Each is broken from outside, in how the
 * parts are put together: the sources know nothing of it.
 */
export const BREAKAGES = {
  offsets: 'a commit does not see what the table has committed, so that its check of the vector always holds',
  position: 'a reader begins at the start of the log, not at the vector of the newest snapshot',
  progress: 'a producer remembers itself how far it came, not by what the log says',
  pin: 'a reader gets the files of the newest snapshot, not those of the version that it pinned',
  sync: 'a data file is committed without being synced',
} as const

export type Breakage = keyof typeof BREAKAGES

export function isBreakage(name: string): name is Breakage {
  return name in BREAKAGES
}

/** Shows the table as its owner left it: whatever happened since is not seen. */
export class BlindCatalog implements Catalog {
  readonly #inner: Catalog
  #own: OffsetVector | null = null

  constructor(inner: Catalog) {
    this.#inner = inner
  }

  async load(table: string): Promise<LoadedTable> {
    const loaded = await this.#inner.load(table)
    this.#own ??= currentOffsets(loaded.metadata)
    return { ...loaded, metadata: withOffsets(loaded.metadata, this.#own) }
  }

  create(table: string, metadata: TableMetadata): Promise<LoadedTable> {
    return this.#inner.create(table, metadata)
  }

  async commit(table: string, base: LoadedTable, next: TableMetadata): Promise<LoadedTable> {
    const written = await this.#inner.commit(table, base, next)
    this.#own = currentOffsets(written.metadata)
    return written
  }
}

function withOffsets(metadata: TableMetadata, offsets: OffsetVector): TableMetadata {
  const text = formatVector(offsets)
  return {
    ...metadata,
    properties: { ...metadata.properties, [OFFSETS_KEY]: text },
    snapshots: metadata.snapshots.map((snapshot) =>
      snapshot.snapshotId === metadata.currentSnapshotId
        ? { ...snapshot, summary: { ...snapshot.summary, [OFFSETS_KEY]: text } }
        : snapshot,
    ),
  }
}

/** The table, but a reader of the log begins at its start. */
export function withoutPosition(table: StreamTable): StreamTable {
  return overriding(table, { committedOffsets: () => table.committedOffsets().map(() => 0) })
}

/** The table, but files are looked up in whatever snapshot is the newest then. */
export function withoutPin(table: StreamTable): StreamTable {
  return overriding(table, {
    pin: () => ({
      ...table.pin(),
      select: async (filter) => {
        const newest = table.pin()
        try {
          return await newest.select(filter)
        } finally {
          newest.release()
        }
      },
    }),
  })
}

function overriding(table: StreamTable, own: Partial<StreamTable>): StreamTable {
  return new Proxy(table, {
    get: (target, name) => {
      const found: unknown = Reflect.get(name in own ? own : target, name)
      return typeof found === 'function' ? found.bind(target) : found
    },
  })
}
