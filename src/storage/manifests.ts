import { BoundedCache } from './bounded-cache.js'
import { decodeManifest, type Manifest, type ManifestEntry } from './iceberg/manifest.js'
import { decodeManifestList, type ManifestFile, settled } from './iceberg/manifest-list.js'
import type { ObjectStore } from './objects/object-store.js'

/** A cached data file with its statistics takes about 4 KB. */
const MAX_CACHED_FILES = 50_000
/** Of all lists together; a manifest is one entry. */
const MAX_CACHED_LIST_ENTRIES = 200_000

/**
 * Manifest lists and manifests by location. They never change once written, so what was read is kept, within bounds.
 * Serves every table, readers and writers; safe to call concurrently.
 */
export class Manifests {
  readonly #objects: ObjectStore
  readonly #lists = new BoundedCache<readonly ManifestFile[]>(MAX_CACHED_LIST_ENTRIES)
  readonly #manifests = new BoundedCache<Manifest>(MAX_CACHED_FILES)

  constructor(objects: ObjectStore) {
    this.#objects = objects
  }

  list(path: string): Promise<readonly ManifestFile[]> {
    return this.#lists.get(path, async () => {
      const manifests = decodeManifestList(await this.#objects.read(path), path)
      return { value: manifests, weight: manifests.length + 1 }
    })
  }

  read(path: string): Promise<Manifest> {
    return this.#manifests.get(path, async () => {
      const manifest = decodeManifest(await this.#objects.read(path), path)
      return { value: manifest, weight: manifest.entries.length + 1 }
    })
  }

  /** The entries of files that are in the table by a manifest, with what they inherit from its list. */
  async live(manifest: ManifestFile): Promise<readonly ManifestEntry[]> {
    const { entries } = await this.read(manifest.path)
    return entries.filter(({ status }) => status !== 'deleted').map((entry) => settled(entry, manifest))
  }
}
