import { type Clock, createLogger } from '#core'
import type { CatalogServer } from '#storage'
import { FileCatalog } from '../../src/storage/catalog/file-catalog.js'
import { RestCatalog } from '../../src/storage/catalog/rest-catalog.js'
import { Manifests } from '../../src/storage/manifests.js'
import { MemoryObjectStore } from '../../src/storage/objects/memory.js'
import type { ObjectStore } from '../../src/storage/objects/object-store.js'
import { SeededRandom } from './seeded-random.js'

export const WAREHOUSE = 'memory:///warehouse'

/** A catalog without tables of ours. */
export function memoryCatalog(
  clock: Clock,
  objects: ObjectStore = new MemoryObjectStore(clock),
): CatalogServer {
  return new RestCatalog({
    context: {
      objects,
      manifests: new Manifests(objects),
      catalog: new FileCatalog(objects, `${WAREHOUSE}/market_data`),
      clock,
      random: new SeededRandom(1),
      fence: 1,
      logger: createLogger({ level: 'silent', format: 'json' }),
    },
    warehouse: WAREHOUSE,
    namespace: 'market_data',
    own: [],
  })
}
