import { bytesRead, rowsScanned, type Scan, scannedFiles } from './scan.js'

/** What reading scans will cost, told by manifests and the tail, before anything is read. */
export interface Estimate {
  readonly files: number
  /** Size of these files. */
  readonly bytes: number
  /** Rows of the files and tail slices, before any filter: exact. */
  readonly rows: number
  /** About so many of them are looked at: others are in row groups that hold none of the symbols. */
  readonly rowsRead: number
  /** About so many of them are of the symbols. */
  readonly rowsOfSymbols: number
  /** On an idle machine. */
  readonly predictedMs: number
}

/** Files are sorted by symbol, and DuckDB leaves out the row groups that their statistics exclude. */
const ROW_GROUP_ROWS = 122_880

/**
 * The model: so much for a statement, for a file that is opened, for a row that is looked at and for one that is then
 * sorted or grouped. One thread; measured (docs/decisions: Readings are admitted by what they will hold).
 */
const STATEMENT_MS = 2
const FILE_MS = 0.35
const LOOKED_ROWS_PER_MS = 30_000
const USED_ROWS_PER_MS = 8_000

/** Of a statement over scans, of one table or of several. Pure. */
export function estimateOf(...scans: readonly Scan[]): Estimate {
  const files = sum(scans.map((scan) => scannedFiles(scan).length))
  const rowsRead = sum(scans.map(lookedRows))
  const rowsOfSymbols = sum(scans.map((scan) => Math.ceil(rowsScanned(scan) * scan.symbolShare)))
  const rowsMs = rowsRead / LOOKED_ROWS_PER_MS + rowsOfSymbols / USED_ROWS_PER_MS
  return {
    files,
    bytes: sum(scans.map(bytesRead)),
    rows: rowsScanned(...scans),
    rowsRead,
    rowsOfSymbols,
    predictedMs: STATEMENT_MS + files * FILE_MS + rowsMs,
  }
}

/** Of a sorted file the rows of the symbols, but no less than a row group of it; of the tail, which is not sorted, all. */
function lookedRows(scan: Scan): number {
  const ofFiles = scannedFiles(scan).map(({ recordCount: rows }) =>
    Math.min(rows, Math.max(rows * scan.symbolShare, ROW_GROUP_ROWS)),
  )
  return Math.ceil(sum(ofFiles)) + sum(scan.tail.map(({ rowCount }) => rowCount))
}

/** What a statement has of memory that reads Parquet, however little it holds: the columns of a row group. */
export const READING_BYTES = 8_000_000
/** A row that is sorted or grouped: some 300 MB of a million. */
const HELD_ROW_BYTES = 300

/** Memory of a statement that holds so many of the rows that it reads at once, to sort or to group them. Pure. */
export function memoryBytes({ rowsOfSymbols }: Estimate, heldRows: number): number {
  return READING_BYTES + Math.min(rowsOfSymbols, heldRows) * HELD_ROW_BYTES
}

/** Up to so many rows DuckDB keeps only those of a page; for more it may sort all that it reads. */
const TOP_ROWS = 5_000

/** Rows that a statement holds which sorts for a page. Pure. */
export function sortedRows(limit: number): number {
  return limit <= TOP_ROWS ? limit : Number.POSITIVE_INFINITY
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
