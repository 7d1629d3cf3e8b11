import { isDeepStrictEqual } from 'node:util'
import type { TableLayout } from '#core'
import { overwrittenDays } from '../file-days.js'
import type { DataFile } from '../iceberg/manifest.js'
import type { ManifestFile } from '../iceberg/manifest-list.js'
import { ancestry, type TableMetadata } from '../iceberg/metadata.js'
import { overwrittenBy } from '../iceberg/overwritten.js'
import { refused } from '../iceberg/refusal.js'
import type { Snapshot, Summary } from '../iceberg/snapshot.js'
import { inParallel } from '../in-parallel.js'
import type { Manifests } from '../manifests.js'

/** A file that is in a snapshot, as its manifests have it: all that decides which rows are read of it. */
interface Listed {
  readonly content: 'data' | 'deletes'
  readonly specId: number
  readonly sequenceNumber: number
  readonly file: DataFile
}

/**
 * `next`, in which each snapshot that is new says whose rows it overwrites. That is found by its files and those of its
 * parent, whatever it calls its operation: of what stays as it is nothing is overwritten, nor by new data of a new number.
 * Other engines may give new files an older number, as a compaction of theirs does: that of a snapshot before. Refused
 * (`invalid_input`) is one that no snapshot before has: days are told apart by these numbers.
 */
export async function withOverwritten(
  manifests: Manifests,
  base: TableMetadata,
  next: TableMetadata,
  layout: TableLayout,
): Promise<TableMetadata> {
  let known: TableMetadata = base
  for (const snapshot of next.snapshots) {
    if (known.snapshots.some(({ snapshotId }) => snapshotId === snapshot.snapshotId)) continue
    const summary = { ...snapshot.summary, ...(await overwrittenIn(manifests, known, snapshot, layout)) }
    known = { ...known, snapshots: [...known.snapshots, { ...snapshot, summary }] }
  }
  const all = new Map(known.snapshots.map((snapshot) => [snapshot.snapshotId, snapshot]))
  return { ...next, snapshots: next.snapshots.map((snapshot) => all.get(snapshot.snapshotId) ?? snapshot) }
}

async function overwrittenIn(
  manifests: Manifests,
  known: TableMetadata,
  snapshot: Snapshot,
  layout: TableLayout,
): Promise<Summary> {
  const { sequenceNumber } = snapshot
  const before = [...ancestry(known, snapshot.parentSnapshotId)]
  const parent = before[0] ?? null
  const { gone, come } = await changes(manifests, parent, snapshot)
  const older = come.filter((one) => one.content === 'data' && one.sequenceNumber !== sequenceNumber)
  const numbers = new Set(before.map((one) => one.sequenceNumber))
  const lost = older.find((one) => !numbers.has(one.sequenceNumber))
  if (lost) {
    const what = `${lost.file.path} of snapshot ${snapshot.snapshotId} has the sequence number ${lost.sequenceNumber}`
    throw refused(`${what}, and none of the snapshots before it has: leave it to be inherited`)
  }
  const isOfDeletes = [...gone, ...come].some(({ content }) => content === 'deletes')
  const days = overwrittenDays(
    layout,
    [...gone, ...older].map(({ file }) => file),
    come.filter((one) => one.sequenceNumber === sequenceNumber).map(({ file }) => file),
  )
  return overwrittenBy(parent, sequenceNumber, isOfDeletes ? null : days)
}

/** The files that leave and that come: those of manifests that stay are neither, and are not read. */
export async function changes(
  manifests: Manifests,
  parent: Snapshot | null,
  snapshot: Snapshot,
): Promise<{ readonly gone: readonly Listed[]; readonly come: readonly Listed[] }> {
  const [before, after] = await inParallel([parent, snapshot], async (one) =>
    one === null ? [] : manifests.list(one.manifestList),
  )
  const lists = unmatched(before!, after!, ({ path }) => path)
  const [gone, come] = await inParallel([lists.gone, lists.come], (some) => listed(manifests, some))
  return unmatched(gone!, come!, ({ file }) => file.path)
}

async function listed(manifests: Manifests, some: readonly ManifestFile[]): Promise<readonly Listed[]> {
  const files = await inParallel(some, async (manifest) => {
    const { content, partitionSpecId: specId } = manifest
    const live = await manifests.live(manifest)
    return live.map(({ sequenceNumber, file }) => ({
      content,
      specId,
      sequenceNumber: sequenceNumber ?? 0,
      file,
    }))
  })
  return files.flat()
}

/** Each is matched with one that equals it, and with no other. */
function unmatched<T>(
  before: readonly T[],
  after: readonly T[],
  keyOf: (one: T) => string,
): { readonly gone: readonly T[]; readonly come: readonly T[] } {
  const left = new Map<string, T[]>()
  for (const one of before) {
    const others = left.get(keyOf(one))
    if (others) others.push(one)
    else left.set(keyOf(one), [one])
  }
  const come = after.filter((one) => {
    const alike = left.get(keyOf(one)) ?? []
    const index = alike.findIndex((other) => isDeepStrictEqual(other, one))
    if (index >= 0) alike.splice(index, 1)
    return index < 0
  })
  return { gone: [...left.values()].flat(), come }
}
