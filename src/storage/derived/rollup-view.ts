import { type FileColumn, layoutColumns } from '../file-columns.js'
import { daysOf } from '../file-days.js'
import { ancestry } from '../iceberg/metadata.js'
import type { Snapshot } from '../iceberg/snapshot.js'
import { predicatesOf } from '../predicates.js'
import type { FileSelection, PinnedVersion, RowFilter } from '../table.js'
import type { ReadableFile } from '../unnumbered-files.js'
import { type DayRanges, united, without } from './day-ranges.js'
import { rollupLayout } from './definition.js'
import { currentState, type RollupState, stateIn } from './rollup-state.js'
import { type RollupOptions, sourceFiles } from './rollup-writer.js'
import { changeIn, filesAdded, stretch } from './source-change.js'

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
  /** From the snapshot that the state reflects to that of the version. */
  readonly since: readonly Snapshot[]
}

/** What the rollup has for a version that is held; null: nothing. It is found, and held, in the turn of the call. */
export async function viewOf(options: RollupOptions, version: PinnedVersion): Promise<RollupView | null> {
  const { definition, head, source, index, unnumbered } = options
  const { metadata } = head
  const found = newestFor(options, version)
  if (found === null) return null
  const { snapshot, state, since } = found
  const releases = [head.hold(snapshot.snapshotId), source.hold(state.source)]
  const release = () => {
    for (const one of releases.splice(0)) one()
  }
  const layout = rollupLayout(definition)
  const files = sourceFiles(options)
  // What was found to be wrong since was wrong before.
  const quarantined = currentState(metadata)?.quarantined ?? []
  try {
    const change = await changeIn(files, since)
    const raw = united(state.pending, state.quarantined, quarantined, change.touched)
    const hasUse = (file: ReadableFile) => {
      const days = daysOf(layout, file)
      return days === null || without([[days.first, days.last]], raw).length > 0
    }
    return {
      columns: layoutColumns(layout),
      raw,
      select: async (filter) => {
        const predicates = predicatesOf(layout, filter)
        const selection = await index.selectFiles(metadata, snapshot.snapshotId, predicates)
        return { ...selection, files: selection.files.filter(hasUse) }
      },
      selectAppended: async (filter) => {
        const added = await filesAdded(files, change, predicatesOf(files.layout, filter))
        return unnumbered.named(version.metadata, added)
      },
      release,
    }
  } catch (error) {
    release()
    throw error
  }
}

/** The newest state that reflects the version's snapshot or one that it has come from, and is still there. */
function newestFor({ head, source }: RollupOptions, { version, metadata }: PinnedVersion): Found | null {
  const { snapshotId } = version
  if (snapshotId === null) return null
  const kept = new Set(source.metadata.snapshots.map((snapshot) => snapshot.snapshotId))
  const ancestors = new Set([...ancestry(metadata, snapshotId)].map((snapshot) => snapshot.snapshotId))
  for (const snapshot of ancestry(head.metadata, head.metadata.currentSnapshotId)) {
    const state = stateIn(snapshot.summary)
    if (state === null || !kept.has(state.source) || !ancestors.has(state.source)) continue
    const since = stretch(metadata, state.source, snapshotId)
    if (since) return { snapshot, state, since }
  }
  return null
}
