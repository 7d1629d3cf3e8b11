import type { PinnedVersion } from '#storage'
import type { AnswerMeta } from './answer.js'
import type { LayerName } from './cache/layer.js'
import type { OpenGaps } from './gaps.js'
import { encodeReceipt } from './receipt.js'
import { bytesRead, routeOf, rowsScanned, type Scan, scannedFiles } from './scan.js'

/** Where the rows of an answer came from. */
export interface Sources {
  /** What holds the rows that were asked for. */
  readonly planned: readonly Scan[]
  /** What of it was read; the rest was kept, or not needed. */
  readonly scans: readonly Scan[]
  /** The farthest layer of the cache that had some of it; null: none. */
  readonly layer: LayerName | null
}

/** All that was planned was read. */
export function sourceOf(scan: Scan): Sources {
  return { planned: [scan], scans: [scan], layer: null }
}

/** What an answer says of itself. */
export function answerMeta(
  { version, metadata }: PinnedVersion,
  { planned, scans, layer }: Sources,
  elapsedMs: number,
  gaps: OpenGaps | null,
): AnswerMeta {
  const sum = (of: (scan: Scan) => number) => scans.reduce((total, scan) => total + of(scan), 0)
  return {
    route: routeOf(planned),
    receipt: encodeReceipt(metadata.tableUuid, version),
    snapshotId: version.snapshotId === null ? null : String(version.snapshotId),
    engine: 'duckdb',
    cache: layer ?? 'none',
    filesTotal: planned[0]?.filesTotal ?? 0,
    filesRead: sum((scan) => scannedFiles(scan).length),
    rowsScanned: sum(rowsScanned),
    bytesRead: sum(bytesRead),
    elapsedMs: Math.round(elapsedMs * 100) / 100,
    gaps,
  }
}
