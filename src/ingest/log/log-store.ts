import type { BatchPosition } from './stored-batch.js'

/** Changes that take effect together or not at all. */
export interface StoreChange {
  readonly put?: readonly { readonly position: BatchPosition; readonly bytes: Uint8Array }[]
  readonly remove?: readonly BatchPosition[]
  /** Named states to replace: plain JSON values. */
  readonly states?: ReadonlyMap<string, unknown>
}

/** A batch and where it begins. */
export interface StoredBatch {
  readonly baseOffset: number
  readonly bytes: Uint8Array
}

/** Named states that outlive the process. */
export interface StateStore {
  /** Resolves once all of it is durable. After an error the outcome is unknown. */
  commit(change: Pick<StoreChange, 'states'>): Promise<void>

  /** A named state as it was put. The caller knows its shape: nobody else writes that name. */
  state(name: string): unknown
}

/**
 * What a log keeps its batches and its few small states in. The log checks positions and never overwrites a batch;
 * the store keeps order and atomicity. One process uses it.
 */
export interface LogStore extends StateStore {
  open(): Promise<void>
  close(): Promise<void>

  /** Resolves once all of it is durable. After an error the outcome is unknown. */
  commit(change: StoreChange): Promise<void>

  /** The batch that begins exactly there. */
  batch(position: BatchPosition): Uint8Array | undefined

  /** The last batch of the partition that begins at or before the offset; no offset: the last of all. */
  lastBatch(topic: string, partition: number, atOrBefore?: number): StoredBatch | undefined

  firstBatch(topic: string, partition: number): StoredBatch | undefined

  /** Names of the states that begin with a prefix, in order. */
  stateNames(prefix: string): readonly string[]
}
