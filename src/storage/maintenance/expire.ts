import type { CommitContext, TableChange } from '../commit.js'
import { type Expiry, type ExpiryPolicy, expirable, expired } from '../iceberg/expiry.js'
import type { TableMetadata } from '../iceberg/metadata.js'
import type { TableHead } from '../table-head.js'
import { filesIn, reachableFrom } from './reachable.js'
import type { TaskRun } from './task.js'

export interface ExpiryReport {
  readonly snapshots: number
  readonly refs: number
  /** Files that no snapshot that is left needs: data, manifests, lists and ledgers. */
  readonly files: number
}

/**
 * Lets old snapshots go, and then the files that nobody can reach any more. What a reader holds stays, and so does what
 * it could have taken hold of while this was committed. Interrupted, it leaves at most files that nobody reaches.
 */
export async function expireSnapshots(
  head: TableHead,
  policy: ExpiryPolicy,
  { signal, progress }: TaskRun,
): Promise<ExpiryReport> {
  const change = new Expire(head, policy)
  await head.commit(change)
  const { before, after, expiry } = change
  if (before === after) return { snapshots: 0, refs: expiry.refs.size, files: 0 }
  const files = await unreachable(head.context, before, after)
  await head.released(
    before.snapshots.filter(({ snapshotId }) => expiry.snapshots.has(snapshotId)),
    signal,
  )
  for (const [index, location] of files.entries()) {
    signal.throwIfAborted()
    await head.context.objects.remove(location)
    progress(index + 1, files.length)
  }
  return { snapshots: expiry.snapshots.size, refs: expiry.refs.size, files: files.length }
}

class Expire implements TableChange {
  readonly #head: TableHead
  readonly #policy: ExpiryPolicy
  before: TableMetadata
  after: TableMetadata
  expiry: Expiry = { snapshots: new Set(), refs: new Set() }

  constructor(head: TableHead, policy: ExpiryPolicy) {
    this.#head = head
    this.#policy = policy
    this.before = head.metadata
    this.after = head.metadata
  }

  id(): string {
    return 'expiry'
  }

  isApplied(metadata: TableMetadata): boolean {
    const expiry = expirable(
      metadata,
      this.#policy,
      this.#head.context.clock.nowMs(),
      this.#head.held(metadata),
    )
    const isNothing = expiry.snapshots.size === 0 && expiry.refs.size === 0
    // After a commit whose outcome was not known, what expired by it is what was to be done.
    if (!isNothing) this.expiry = expiry
    return isNothing
  }

  async apply(base: TableMetadata): Promise<TableMetadata> {
    this.before = base
    this.after = expired(base, this.expiry)
    return this.after
  }
}

/** Files that snapshots had, and that none of those that are left has. */
async function unreachable(
  context: CommitContext,
  before: TableMetadata,
  after: TableMetadata,
): Promise<readonly string[]> {
  const [had, has] = await Promise.all(
    [before, after].map(({ snapshots }) => reachableFrom(context, snapshots)),
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
  return gone.filter((location) => location.startsWith(`${after.location}/`))
}
