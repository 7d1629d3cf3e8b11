import type { Clock } from '#core'
import type { CatalogServer } from '#storage'
import { RestCatalog } from '../../src/storage/catalog/rest-catalog.js'
import { MemoryObjectStore } from '../../src/storage/objects/memory.js'
import type { ObjectStore } from '../../src/storage/objects/object-store.js'
import { commitContext } from './commit-context.js'

export const WAREHOUSE = 'memory:///warehouse'

/** A catalog without tables of ours. */
export function memoryCatalog(
  clock: Clock,
  objects: ObjectStore = new MemoryObjectStore(clock),
): CatalogServer {
  return new RestCatalog({
    context: commitContext(objects, `${WAREHOUSE}/market_data`, { clock }),
    warehouse: WAREHOUSE,
    namespace: 'market_data',
    own: [],
  })
}
