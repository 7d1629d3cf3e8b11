import { createHash } from 'node:crypto'
import { covers, formatVector, type OffsetVector, sameVector, TicklakeError, widened } from '#core'
import { type CommitContext, type CommitOutcome, commitChange, type TableChange } from './commit.js'
import type { DataFile } from './iceberg/manifest.js'
import type { ManifestFile } from './iceberg/manifest-list.js'
import { addSnapshot, type TableMetadata } from './iceberg/metadata.js'
import { COMMIT_ID_KEY, FENCE_KEY, OFFSETS_KEY, type Summary } from './iceberg/snapshot.js'
import { mergeManifests } from './manifest-merge.js'
import {
  liveManifests,
  newSnapshotId,
  requireSpec,
  writeAdded,
  writeManifestList,
} from './manifest-writer.js'
import { currentOffsets } from './position.js'

/** The rows of the log from one position vector to the next, as files that are durable already. */
export interface AppendRequest {
  /** None when the batch held no rows: the vector moves all the same. */
  readonly files: readonly DataFile[]
  /** The partition spec that they are written by; the default one when it is not given. */
  readonly specId?: number
  readonly from: OffsetVector
  readonly to: OffsetVector
  /** More ticklake.* keys for the snapshot's summary. */
  readonly summary: Summary
}

/**
 * Appends log rows to a table exactly once. The table's vector must equal `from`; it becomes `to` in the same
 * atomic step. Safe to call again with the same request after any error.
 *
 * `gone`: the partition spec of the files has been removed; write them anew.
 * `conflict`: the table's vector lies between `from` and `to`, or before `from`: read the log from there again. Others
 * as of `commitChange`.
 */
export function commitAppend(
  context: CommitContext,
  table: string,
  request: AppendRequest,
): Promise<CommitOutcome> {
  return commitChange(context, table, new Append(context, request))
}

export class Append implements TableChange {
  readonly #context: CommitContext
  readonly #request: AppendRequest
  readonly #snapshotId: bigint
  /** Both are written once, whatever races are lost afterwards. */
  #manifest: Promise<ManifestFile> | null = null
  readonly #merged = new Map<string, Promise<ManifestFile>>()

  constructor(context: CommitContext, request: AppendRequest) {
    this.#context = context
    this.#request = request
    this.#snapshotId = BigInt(context.random.id())
  }

  id({ tableUuid }: TableMetadata): string {
    const { from, to } = this.#request
    const text = `${tableUuid} ${formatVector(from)} ${formatVector(to)}`
    return createHash('sha256').update(text).digest('hex').slice(0, 32)
  }

  isApplied(metadata: TableMetadata): boolean {
    const { to } = this.#request
    const committed = currentOffsets(metadata)
    if (committed.length > to.length) {
      const message = `${metadata.location} counts ${committed.length} partitions, the log ${to.length}`
      throw new TicklakeError('conflict', `${message}: it was filled from another topic`)
    }
    return covers(committed, to)
  }

  async apply(base: TableMetadata, attempt: number): Promise<TableMetadata> {
    const { clock, fence } = this.#context
    const { files, specId = base.defaultSpecId, to, summary } = this.#request
    this.#checkPosition(base)
    if (files.length > 0) requireSpec(base, specId)
    const snapshotId = newSnapshotId(base, this.#snapshotId)
    const own = files.length === 0 ? [] : [await this.#write(base)]
    const others = await liveManifests(this.#context, base)
    const kept = await mergeManifests(this.#context, base, others, this.#merged, snapshotId)
    return addSnapshot(base, {
      operation: 'append',
      snapshotId,
      nowMs: clock.nowMs(),
      manifestList: await writeManifestList(this.#context, base, snapshotId, [...own, ...kept], attempt),
      added: files,
      removed: [],
      summary: {
        ...summary,
        [OFFSETS_KEY]: formatVector(to),
        [COMMIT_ID_KEY]: this.id(base),
        [FENCE_KEY]: String(fence),
      },
      properties: { [OFFSETS_KEY]: formatVector(to) },
    })
  }

  #write(base: TableMetadata): Promise<ManifestFile> {
    const { files, specId } = this.#request
    this.#manifest ??= writeAdded(this.#context, base, {
      files,
      specId,
      snapshotId: this.#snapshotId,
      name: this.id(base),
    })
    return this.#manifest
  }

  #checkPosition(metadata: TableMetadata): void {
    const { from, to } = this.#request
    const committed = widened(currentOffsets(metadata), from.length)
    if (sameVector(committed, from)) return
    throw new TicklakeError(
      'conflict',
      `${metadata.location} is at ${formatVector(committed)}; rows from ${formatVector(from)} to ${formatVector(to)} ` +
        'do not follow. Discard them and read the log from the position of the table',
    )
  }
}
