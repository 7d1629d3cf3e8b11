import { dayOfMicros } from '#core'
import { sqlName } from '#engine'
import {
  type AppendedFiles,
  duckdbType,
  type FileColumn,
  type PinnedVersion,
  parquetRelation,
  type ReadableFile,
  type RowFilter,
  type TailSlice,
} from '#storage'
import { selectList } from './field.js'
import type { Selection } from './request.js'

/** Where an answer's rows came from: the tail alone, committed files alone, or both, joined at a log position. */
export type Route = 'real-time' | 'historical' | 'hybrid'

/** What a statement reads: the files and tail slices of one version that may hold rows of a filter. A plan is data. */
export interface Scan {
  /** What the files may be asked for. */
  readonly columns: readonly FileColumn[]
  readonly files: readonly ReadableFile[]
  readonly appended: AppendedFiles
  readonly tail: readonly TailSlice[]
  readonly filesTotal: number
  /** About so many of its rows are of the symbols that are wanted, 0 to 1: as if every symbol had as many. */
  readonly symbolShare: number
  /** The rollup that some of the files are of; absent: none. */
  readonly rollup?: string
}

export const NOTHING: Scan = {
  columns: [],
  files: [],
  appended: { files: [], where: null },
  tail: [],
  filesTotal: 0,
  symbolShare: 1,
}

/** What `AppendedFiles.where` looks at. */
const POSITION_COLUMNS = ['log_partition', 'log_offset']

/** Chooses the files of a held version. Tail slices without rows, or of other days, are left out. */
export async function planScan(pinned: PinnedVersion, filter: RowFilter): Promise<Scan> {
  const [selection, appended] = await Promise.all([pinned.select(filter), pinned.selectAppended(filter)])
  return {
    columns: pinned.columns,
    files: selection.files,
    appended,
    tail: pinned.tail.filter((slice) => slice.rowCount > 0 && hasDayOf(slice, filter)),
    filesTotal: selection.filesTotal + appended.files.length,
    symbolShare: filter.symbols
      ? Math.min(1, filter.symbols.length / Math.max(1, pinned.instruments.size))
      : 1,
  }
}

function hasDayOf({ days }: TailSlice, { startMicros, endMicros }: RowFilter): boolean {
  if (startMicros === undefined && endMicros === undefined) return true
  const first = startMicros === undefined ? Number.NEGATIVE_INFINITY : dayOfMicros(startMicros)
  const last = endMicros === undefined ? Number.POSITIVE_INFINITY : dayOfMicros(endMicros - 1n)
  return [...days].some((day) => day >= first && day <= last)
}

/** The filter, in µs, that holds every event of a selection. */
export function rowFilter(selection: Selection): RowFilter {
  const { symbols, exchange, startNanos, endNanos } = selection
  return {
    ...(symbols && { symbols }),
    ...(exchange !== null && { exchange }),
    ...(startNanos !== null && { startMicros: floorMicros(startNanos) }),
    ...(endNanos !== null && { endMicros: floorMicros(endNanos + 999n) }),
  }
}

export function floorMicros(nanos: bigint): bigint {
  return (nanos - (((nanos % 1000n) + 1000n) % 1000n)) / 1000n
}

export function scannedFiles(scan: Scan): readonly ReadableFile[] {
  return [...scan.files, ...scan.appended.files]
}

export function routeOf(scans: readonly Scan[]): Route {
  if (scans.every(({ tail }) => tail.length === 0)) return 'historical'
  return scans.every((scan) => scannedFiles(scan).length === 0) ? 'real-time' : 'hybrid'
}

/** Rows of the files and tail slices, before any filter, and before what is deleted of them. */
export function rowsScanned(...scans: readonly Scan[]): number {
  const inFiles = scans.flatMap(scannedFiles).reduce((sum, file) => sum + file.recordCount, 0)
  // Several parts of a list may look through the same slice.
  const slices = new Set(scans.flatMap(({ tail }) => tail))
  return [...slices].reduce((sum, slice) => sum + slice.rowCount, inFiles)
}

/** Bytes of the files. The tail is in memory. */
export function bytesRead(scan: Scan): number {
  return scannedFiles(scan).reduce((sum, file) => sum + file.fileSizeBytes, 0)
}

/** The columns of a slice, and nulls for those that were added to the table since. */
function inTail(scan: Scan, slice: TailSlice, columns: readonly string[]): string {
  const cells = columns.map((name) => {
    const column = scan.columns.find((candidate) => candidate.name === name)
    if (!column || slice.columns.has(name)) return sqlName(name)
    return `CAST(NULL AS ${duckdbType(column)}) AS ${sqlName(name)}`
  })
  return cells.join(', ')
}

/** True when there is nothing to read. */
export function isEmpty(scan: Scan): boolean {
  return scan.tail.length === 0 && scannedFiles(scan).length === 0
}

/** The rows of a scan as one relation with these columns. Of nothing to read it has no rows, but their types. */
export function relation(scan: Scan, columns: readonly string[]): string {
  const list = selectList(columns)
  const rowsOf = (files: readonly ReadableFile[], names: readonly string[]) =>
    parquetRelation(
      files,
      scan.columns.filter(({ name }) => names.includes(name)),
    )
  const { appended } = scan
  const parts = [
    ...(scan.files.length > 0 ? [`SELECT ${list} FROM ${rowsOf(scan.files, columns)}`] : []),
    ...(appended.files.length > 0
      ? [
          `SELECT ${list} FROM ${rowsOf(appended.files, [...columns, ...POSITION_COLUMNS])} WHERE ${appended.where ?? 'true'}`,
        ]
      : []),
    ...scan.tail.map((slice) => `SELECT ${inTail(scan, slice, columns)} FROM ${slice.relation}`),
  ]
  return parts.length === 0 ? noRows(scan, columns) : `(${parts.join(' UNION ALL ')})`
}

function noRows(scan: Scan, columns: readonly string[]): string {
  const cells = columns.map((name) => {
    const column = scan.columns.find((candidate) => candidate.name === name)
    return `CAST(NULL AS ${column ? duckdbType(column) : 'VARCHAR'}) AS ${sqlName(name)}`
  })
  return `(SELECT ${cells.join(', ')} WHERE false)`
}
