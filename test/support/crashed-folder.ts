import { closeSync, fstatSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { LEDGER_KEY, readLedger } from '../../src/storage/ledger-file.js'
import { LocalObjectStore, localLocation } from '../../src/storage/objects/local.js'

// Read by eye, as it were, and not by the code that wrote it.

export interface CrashedFile {
  readonly path: string
  readonly modifiedMs: number
}

export interface CrashedMetadata extends CrashedFile {
  readonly version: number
  readonly offsets: readonly number[]
  /** Of the snapshots, oldest first. */
  readonly snapshotMs: readonly number[]
  /** Path of the ledger of the current snapshot. */
  readonly ledger: string | null
}

export const tableFolder = (data: string, table: string) => join(data, 'warehouse/market_data', table)

/** Paths of all files of a table. */
export function tablePaths(data: string, table: string): string[] {
  let entries: ReturnType<typeof list>
  try {
    entries = list(tableFolder(data, table))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

/** All files of a table that no server owns. */
export function tableFiles(data: string, table = 'trades'): CrashedFile[] {
  return tablePaths(data, table).map((path) => ({ path, modifiedMs: statSync(path).mtimeMs }))
}

function list(folder: string) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
}

/** The table's newest metadata, or null before there is any. */
export function currentMetadata(data: string): CrashedMetadata | null {
  const found = tableFiles(data)
    .map((file) => ({ ...file, version: Number(/\/v(\d+)\.metadata\.json$/.exec(file.path)?.[1] ?? 0) }))
    .sort((a, b) => b.version - a.version)[0]
  if (!found || found.version === 0) return null
  const json = JSON.parse(readFileSync(found.path, 'utf8'))
  const snapshots: { 'timestamp-ms': number; summary: Record<string, string> }[] = json.snapshots ?? []
  const vector: Record<string, number> = JSON.parse(json.properties['ticklake.offsets'])
  const ledger = snapshots.at(-1)?.summary['ticklake.ledger']
  return {
    ...found,
    offsets: Object.values(vector),
    snapshotMs: snapshots.map((snapshot) => snapshot['timestamp-ms']),
    ledger: ledger?.replace('file://', '') ?? null,
  }
}

/** What version-hint.text says; 0 when it is absent. */
export function hintedVersion(data: string, table = 'trades'): number {
  const hint = tableFiles(data, table).find(({ path }) => path.endsWith('/version-hint.text'))
  return hint === undefined ? 0 : Number(readFileSync(hint.path, 'utf8'))
}

/** It ends as a Parquet file does. */
export function isWholeParquet(path: string): boolean {
  const file = openSync(path, 'r')
  try {
    const { size } = fstatSync(file)
    const end = Buffer.alloc(4)
    return size >= 12 && readSync(file, end, 0, 4, size - 4) === 4 && end.toString('latin1') === 'PAR1'
  } finally {
    closeSync(file)
  }
}

/** Rows that the newest ledger says were accepted, by symbol. */
export async function ledgerCounts(data: string): Promise<Map<string, number>> {
  const path = currentMetadata(data)?.ledger
  if (!path) return new Map()
  const { instruments } = await readLedger(new LocalObjectStore(), { [LEDGER_KEY]: localLocation(path) })
  const counts = new Map<string, number>()
  for (const { symbol, accepted } of instruments) counts.set(symbol, (counts.get(symbol) ?? 0) + accepted)
  return counts
}
