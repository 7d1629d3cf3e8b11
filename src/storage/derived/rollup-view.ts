import { type FileColumn, layoutColumns } from '../file-columns.js'
import { ancestry } from '../iceberg/metadata.js'
import type { Snapshot } from '../iceberg/snapshot.js'
import { predicatesOf } from '../predicates.js'
import type { FileSelection, PinnedVersion, RowFilter } from '../table.js'
import type { ReadableFile } from '../unnumbered-files.js'
import { type DayRanges, united } from './day-ranges.js'
import { rollupLayout, sourceDefinition } from './definition.js'
import { currentState, type RollupState, stateIn } from './rollup-state.js'
import type { RollupOptions } from './rollup-writer.js'
import { changeSince, type SourceChange } from './source-change.js'

/**
 * What a rollup has for a version of its source. Of the days that are not `raw`, the rows of the version's snapshot are
 * those of its states and those of the files that were appended since; what the version has besides its snapshot is for
 * the reader to add.
 */
export interface RollupView {
  readonly columns: readonly FileColumn[]
  /** UTC days (from 1970-01-01) whose rows are read from the source. */
  readonly raw: DayRanges
  /** Files of states that may match; times are starts of buckets. */
  select(filter: RowFilter): Promise<FileSelection>
  /** Files of the source, of rows that no state is of. */
  selectAppended(filter: RowFilter): Promise<readonly ReadableFile[]>
  release(): void
}

/** A state of the rollup's history that a version of the source has come from. */
interface Found {
  readonly snapshot: Snapshot
  readonly state: RollupState
  readonly change: SourceChange
}

export function viewOf(options: RollupOptions, source: PinnedVersion): RollupView | null {
  const { definition, head, index, unnumbered } = options
  const { metadata } = head
  const found = newestFor(options, source)
  if (found === null) return null
  const { snapshot, state, change } = found
  const layout = rollupLayout(definition)
  const releases = [head.hold(snapshot.snapshotId), options.source.hold(state.source)]
  const sourceMetadata = { ...source.metadata, currentSnapshotId: source.version.snapshotId }
  // What was found to be wrong since was wrong before.
  const quarantined = currentState(metadata)?.quarantined ?? []
  return {
    columns: layoutColumns(layout),
    raw: united(state.pending, state.quarantined, quarantined, change.touched),
    select: (filter) => index.selectFiles(metadata, snapshot.snapshotId, predicatesOf(layout, filter)),
    selectAppended: async (filter) => {
      if (change.snapshots.length === 0) return []
      const predicates = predicatesOf(sourceDefinition(definition), filter)
      const files = await index.appendedSince(sourceMetadata, state.source, predicates)
      return unnumbered.named(source.metadata, files)
    },
    release: () => {
      for (const release of releases.splice(0)) release()
    },
  }
}

/** The newest state that reflects the version's snapshot or one that it has come from, and is still there. */
function newestFor({ head, source }: RollupOptions, { version, metadata }: PinnedVersion): Found | null {
  const { snapshotId } = version
  if (snapshotId === null) return null
  let last: bigint | null = null
  let known: ReadonlySet<bigint> | null = null
  for (const snapshot of ancestry(head.metadata, head.metadata.currentSnapshotId)) {
    const state = stateIn(snapshot.summary)
    if (state === null || state.source === last) continue
    last = state.source
    if (!source.metadata.snapshots.some((kept) => kept.snapshotId === state.source)) continue
    if (state.source !== snapshotId) {
      known ??= new Set([...ancestry(metadata, snapshotId)].map((ancestor) => ancestor.snapshotId))
      if (!known.has(state.source)) continue
    }
    const change = changeSince(metadata, state.source, snapshotId)
    if (change) return { snapshot, state, change }
  }
  return null
}
