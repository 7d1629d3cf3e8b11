import type { PinnedVersion } from '#storage'
import type { AnswerMeta, TableMeta } from './answer.js'
import type { OpenGaps } from './gaps.js'
import { encodeReceipt } from './receipt.js'
import { bytesRead, routeOf, rowsScanned, type Scan, scannedFiles } from './scan.js'
import { seal } from './sealed.js'

/** What an answer says of itself. */
export function answerMeta(
  pinned: PinnedVersion,
  scan: Scan,
  elapsedMs: number,
  gaps: OpenGaps | null,
): AnswerMeta {
  return { ...tableMeta(pinned, scan), engine: 'duckdb', cache: 'none', ...measured(elapsedMs), gaps }
}

/** A table at a version, and what of it was read. */
export interface TableRead {
  readonly table: string
  readonly pinned: PinnedVersion
  readonly scan: Scan
}

/** What an answer from several tables says of itself: the receipt names the version of each. */
export function tablesMeta(
  reads: readonly TableRead[],
  elapsedMs: number,
  gaps: OpenGaps | null,
): AnswerMeta {
  const tables = reads.map(({ table, pinned, scan }) => ({ table, ...tableMeta(pinned, scan) }))
  const total = (count: 'filesTotal' | 'filesRead' | 'rowsScanned' | 'bytesRead') =>
    tables.reduce((sum, table) => sum + table[count], 0)
  const routes = new Set(tables.map(({ route }) => route))
  return {
    route: routes.size > 1 ? 'hybrid' : (tables[0]?.route ?? 'historical'),
    receipt: seal(tables.map(({ receipt }) => receipt)),
    snapshotId: null,
    engine: 'duckdb',
    cache: 'none',
    filesTotal: total('filesTotal'),
    filesRead: total('filesRead'),
    rowsScanned: total('rowsScanned'),
    bytesRead: total('bytesRead'),
    ...measured(elapsedMs),
    gaps,
    tables,
  }
}

function tableMeta({ version, metadata }: PinnedVersion, scan: Scan): TableMeta {
  return {
    route: routeOf(scan),
    receipt: encodeReceipt(metadata.tableUuid, version),
    snapshotId: version.snapshotId === null ? null : String(version.snapshotId),
    filesTotal: scan.filesTotal,
    filesRead: scannedFiles(scan).length,
    rowsScanned: rowsScanned(scan),
    bytesRead: bytesRead(scan),
  }
}

function measured(elapsedMs: number): Pick<AnswerMeta, 'elapsedMs'> {
  return { elapsedMs: Math.round(elapsedMs * 100) / 100 }
}
