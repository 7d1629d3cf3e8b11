import { createLogger } from '#core'
import { FileCatalog } from '../../src/storage/catalog/file-catalog.js'
import type { CommitContext } from '../../src/storage/commit.js'
import { Manifests } from '../../src/storage/manifests.js'
import type { ObjectStore } from '../../src/storage/objects/object-store.js'
import { ManualClock } from './manual-clock.js'
import { SeededRandom } from './seeded-random.js'

/** What tests commit with: a catalog of the files below a warehouse, the first owner of it, and no word in any log. */
export function commitContext(
  objects: ObjectStore,
  warehouse: string,
  {
    clock = new ManualClock(),
    random = new SeededRandom(1),
    fence = 1,
  }: Partial<Pick<CommitContext, 'clock' | 'random' | 'fence'>> = {},
): CommitContext {
  return {
    objects,
    manifests: new Manifests(objects),
    catalog: new FileCatalog(objects, warehouse),
    clock,
    random,
    fence,
    logger: createLogger({ level: 'silent', format: 'text' }),
  }
}
