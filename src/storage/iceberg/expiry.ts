import { assert } from '#core'
import type { Json } from './json.js'
import { ancestry, MAIN, type TableMetadata } from './metadata.js'
import { OFFSETS_KEY, type Snapshot, type SnapshotRef, statisticsSnapshot } from './snapshot.js'

/** How much history a table keeps where its branches do not say. */
export interface ExpiryPolicy {
  readonly maxAgeMs: number
  /** So many of each branch are kept, however old. At least 1. */
  readonly minToKeep: number
  /** No more than these are kept of a branch, however young. At least `minToKeep`. */
  readonly maxCount: number
}

/** What a table can do without. */
export interface Expiry {
  readonly snapshots: ReadonlySet<bigint>
  /** Branches and tags that have reached their own age. */
  readonly refs: ReadonlySet<string>
}

/**
 * What the policy lets go. What stays: every ref within its age, and main always; of each branch the snapshots that its
 * own retention asks for, else the policy's; snapshots that are on no branch while they are young (somebody may be
 * about to publish them); those that are held; and the newest that carry the position in the log, without which nobody
 * would know where to go on. Pure. (As Iceberg's Java, with a count, holds and the position.)
 */
export function expirable(
  metadata: TableMetadata,
  policy: ExpiryPolicy,
  nowMs: number,
  held: ReadonlySet<bigint>,
): Expiry {
  assert(
    policy.minToKeep >= 1 && policy.maxCount >= policy.minToKeep,
    'a policy keeps 1 ≤ minToKeep ≤ maxCount',
  )
  const byId = new Map(metadata.snapshots.map((snapshot) => [snapshot.snapshotId, snapshot]))
  const isWithinAge = ([name, ref]: [string, SnapshotRef]) => {
    const { timestampMs = nowMs } = byId.get(ref.snapshotId) ?? {}
    return name === MAIN || nowMs - timestampMs <= (ref.maxRefAgeMs ?? Number.POSITIVE_INFINITY)
  }
  const refs = Object.entries(metadata.refs)
  const live = refs.filter(isWithinAge).map(([, ref]) => ref)
  const kept = new Set([...held, ...live.map(({ snapshotId }) => snapshotId), ...positionCarriers(metadata)])
  const onBranches = new Set(kept)
  for (const branch of live.filter(({ type }) => type === 'branch')) {
    const history = [...ancestry(metadata, branch.snapshotId)]
    for (const { snapshotId } of history) onBranches.add(snapshotId)
    for (const snapshotId of recent(history, branch, policy, nowMs)) kept.add(snapshotId)
  }
  const isKept = ({ snapshotId, timestampMs }: Snapshot) =>
    kept.has(snapshotId) || (!onBranches.has(snapshotId) && nowMs - timestampMs <= policy.maxAgeMs)
  return {
    snapshots: new Set(metadata.snapshots.filter((one) => !isKept(one)).map(({ snapshotId }) => snapshotId)),
    refs: new Set(refs.filter((ref) => !isWithinAge(ref)).map(([name]) => name)),
  }
}

/** The table without what has expired. */
export function expired(metadata: TableMetadata, { snapshots, refs }: Expiry): TableMetadata {
  return withoutSnapshots(withoutRefs(metadata, refs), snapshots)
}

/**
 * The table without these snapshots, their statistics, and the refs to them; ids that it does not have don't matter.
 * What follows them keeps them as parents, which is legal. History begins after the last one that is gone: with a hole
 * in it, a time within the hole would be answered with the state before.
 */
export function withoutSnapshots(metadata: TableMetadata, ids: ReadonlySet<bigint>): TableMetadata {
  const snapshots = metadata.snapshots.filter(({ snapshotId }) => !ids.has(snapshotId))
  if (snapshots.length === metadata.snapshots.length) return metadata
  const { snapshotLog, refs } = metadata
  const dangling = Object.keys(refs).filter((name) => ids.has(refs[name]!.snapshotId))
  const isOfThem = (file: Json) => {
    const snapshotId = statisticsSnapshot(file)
    return snapshotId !== null && ids.has(snapshotId)
  }
  return {
    ...withoutRefs(metadata, new Set(dangling)),
    snapshots,
    snapshotLog: snapshotLog.slice(snapshotLog.findLastIndex(({ snapshotId }) => ids.has(snapshotId)) + 1),
    statistics: metadata.statistics.filter((file) => !isOfThem(file)),
    partitionStatistics: metadata.partitionStatistics.filter((file) => !isOfThem(file)),
  }
}

/** The table without these branches and tags. Without main it has no current snapshot. */
export function withoutRefs(metadata: TableMetadata, names: ReadonlySet<string>): TableMetadata {
  const entries = Object.entries(metadata.refs)
  const left = entries.filter(([name]) => !names.has(name))
  if (left.length === entries.length) return metadata
  const currentSnapshotId = names.has(MAIN) ? null : metadata.currentSnapshotId
  return { ...metadata, refs: Object.fromEntries(left), currentSnapshotId }
}

/** Of a branch's history, newest first, what it keeps. */
function recent(
  history: readonly Snapshot[],
  branch: SnapshotRef,
  policy: ExpiryPolicy,
  nowMs: number,
): readonly bigint[] {
  const atLeast = branch.minSnapshotsToKeep ?? policy.minToKeep
  const maxAgeMs = branch.maxSnapshotAgeMs ?? policy.maxAgeMs
  // Who asked for an age of a branch asked for all that is younger.
  const atMost = branch.maxSnapshotAgeMs === undefined ? Math.max(policy.maxCount, atLeast) : history.length
  const tooOld = history.findIndex(
    ({ timestampMs }, index) => index >= atLeast && nowMs - timestampMs > maxAgeMs,
  )
  const end = Math.min(tooOld === -1 ? history.length : tooOld, atMost)
  return history.slice(0, end).map(({ snapshotId }) => snapshotId)
}

/**
 * The newest on main, and the one that has the table's position: after a rollback they differ, and to the latter main is
 * set again when the rollback is undone.
 */
function positionCarriers(metadata: TableMetadata): readonly bigint[] {
  const position = metadata.properties[OFFSETS_KEY]
  const onMain = [...ancestry(metadata, metadata.currentSnapshotId)].find(
    ({ summary }) => summary[OFFSETS_KEY] !== undefined,
  )
  const committed = metadata.snapshots.findLast(
    ({ summary }) => position !== undefined && summary[OFFSETS_KEY] === position,
  )
  return [onMain, committed].flatMap((carrier) => carrier?.snapshotId ?? [])
}
