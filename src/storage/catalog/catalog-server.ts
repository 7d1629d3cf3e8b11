import type { CreateTable } from '../iceberg/create-table.js'
import type { Update } from '../iceberg/draft.js'
import type { TableMetadata } from '../iceberg/metadata.js'
import type { Requirement } from '../iceberg/requirements.js'
import type { LoadedTable } from './catalog.js'

export interface TableIdentifier {
  /** One level: namespaces are not nested. */
  readonly namespace: string
  readonly name: string
}

export type Properties = Readonly<Record<string, string>>

/** What is to be done to a table, and what must be so for it. */
export interface TableCommit {
  readonly requirements: readonly Requirement[]
  readonly updates: readonly Update[]
  /** The table must not exist yet: these updates are the whole of it. */
  readonly isCreation: boolean
}

/** Metadata of a creation that is staged are stored nowhere. */
export interface CreatedTable {
  readonly metadata: TableMetadata
  readonly metadataLocation: string | null
}

/** What became of the keys that were to be changed. */
export interface PropertyChanges {
  readonly updated: readonly string[]
  readonly removed: readonly string[]
  readonly missing: readonly string[]
}

/**
 * Tables by namespace and name for whoever speaks Iceberg's REST protocol: ours, and those that other engines make.
 *
 * Of errors, `not_found` names in `detail.field` what there is not: `namespace` or `table`. `invalid_input`: refused,
 * with the reason. `conflict`: the state does not allow it; of a commit, load the table and try again. `unavailable`: it
 * is not known whether the change was made; after any other error nothing was changed.
 */
export interface CatalogServer {
  namespaces(): Promise<readonly string[]>
  /** Its properties; `location` is where its tables lie. */
  namespace(name: string): Promise<Properties>
  createNamespace(name: string, properties: Properties): Promise<Properties>
  /** It must be empty. */
  dropNamespace(name: string): Promise<void>
  changeNamespace(name: string, removals: readonly string[], updates: Properties): Promise<PropertyChanges>

  tables(namespace: string): Promise<readonly string[]>
  load(table: TableIdentifier): Promise<LoadedTable>
  create(namespace: string, request: CreateTable): Promise<CreatedTable>
  commit(table: TableIdentifier, commit: TableCommit): Promise<LoadedTable>
  /** `purge`: its files go too. */
  drop(table: TableIdentifier, purge: boolean): Promise<void>
  rename(from: TableIdentifier, to: TableIdentifier): Promise<void>
  /** Takes up a table that was dropped, by the location of its newest metadata. */
  register(table: TableIdentifier, metadataLocation: string): Promise<LoadedTable>
}
