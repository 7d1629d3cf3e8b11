import { ancestry, type TableMetadata } from '../iceberg/metadata.js'
import type { Snapshot } from '../iceberg/snapshot.js'
import { ALL_DAYS, type DayRanges } from './day-ranges.js'

/** What became of a source after a snapshot that main, or the version that is read, has come from. */
export interface SourceChange {
  /** Oldest first. */
  readonly snapshots: readonly Snapshot[]
  /** Days whose rows were changed or removed, and not only added to. */
  readonly touched: DayRanges
}

/** From one snapshot to a later one; null when the first is none that the other has come from, or is gone. */
export function changeSince(metadata: TableMetadata, from: bigint, to: bigint): SourceChange | null {
  const snapshots: Snapshot[] = []
  for (const snapshot of ancestry(metadata, to)) {
    if (snapshot.snapshotId === from) {
      snapshots.reverse()
      return { snapshots, touched: touchedBy(snapshots) }
    }
    snapshots.push(snapshot)
  }
  return null
}

function touchedBy(snapshots: readonly Snapshot[]): DayRanges {
  return snapshots.every(onlyAdds) ? [] : ALL_DAYS
}

/** Whether a snapshot left the rows as they were, but for those that it added. */
function onlyAdds({ summary }: Snapshot): boolean {
  const counts = (key: string) => (summary[key] ?? '0') !== '0'
  if (summary.operation === 'replace') return true
  return summary.operation === 'append' && !counts('deleted-data-files') && !counts('added-delete-files')
}
