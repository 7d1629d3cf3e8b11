import type { TableMetadata } from '#storage'
import type { TableHead } from '../../src/storage/table-head.js'

/** A reader that has pinned a version and reads on. */
export interface Reader {
  readonly metadata: TableMetadata
  readonly snapshotId: bigint
  readonly release: () => void
}

const MAX_READERS = 4

/** Readers of a table, the oldest first. */
export class Readers {
  readonly #isHoldBroken: boolean
  #all: Reader[] = []

  /** @param isHoldBroken what they read is not held. */
  constructor(isHoldBroken: boolean) {
    this.#isHoldBroken = isHoldBroken
  }

  get all(): readonly Reader[] {
    return this.#all
  }

  begin(head: TableHead): void {
    const { metadata } = head
    const { currentSnapshotId: snapshotId } = metadata
    if (snapshotId === null || this.#all.length === MAX_READERS) return
    const release = this.#isHoldBroken ? () => {} : head.hold(snapshotId)
    this.#all.push({ metadata, snapshotId, release })
  }

  end(): void {
    this.#all.shift()?.release()
  }

  endAll(): void {
    for (const { release } of this.#all.splice(0)) release()
  }

  /** They are no more, and have released nothing. */
  forget(): void {
    this.#all = []
  }
}
