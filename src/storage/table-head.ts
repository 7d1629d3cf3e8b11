import { type CommitContext, type CommitOutcome, commitChange, type TableChange } from './commit.js'
import type { TableMetadata } from './iceberg/metadata.js'
import type { Snapshot } from './iceberg/snapshot.js'

/** New names of files. Until they are released, what bears one of them is nobody's orphan. */
export interface FileNames {
  next(): string
  release(): void
}

/**
 * One table's newest committed metadata, and the one way to change it: changes are made one after the other, and each is
 * what everybody sees from one turn of the event loop to the next.
 */
export class TableHead {
  readonly name: string
  readonly context: CommitContext
  readonly #listeners: ((metadata: TableMetadata) => void)[] = []
  /** How often each sequence number is held. */
  readonly #holds = new Map<number, number>()
  readonly #claimed = new Set<string>()
  #lingering: readonly Snapshot[] = []
  #metadata: TableMetadata
  #fileCount = 0
  #last: Promise<unknown> = Promise.resolve()

  /** `metadata` is what the catalog holds. */
  constructor(name: string, metadata: TableMetadata, context: CommitContext) {
    this.name = name
    this.context = context
    this.#metadata = metadata
  }

  /** In the catalog `context.catalog`, where the table must exist. */
  static async open(name: string, context: CommitContext): Promise<TableHead> {
    return new TableHead(name, (await context.catalog.load(name)).metadata, context)
  }

  get metadata(): TableMetadata {
    return this.#metadata
  }

  /** Names for the files of one piece of work, which may be long until their commit. */
  claimNames(): FileNames {
    const own = new Set<string>()
    return {
      next: () => {
        // The fence is new for each owner of the folder, the count for each name: none has been there before.
        const name = `${String(this.context.fence).padStart(6, '0')}-${String(this.#fileCount++).padStart(6, '0')}`
        own.add(name)
        this.#claimed.add(name)
        return name
      },
      release: () => {
        for (const name of own) this.#claimed.delete(name)
      },
    }
  }

  /** Whether somebody is still at work on the file there, however old it is. */
  isClaimed(location: string): boolean {
    const name = /(\d{6,}-\d{6,})[^/]*$/.exec(location)?.[1]
    return name !== undefined && this.#claimed.has(name)
  }

  /** From now on the listener is told of each change, in the turn in which `metadata` becomes it. It must not throw. */
  onChange(listener: (metadata: TableMetadata) => void): void {
    this.#listeners.push(listener)
  }

  /** Makes the change, after those that were asked for before. Errors are those of `commitChange` and of the change. */
  commit(change: TableChange): Promise<CommitOutcome> {
    return this.#inTurn(() => commitChange(this.context, this.name, change))
  }

  /** Looks what is committed, after a commit whose outcome is not known. */
  async reload(): Promise<TableMetadata> {
    const { table } = await this.#inTurn(async () => ({ table: await this.context.catalog.load(this.name) }))
    return table.metadata
  }

  /** Until released, neither this snapshot (null: before the first) nor a later one expires, unless it has already. */
  hold(snapshotId: bigint | null): () => void {
    const snapshot = this.#metadata.snapshots.find((candidate) => candidate.snapshotId === snapshotId)
    if (snapshotId !== null && !snapshot) return () => {}
    const sequenceNumber = snapshot?.sequenceNumber ?? 0
    this.#holds.set(sequenceNumber, (this.#holds.get(sequenceNumber) ?? 0) + 1)
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      const others = this.#holds.get(sequenceNumber)! - 1
      if (others > 0) this.#holds.set(sequenceNumber, others)
      else this.#holds.delete(sequenceNumber)
      this.#lingering = this.#stillHeld(this.#lingering)
    }
  }

  /** The snapshots of this table that are held. */
  held({ snapshots }: TableMetadata): ReadonlySet<bigint> {
    return new Set(this.#stillHeld(snapshots).map(({ snapshotId }) => snapshotId))
  }

  /** The least sequence number of a snapshot that is held; infinity when none is. */
  get heldFrom(): number {
    return Math.min(...this.#holds.keys())
  }

  /** Snapshots that the table has no more, but somebody has taken hold of before: their files must stay. */
  get lingering(): readonly Snapshot[] {
    return this.#lingering
  }

  #stillHeld(snapshots: readonly Snapshot[]): readonly Snapshot[] {
    const { heldFrom } = this
    return snapshots.filter(({ sequenceNumber }) => sequenceNumber >= heldFrom)
  }

  #inTurn<T extends { readonly table: { readonly metadata: TableMetadata } }>(
    work: () => Promise<T>,
  ): Promise<T> {
    const done = this.#last.then(async () => {
      const result = await work()
      this.#lingering = [...this.#lingering, ...this.#stillHeld(gone(this.#metadata, result.table.metadata))]
      this.#metadata = result.table.metadata
      for (const listener of this.#listeners) listener(this.#metadata)
      return result
    })
    this.#last = done.catch(() => {})
    return done
  }
}

function gone(before: TableMetadata, after: TableMetadata): readonly Snapshot[] {
  const left = new Set(after.snapshots.map(({ snapshotId }) => snapshotId))
  return before.snapshots.filter(({ snapshotId }) => !left.has(snapshotId))
}
