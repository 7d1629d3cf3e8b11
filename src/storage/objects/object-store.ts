/**
 * Files by absolute location with scheme (file:///…). A file is written, synced and named once; no path is reused.
 * A contract suite (test/contract/object-store.ts) runs on each implementation.
 */
export interface ObjectStore {
  /** Writes a new file durably: contents, then name, then folder are synced. `conflict` when the name is taken. */
  create(location: string, bytes: Uint8Array): Promise<void>

  /** Replaces a small file atomically. Only version-hint.text is ever written this way. */
  replace(location: string, bytes: Uint8Array): Promise<void>

  /** The whole file; `not_found` when there is none. */
  read(location: string): Promise<Uint8Array>

  /** Makes a file that another writer (DuckDB) has just written under this location durable; gives its size. */
  seal(location: string): Promise<{ readonly sizeBytes: number }>

  /** Removes a file; one that is absent is fine. Only what no retained snapshot and no reader can reach. */
  remove(location: string): Promise<void>

  /** Locations below a folder, any depth, with size and time of the last change. */
  list(folder: string): Promise<readonly StoredObject[]>
}

export interface StoredObject {
  readonly location: string
  readonly sizeBytes: number
  readonly modifiedMs: number
}
