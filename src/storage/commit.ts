import { type Clock, type Logger, type Random, TicklakeError } from '#core'
import type { Catalog, LoadedTable } from './catalog/catalog.js'
import { ancestry, currentSnapshot, type TableMetadata } from './iceberg/metadata.js'
import { COMMIT_ID_KEY, FENCE_KEY } from './iceberg/snapshot.js'
import type { Manifests } from './manifests.js'
import type { ObjectStore } from './objects/object-store.js'

export interface CommitContext {
  readonly objects: ObjectStore
  readonly manifests: Manifests
  readonly catalog: Catalog
  readonly clock: Clock
  readonly random: Random
  /** Number of this ownership of the warehouse: higher than that of every earlier owner. */
  readonly fence: number
  readonly logger: Logger
}

/** Something to be done to a table in one atomic step. */
export interface TableChange {
  /** Names this change to this table; a snapshot of it carries it as `ticklake.commit-id`. */
  id(metadata: TableMetadata): string
  /** Whether the table has the change: then nothing is left to do. Throws when it can never be made. */
  isApplied(metadata: TableMetadata): boolean
  /** `base` with the change. Called again after each lost race; `attempt` counts from 0. Throws when it can't be made. */
  apply(base: TableMetadata, attempt: number): Promise<TableMetadata>
}

/** Already applied: the table had the change before; files written for it are not in it and may be forgotten. */
export interface CommitOutcome {
  readonly status: 'committed' | 'already-applied'
  readonly table: LoadedTable
}

/** Each lost race means that another writer has won one; so many in a row mean that something is broken. */
const MAX_LOST_RACES = 100
/** So often a commit is tried again whose outcome was unknown and turned out to be a failure. */
const MAX_FAILURES = 3

/**
 * Makes a change to a table exactly once. Safe to call again with the same change after any error. Nothing is ever
 * deleted: a file of a failed attempt may be part of a commit that went through unseen.
 *
 * `locked`: a later owner of the warehouse has committed: stop. `unavailable`: the commit failed; try again later.
 */
export async function commitChange(
  context: CommitContext,
  table: string,
  change: TableChange,
): Promise<CommitOutcome> {
  const { catalog, logger } = context
  let lostRaces = 0
  const failures: unknown[] = []
  for (;;) {
    const base = await catalog.load(table)
    checkFence(context, base.metadata)
    if (change.isApplied(base.metadata)) {
      const isOurs = failures.length > 0 && hasCommit(base.metadata, change.id(base.metadata))
      return { status: isOurs ? 'committed' : 'already-applied', table: base }
    }
    const next = await change.apply(base.metadata, lostRaces + failures.length)
    if (failures.length > MAX_FAILURES) {
      const cause = failures.at(-1)
      throw new TicklakeError('unavailable', `cannot commit to ${table}: ${String(cause)}`, { cause })
    }
    try {
      return { status: 'committed', table: await catalog.commit(table, base, next) }
    } catch (cause) {
      if (cause instanceof TicklakeError && cause.code === 'conflict') {
        lostRaces += 1
        if (lostRaces > MAX_LOST_RACES) throw cause
        logger.debug('a commit lost a race and is rebased', { table, lost_races: lostRaces })
      } else {
        // The outcome is unknown: the next round reads back whether it went through.
        failures.push(cause)
        logger.warn('the outcome of a commit is unknown; reading back', {
          table,
          commit_id: change.id(base.metadata),
          error: String(cause),
        })
      }
    }
  }
}

/** Whether a retained ancestor of the current snapshot, or itself, is of this commit. */
export function hasCommit(metadata: TableMetadata, commitId: string): boolean {
  for (const snapshot of ancestry(metadata, metadata.currentSnapshotId)) {
    if (snapshot.summary[COMMIT_ID_KEY] === commitId) return true
  }
  return false
}

function checkFence({ fence }: CommitContext, metadata: TableMetadata): void {
  const newest = Number(currentSnapshot(metadata)?.summary[FENCE_KEY] ?? 0)
  if (newest <= fence) return
  const message = `${metadata.location} was committed to by owner ${newest} of the warehouse, and this is owner ${fence}`
  throw new TicklakeError('locked', `${message}: another process has taken over; end this one`)
}
