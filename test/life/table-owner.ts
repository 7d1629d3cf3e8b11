import type { Clock } from '#core'
import type { Engine, TableEngine } from '#engine'
import type { Compactable } from '../../src/storage/maintenance/compact.js'
import { Manifests } from '../../src/storage/manifests.js'
import { LocalObjectStore } from '../../src/storage/objects/local.js'
import { FileIndex } from '../../src/storage/prune.js'
import { TableHead } from '../../src/storage/table-head.js'
import { UnnumberedFiles } from '../../src/storage/unnumbered-files.js'
import { commitContext } from '../support/commit-context.js'
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
  const head = await TableHead.open(
    LIVED.name,
    commitContext(objects, warehouse, { clock, random: forNames, fence }),
  )
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
