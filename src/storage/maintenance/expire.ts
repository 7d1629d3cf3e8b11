import type { CommitContext, TableChange } from '../commit.js'
import { type Expiry, type ExpiryPolicy, expirable, expired } from '../iceberg/expiry.js'
import type { TableMetadata } from '../iceberg/metadata.js'
import type { Snapshot } from '../iceberg/snapshot.js'
import type { TableHead } from '../table-head.js'
import { filesIn, reachableFrom } from './reachable.js'
import type { TaskRun } from './task.js'

export interface ExpiryReport {
  readonly snapshots: number
  readonly refs: number
  /** Files that nobody can reach any more, and that are removed: data, manifests, lists and ledgers. */
  readonly files: number
  /** How many of the snapshots somebody is still reading: a removal of orphans takes their files later. */
  readonly held: number
  /** Snapshots that the table still has, and by what rule: why none went, say. Refs and readers keep theirs besides. */
  readonly kept: number
  readonly policy: ExpiryPolicy
}

/**
 * Lets old snapshots go, and then the files that nobody can reach any more. What a reader holds stays; of what it could
 * take hold of while this was committed, the files do. Nobody is waited for: a reader may take hours. Interrupted, it
 * leaves at most files that nobody reaches.
 */
export async function expireSnapshots(
  head: TableHead,
  policy: ExpiryPolicy,
  { signal, progress }: TaskRun,
): Promise<ExpiryReport> {
  const change = new Expire(head, policy)
  // What is committed in the end, and not what was to be: an attempt may have failed, and then there was nothing to do.
  const { table } = await head.commit(change)
  const { before } = change
  const after = table.metadata
  const left = new Set(after.snapshots.map(({ snapshotId }) => snapshotId))
  const gone = before.snapshots.filter(({ snapshotId }) => !left.has(snapshotId))
  const refs = Object.keys(before.refs).filter((name) => !Object.hasOwn(after.refs, name)).length
  const { lingering } = head
  const files =
    gone.length === 0 ? [] : await unreachable(head.context, before, [...after.snapshots, ...lingering])
  for (const [index, location] of files.entries()) {
    signal.throwIfAborted()
    await head.context.objects.remove(location)
    progress(index + 1, files.length)
  }
  const held = gone.filter((snapshot) => lingering.includes(snapshot)).length
  return { snapshots: gone.length, refs, files: files.length, held, kept: left.size, policy }
}

class Expire implements TableChange {
  readonly #head: TableHead
  readonly #policy: ExpiryPolicy
  /** The table as it was at the first attempt. */
  before: TableMetadata
  #isAttempted = false
  #expiry: Expiry = { snapshots: new Set(), refs: new Set() }

  constructor(head: TableHead, policy: ExpiryPolicy) {
    this.#head = head
    this.#policy = policy
    this.before = head.metadata
  }

  id(): string {
    return 'expiry'
  }

  isApplied(metadata: TableMetadata): boolean {
    const nowMs = this.#head.context.clock.nowMs()
    this.#expiry = expirable(metadata, this.#policy, nowMs, this.#head.held(metadata))
    return this.#expiry.snapshots.size === 0 && this.#expiry.refs.size === 0
  }

  async apply(base: TableMetadata): Promise<TableMetadata> {
    if (!this.#isAttempted) this.before = base
    this.#isAttempted = true
    return expired(base, this.#expiry)
  }
}

/** Files that the table's snapshots had, and that none of those that are kept has. */
async function unreachable(
  context: CommitContext,
  before: TableMetadata,
  kept: readonly Snapshot[],
): Promise<readonly string[]> {
  const [had, has] = await Promise.all(
    [before.snapshots, kept].map((snapshots) => reachableFrom(context, snapshots)),
  )
  const without = <T>(all: Iterable<T>, kept: { has(one: T): boolean }) =>
    [...all].filter((one) => !kept.has(one))
  const manifests = without(had!.manifests.keys(), has!.manifests).map((path) => had!.manifests.get(path)!)
  const candidates = await filesIn(context, manifests, { deleted: true })
  const live =
    candidates.size === 0 ? candidates : await filesIn(context, has!.manifests.values(), { deleted: false })
  const gone = [
    ...without(candidates, live),
    ...manifests.map(({ path }) => path),
    ...without(had!.lists, has!.lists),
    ...without(had!.ledgers, has!.ledgers),
  ]
  // What was added to the table from elsewhere is not ours to remove.
  return gone.filter((location) => location.startsWith(`${before.location}/`))
}
