import { type OffsetVector, parseVector } from '#core'
import type { TableMetadata } from '#storage'
import type { Encoding } from './field.js'

export const SNAPSHOT_FIELDS = [
  'snapshot_id',
  'parent_snapshot_id',
  'sequence_number',
  'ts',
  'operation',
  'added_rows',
  'added_files',
  'total_rows',
  'total_files',
  'total_bytes',
  'offsets',
  'current',
] as const

export const SNAPSHOT_TYPES = {
  snapshot_id: 'VARCHAR',
  parent_snapshot_id: 'VARCHAR',
  sequence_number: 'BIGINT',
  ts: 'VARCHAR',
  operation: 'VARCHAR',
  added_rows: 'BIGINT',
  added_files: 'BIGINT',
  total_rows: 'BIGINT',
  total_files: 'BIGINT',
  total_bytes: 'BIGINT',
  offsets: 'VARCHAR',
  current: 'BOOLEAN',
} as const

type SnapshotValue = string | number | boolean | OffsetVector | null

/** A snapshot of a table, as it is answered: ids as text (they may exceed 2^53), null where a writer did not count. Rows count until their data files are rewritten, deleted or not. */
export type SnapshotRow = Readonly<Record<(typeof SNAPSHOT_FIELDS)[number], SnapshotValue>>

/** The snapshots that the table keeps, oldest first. */
export function snapshotRows(metadata: TableMetadata): readonly SnapshotRow[] {
  return metadata.snapshots.map((snapshot) => {
    const offsets = snapshot.summary['ticklake.offsets']
    const count = (name: string) =>
      snapshot.summary[name] === undefined ? null : Number(snapshot.summary[name])
    return {
      snapshot_id: String(snapshot.snapshotId),
      parent_snapshot_id: snapshot.parentSnapshotId === null ? null : String(snapshot.parentSnapshotId),
      sequence_number: snapshot.sequenceNumber,
      ts: new Date(snapshot.timestampMs).toISOString(),
      operation: snapshot.summary.operation ?? null,
      added_rows: count('added-records'),
      added_files: count('added-data-files'),
      total_rows: count('total-records'),
      total_files: count('total-data-files'),
      total_bytes: count('total-files-size'),
      offsets: offsets === undefined ? null : parseVector(offsets),
      current: snapshot.snapshotId === metadata.currentSnapshotId,
    }
  })
}

export function encodeSnapshot(row: SnapshotRow, encoding: Encoding): string {
  if (encoding !== 'csv') return JSON.stringify(row)
  return SNAPSHOT_FIELDS.map((name) => csvCell(row[name])).join(',')
}

/** A list is a cell as JSON writes it. */
function csvCell(value: SnapshotValue): string {
  const text = value === null ? '' : typeof value === 'object' ? JSON.stringify(value) : String(value)
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
