import { type TableLayout, TicklakeError } from '#core'
import { foreignCommit } from '../iceberg/foreign-commit.js'
import type { TableMetadata } from '../iceberg/metadata.js'
import { refused } from '../iceberg/refusal.js'
import type { TableHead } from '../table-head.js'
import { checkBroughtFiles } from './brought-files.js'
import { withOverwritten } from './brought-rows.js'
import type { LoadedTable } from './catalog.js'
import type { TableCommit } from './catalog-server.js'
import { type CommitRules, RequestedChange, settledCommit } from './requested-change.js'

/** A table of ours, as other engines see it: they may commit to it what breaks neither ingest nor its readers. */
export class OwnTable {
  readonly #head: TableHead
  readonly #rules: CommitRules

  /** @param isDerived from other tables: only ticklake writes its rows. */
  constructor(head: TableHead, layout: TableLayout, isDerived = false) {
    this.#head = head
    this.#rules = {
      admit: (base, next) => {
        checkHeld(head, base, next)
        if (isDerived) checkDerived(head.name, base, next)
        return foreignCommit(base, next, layout)
      },
      inspect: async (base, next) => {
        await checkBroughtFiles(head.context, base, next)
        return withOverwritten(head.context.manifests, base, next, layout)
      },
    }
  }

  load(): Promise<LoadedTable> {
    return this.#head.context.catalog.load(this.#head.name)
  }

  commit(commit: TableCommit): Promise<LoadedTable> {
    const { context } = this.#head
    const change = new RequestedChange(commit, this.#rules, context.clock)
    const made = this.#head.commit(change)
    // In the very next turn: a flush that waits would hide whether it was made. Readers here see it too if it was.
    const after = this.#head.reload()
    after.catch(() => {})
    return settledCommit(
      change,
      () => made,
      async () => (change.isIn(await after) ? this.load() : null),
    )
  }
}

/** What is being read, here or to derive another table from it, does not expire. */
function checkHeld({ name, heldFrom }: TableHead, base: TableMetadata, next: TableMetadata): void {
  const kept = new Set(next.snapshots.map(({ snapshotId }) => snapshotId))
  const held = base.snapshots.find(
    ({ snapshotId, sequenceNumber }) => sequenceNumber >= heldFrom && !kept.has(snapshotId),
  )
  if (!held) return
  const message = `snapshot ${held.snapshotId} of ${name} is being read, or not yet taken into a table that is derived from it`
  throw new TicklakeError('conflict', `${message}: remove it later, or leave it to ticklake to expire`)
}

/** Rows of others in a table that is derived would be taken for facts about its sources. */
function checkDerived(name: string, base: TableMetadata, next: TableMetadata): void {
  const known = new Set(base.snapshots.map(({ snapshotId }) => snapshotId))
  const isSame =
    next.currentSnapshotId === base.currentSnapshotId &&
    next.snapshots.every(({ snapshotId }) => known.has(snapshotId))
  if (!isSame) throw refused(`${name} is derived from the other tables: nobody else writes its rows`)
}
