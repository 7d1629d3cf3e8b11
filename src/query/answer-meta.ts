import type { PinnedVersion } from '#storage'
import type { AnswerMeta, TableMeta } from './answer.js'
import type { LayerName } from './cache/layer.js'
import type { OpenGaps } from './gaps.js'
import { encodeReceipt } from './receipt.js'
import { bytesRead, routeOf, rowsScanned, type Scan, scannedFiles } from './scan.js'
import { seal } from './sealed.js'

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
  pinned: PinnedVersion,
  sources: Sources,
  elapsedMs: number,
  gaps: OpenGaps | null,
): AnswerMeta {
  const cache = sources.layer ?? 'none'
  const rollup = sources.scans.find((scan) => scan.rollup !== undefined)?.rollup ?? null
  return { ...tableMeta(pinned, sources), engine: 'duckdb', cache, rollup, ...measured(elapsedMs), gaps }
}

/** A table at a version, and where rows of it came from. */
export interface TableRead {
  readonly table: string
  readonly pinned: PinnedVersion
  readonly sources: Sources
}

/** What an answer from any tables says of itself: the receipt of several names the version of each. */
export function tablesMeta(
  reads: readonly TableRead[],
  elapsedMs: number,
  gaps: OpenGaps | null,
): AnswerMeta {
  const tables = reads.map(({ table, pinned, sources }) => ({ table, ...tableMeta(pinned, sources) }))
  const total = (count: 'filesTotal' | 'filesRead' | 'rowsScanned' | 'bytesRead') =>
    tables.reduce((sum, table) => sum + table[count], 0)
  const only = tables.length === 1 ? tables[0] : undefined
  const routes = new Set(tables.map(({ route }) => route))
  return {
    route: routes.size > 1 ? 'hybrid' : (tables[0]?.route ?? 'historical'),
    receipt: only ? only.receipt : seal(tables.map(({ receipt }) => receipt)),
    snapshotId: only?.snapshotId ?? null,
    engine: 'duckdb',
    cache: 'none',
    rollup: null,
    filesTotal: total('filesTotal'),
    filesRead: total('filesRead'),
    rowsScanned: total('rowsScanned'),
    bytesRead: total('bytesRead'),
    ...measured(elapsedMs),
    gaps,
    tables,
  }
}

function tableMeta({ version, metadata }: PinnedVersion, { planned, scans }: Sources): TableMeta {
  const sum = (of: (scan: Scan) => number) => scans.reduce((total, scan) => total + of(scan), 0)
  return {
    route: routeOf(planned),
    receipt: encodeReceipt(metadata.tableUuid, version),
    snapshotId: version.snapshotId === null ? null : String(version.snapshotId),
    // Of those of a rollup too, where one was read.
    filesTotal: Math.max(0, ...[...planned, ...scans].map((scan) => scan.filesTotal)),
    filesRead: sum((scan) => scannedFiles(scan).length),
    rowsScanned: rowsScanned(...scans),
    bytesRead: sum(bytesRead),
  }
}

function measured(elapsedMs: number): Pick<AnswerMeta, 'elapsedMs'> {
  return { elapsedMs: Math.round(elapsedMs * 100) / 100 }
}
