import type { PinnedVersion } from '#storage'
import type { AnswerMeta } from './answer.js'
import type { OpenGaps } from './gaps.js'
import { encodeReceipt } from './receipt.js'
import { bytesRead, routeOf, rowsScanned, type Scan, scannedFiles } from './scan.js'

/** What an answer says of itself. */
export function answerMeta(
  { version, metadata }: PinnedVersion,
  scan: Scan,
  elapsedMs: number,
  gaps: OpenGaps | null,
): AnswerMeta {
  return {
    route: routeOf(scan),
    receipt: encodeReceipt(metadata.tableUuid, version),
    snapshotId: version.snapshotId === null ? null : String(version.snapshotId),
    engine: 'duckdb',
    cache: 'none',
    rollup: scan.rollup ?? null,
    filesTotal: scan.filesTotal,
    filesRead: scannedFiles(scan).length,
    rowsScanned: rowsScanned(scan),
    bytesRead: bytesRead(scan),
    elapsedMs: Math.round(elapsedMs * 100) / 100,
    gaps,
  }
}
