import type { TableLayout } from '#core'
import { DayStamping } from './day-stamps.js'
import { type FileColumn, fileColumns } from './file-columns.js'
import { currentSchema, currentSnapshot, snapshotById, type TableMetadata } from './iceberg/metadata.js'
import { type AsOf, schemaAsOf, snapshotAsOf } from './iceberg/refs.js'
import type { Snapshot } from './iceberg/snapshot.js'
import { currentOffsets, offsetsOf } from './position.js'
import { predicatesOf } from './predicates.js'
import type { FileIndex } from './prune.js'
import type { PinnedVersion, VersionedTable } from './table.js'
import type { TableHead } from './table-head.js'
import type { UnnumberedFiles } from './unnumbered-files.js'

export interface CommittedTableOptions {
  readonly layout: TableLayout
  readonly head: TableHead
  readonly index: FileIndex
  readonly unnumbered: UnnumberedFiles
}

/** The versions of a table that has no tail: what is derived from committed rows. A version is a snapshot. */
export class CommittedTable implements VersionedTable {
  readonly #options: CommittedTableOptions
  readonly #stamping: DayStamping

  constructor(options: CommittedTableOptions) {
    this.#options = options
    this.#stamping = new DayStamping(options.index, options.layout)
  }

  pin(): PinnedVersion {
    const { head, layout } = this.#options
    const { metadata } = head
    return this.#hold(metadata, currentSnapshot(metadata), fileColumns(layout, currentSchema(metadata)))
  }

  async pinAsOf(asOf: AsOf, snapshotId: bigint | null): Promise<PinnedVersion> {
    const { head, layout } = this.#options
    const { metadata } = head
    const snapshot = snapshotId === null ? snapshotAsOf(metadata, asOf) : snapshotById(metadata, snapshotId)
    return this.#hold(metadata, snapshot, fileColumns(layout, schemaAsOf(metadata, asOf, snapshot)))
  }

  #hold(metadata: TableMetadata, snapshot: Snapshot | null, columns: readonly FileColumn[]): PinnedVersion {
    const { head, layout, index, unnumbered } = this.#options
    const snapshotId = snapshot?.snapshotId ?? null
    return {
      version: { snapshotId, offsets: snapshot ? offsetsOf(snapshot) : currentOffsets(metadata) },
      metadata,
      columns,
      tail: [],
      watermarks: new Map(),
      instruments: new Map(),
      areInstrumentsKnown: false,
      withOpenGaps: [],
      select: async (filter) => {
        const selected = await index.selectFiles(metadata, snapshotId, predicatesOf(layout, filter))
        return { ...selected, files: await unnumbered.named(metadata, selected.files) }
      },
      dayStamps: (range) => this.#stamping.of(metadata, snapshotId, range),
      selectAppended: async () => ({ files: [], where: null }),
      retain: () => head.hold(snapshotId),
      release: head.hold(snapshotId),
    }
  }
}
