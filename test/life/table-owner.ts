import { type Clock, createLogger } from '#core'
import type { Engine, TableEngine } from '#engine'
import { FileCatalog } from '../../src/storage/catalog/file-catalog.js'
import type { Compactable } from '../../src/storage/maintenance/compact.js'
import { Manifests } from '../../src/storage/manifests.js'
import { LocalObjectStore } from '../../src/storage/objects/local.js'
import { FileIndex } from '../../src/storage/prune.js'
import { TableHead } from '../../src/storage/table-head.js'
import { UnnumberedFiles } from '../../src/storage/unnumbered-files.js'
import { SeededRandom } from '../support/seeded-random.js'
import { LIVED } from './lived-rows.js'
import { Mortal, MortalObjects, mortalEngine } from './mortal.js'

export interface Ownership {
  readonly engine: Engine
  readonly clock: Clock
  readonly warehouse: string
  /** Higher than that of the owner before. */
  readonly fence: number
}

/** A process that owns the table, and may die. */
export interface TableOwner extends Compactable {
  readonly fence: number
  readonly process: Mortal
  readonly engine: TableEngine
}

export async function openOwner(
  { engine, clock, warehouse, fence }: Ownership,
  random: SeededRandom,
): Promise<TableOwner> {
  // Of their own, so that the order in which threads come back does not change what happens next.
  const [forProcess, forNames] = [new SeededRandom(random.uint32()), new SeededRandom(random.uint32())]
  const process = new Mortal(forProcess)
  const objects = new MortalObjects(new LocalObjectStore(), process)
  const manifests = new Manifests(objects)
  const own = mortalEngine(engine, process)
  const head = await TableHead.open(LIVED.name, {
    objects,
    manifests,
    catalog: new FileCatalog(objects, warehouse),
    clock,
    random: forNames,
    fence,
    logger: createLogger({ level: 'silent', format: 'text' }),
  })
  return {
    fence,
    process,
    engine: own,
    head,
    layout: LIVED,
    index: new FileIndex(manifests),
    unnumbered: new UnnumberedFiles(own),
  }
}
