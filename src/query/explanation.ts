import { formatMicros } from '#core'
import type { Answer } from './answer.js'
import { type Estimate, estimateOf } from './estimate.js'
import type { ListReading } from './list-reading.js'
import { sourced } from './open-part.js'
import type { Plan, PlannedPart } from './plan.js'
import { encodeReceipt } from './receipt.js'
import { RowData } from './row-data.js'
import { bytesRead, routeOf, rowsScanned, scannedFiles } from './scan.js'
import type { Slice } from './slice.js'

/** So many files of a part are listed; all are counted. */
const LISTED_FILES = 1_000

/** What would be read for a page, as `explain=true` answers it: nothing has been. */
export function explanation({ list, at, pinned, beside }: ListReading, { parts }: Plan) {
  const scans = parts.map(({ scan }) => scan)
  const { version, metadata } = pinned
  return {
    table: list.table,
    route: routeOf(scans),
    receipt: encodeReceipt(metadata.tableUuid, version),
    snapshot_id: version.snapshotId === null ? null : String(version.snapshotId),
    fields: at.fields,
    files_total: Math.max(0, ...scans.map(({ filesTotal }) => filesTotal)),
    files_read: scans.reduce((sum, scan) => sum + scannedFiles(scan).length, 0),
    parts: parts.map(partJson),
    estimate: estimateJson(scans.map((scan) => estimateOf(scan, ...beside))),
  }
}

/** The answer to whoever asks for a plan. */
export async function explained(
  from: ListReading,
  plan: Plan,
): Promise<Pick<Answer, 'encoding' | 'columns' | 'data' | 'single'>> {
  const parts = await Promise.all(plan.parts.map((part) => sourced(part, from)))
  const data = RowData.of([Buffer.from(JSON.stringify(explanation(from, { parts })))])
  return { encoding: 'json', columns: null, data, single: true }
}

function partJson({ slice, scan, key, isSettled }: PlannedPart) {
  const files = scannedFiles(scan)
  return {
    ...sliceJson(slice),
    rollup: scan.rollup ?? null,
    files_read: files.length,
    rows: rowsScanned(scan),
    bytes: bytesRead(scan),
    tail_rows: scan.tail.reduce((sum, { rowCount }) => sum + rowCount, 0),
    cache_key: isSettled ? key : null,
    files: files.slice(0, LISTED_FILES).map(({ path, recordCount, fileSizeBytes, deletes = [] }) => ({
      path,
      rows: recordCount,
      bytes: fileSizeBytes,
      delete_files: deletes.length,
    })),
  }
}

function sliceJson(slice: Slice | null) {
  if (slice === null) return { from: null, to: null }
  if ('isTimeless' in slice) return { from: null, to: null, without_time: true }
  const text = (micros: bigint | null) => (micros === null ? null : formatMicros(micros))
  return { from: text(slice.fromMicros), to: text(slice.toMicros) }
}

function estimateJson(estimates: readonly Estimate[]) {
  const sum = (of: (estimate: Estimate) => number) => estimates.reduce((total, one) => total + of(one), 0)
  return {
    files: sum(({ files }) => files),
    bytes: sum(({ bytes }) => bytes),
    rows: sum(({ rows }) => rows),
    rows_read: sum(({ rowsRead }) => rowsRead),
    predicted_ms: Math.round(sum(({ predictedMs }) => predictedMs) * 100) / 100,
  }
}
