import { type CommitContext, type CommitOutcome, commitChange, type TableChange } from './commit.js'
import type { TableMetadata } from './iceberg/metadata.js'

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
  #metadata: TableMetadata
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
    }
  }

  /** The least sequence number of a snapshot that is held; infinity when none is. */
  get heldFrom(): number {
    return Math.min(...this.#holds.keys())
  }

  #inTurn<T extends { readonly table: { readonly metadata: TableMetadata } }>(
    work: () => Promise<T>,
  ): Promise<T> {
    const done = this.#last.then(async () => {
      const result = await work()
      this.#metadata = result.table.metadata
      for (const listener of this.#listeners) listener(this.#metadata)
      return result
    })
    this.#last = done.catch(() => {})
    return done
  }
}
