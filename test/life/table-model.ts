import { formatVector } from '#core'
import type { Snapshot, TableMetadata } from '#storage'
import type { TypedRow } from '../support/typed-table.js'

/** What a version of a table holds. */
export interface ModelState {
  /** By what tells them apart, in no order. */
  readonly rows: ReadonlyMap<string, TypedRow>
  /** How far the log is in it. */
  readonly offset: number
  /** How many corrections are. */
  readonly corrections: number
  /** How many rows they have cancelled. */
  readonly cancelled: number
}

/** A commit that is under way. */
export interface Expected {
  isIn(metadata: TableMetadata): boolean
  after(state: ModelState): ModelState
}

/** What each version of a table holds: plain rows, that know nothing of files. */
export class TableModel {
  readonly #versions = new Map<bigint, ModelState>()
  readonly #expected = new Set<Expected>()
  #newest: ModelState = { rows: new Map(), offset: 0, corrections: 0, cancelled: 0 }

  get newest(): ModelState {
    return this.#newest
  }

  /** Of a snapshot that has been the current one. */
  at(snapshotId: bigint): ModelState | null {
    return this.#versions.get(snapshotId) ?? null
  }

  /** From now on the table may have it. */
  expect(expected: Expected): void {
    this.#expected.add(expected)
  }

  /** It has failed. */
  forget(expected: Expected): void {
    this.#expected.delete(expected)
  }

  /** Whoever was about to make any has died. */
  forgetAll(): void {
    this.#expected.clear()
  }

  /** What the table has become. Commits that change no row are not expected. */
  committed(metadata: TableMetadata): void {
    for (const one of this.#expected) {
      if (!one.isIn(metadata)) continue
      this.#newest = one.after(this.#newest)
      this.#expected.delete(one)
    }
    if (metadata.currentSnapshotId !== null) this.#versions.set(metadata.currentSnapshotId, this.#newest)
  }
}

/** What is wrong with the keys by which ticklake goes on from a snapshot; null when nothing is. */
export function summaryProblem({ summary }: Snapshot, state: ModelState): string | null {
  const wanted = {
    'ticklake.offsets': formatVector([state.offset]),
    'ticklake.corrections': state.corrections === 0 ? undefined : formatVector([state.corrections]),
    'ticklake.cancelled': state.corrections === 0 ? undefined : String(state.cancelled),
  }
  for (const [key, value] of Object.entries(wanted)) {
    if (summary[key] !== value) return `${key} is ${summary[key]}, not ${value}`
  }
  return null
}
