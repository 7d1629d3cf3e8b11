import { TicklakeError } from '#core'
import type { TableMetadata } from '../iceberg/metadata.js'

/** A table's current metadata and where it was read from. */
export interface LoadedTable {
  readonly metadata: TableMetadata
  /** Absolute, with scheme: file:///…/metadata/v7.metadata.json */
  readonly metadataLocation: string
}

/**
 * Where the pointer to a table's current metadata lives. The swap is the commit point.
 * Metadata is replaced whole: `commit` succeeds only if `base` is still the current one.
 */
export interface Catalog {
  /** The current metadata; `not_found` when there is no such table. */
  load(table: string): Promise<LoadedTable>

  /** Creates the table with this first metadata; `conflict` when it exists. */
  create(table: string, metadata: TableMetadata): Promise<LoadedTable>

  /**
   * Makes `next` the current metadata if `base` still is. `conflict`: somebody else committed, nothing changed:
   * load and rebase. Any other error leaves the outcome unknown: load and look for your commit id; delete nothing.
   */
  commit(table: string, base: LoadedTable, next: TableMetadata): Promise<LoadedTable>
}

/** The table as it is, or, when there is none, made with this first metadata. */
export async function loadOrCreate(
  catalog: Catalog,
  table: string,
  made: TableMetadata,
): Promise<LoadedTable> {
  try {
    return await catalog.load(table)
  } catch (error) {
    if (error instanceof TicklakeError && error.code === 'not_found') return catalog.create(table, made)
    throw error
  }
}
