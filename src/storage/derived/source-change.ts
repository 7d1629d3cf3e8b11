import type { TableLayout } from '#core'
import { changes } from '../catalog/brought-rows.js'
import { daysOf } from '../file-days.js'
import type { ColumnPredicate } from '../iceberg/evaluator.js'
import type { DataFile } from '../iceberg/manifest.js'
import { ancestry, type TableMetadata } from '../iceberg/metadata.js'
import { COMMIT_ID_KEY, type Snapshot } from '../iceberg/snapshot.js'
import { inParallel } from '../in-parallel.js'
import type { Manifests } from '../manifests.js'
import type { FileIndex } from '../prune.js'
import { ALL_DAYS, type DayRanges, united } from './day-ranges.js'

/** A source, and how its files are found. */
export interface SourceFiles {
  readonly layout: TableLayout
  readonly index: FileIndex
  readonly manifests: Manifests
}

/** What became of a source after a snapshot, up to one that has come from it. */
export interface SourceChange {
  /** Oldest first. */
  readonly snapshots: readonly Snapshot[]
  /** Days whose rows were changed or removed, and not only added to by ticklake. */
  readonly touched: DayRanges
}

/** The snapshots after one up to a later one, oldest first, the one itself before them; null: they are no history any more. */
export function stretch(metadata: TableMetadata, from: bigint, to: bigint): readonly Snapshot[] | null {
  const snapshots: Snapshot[] = []
  for (const snapshot of ancestry(metadata, to)) {
    snapshots.push(snapshot)
    if (snapshot.snapshotId === from) return snapshots.reverse()
  }
  return null
}

/** What the snapshots of a stretch did, but for the first of them. */
export async function changeIn(
  source: SourceFiles,
  [first, ...snapshots]: readonly Snapshot[],
): Promise<SourceChange> {
  let parent = first
  const pairs = snapshots.map((snapshot) => {
    const pair = { parent: parent ?? null, snapshot }
    parent = snapshot
    return pair
  })
  const touched = await inParallel(pairs, (pair) => touchedBy(source, pair.parent, pair.snapshot))
  return { snapshots, touched: united(...touched) }
}

/** The files that a change added to days that it did not touch: of some other days there may be more. */
export async function filesAdded(
  { index }: SourceFiles,
  { snapshots }: SourceChange,
  predicates: readonly ColumnPredicate[],
): Promise<readonly DataFile[]> {
  const appends = snapshots.filter(({ summary }) => summary.operation === 'append')
  return (await inParallel(appends, (snapshot) => index.addedBy(snapshot, predicates))).flat()
}

/**
 * The days whose rows a snapshot changed, or may have changed. Ticklake's own says what it did. What another engine's did
 * is told by its files alone; that it only added some is no reason to take them for all.
 */
async function touchedBy(
  { layout, manifests }: SourceFiles,
  parent: Snapshot | null,
  snapshot: Snapshot,
): Promise<DayRanges> {
  const { operation } = snapshot.summary
  if (isOwn(parent, snapshot) && (operation === 'append' || operation === 'replace')) return []
  const { gone, come } = await changes(manifests, parent, snapshot)
  if ([...gone, ...come].some(({ content }) => content === 'deletes')) return ALL_DAYS
  return united(
    ...[...gone, ...come].map(({ file }): DayRanges => {
      const days = daysOf(layout, file)
      return days === null ? ALL_DAYS : [[days.first, days.last]]
    }),
  )
}

/** Each of ours has an id of its own; others carry that of their parent forward, or have none. */
function isOwn(parent: Snapshot | null, { summary }: Snapshot): boolean {
  const id = summary[COMMIT_ID_KEY]
  return id !== undefined && id !== parent?.summary[COMMIT_ID_KEY]
}
