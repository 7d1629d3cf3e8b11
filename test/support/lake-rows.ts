import { ledgerCounts } from './crashed-folder.js'
import { type ProcessOptions, TicklakeServer } from './ticklake-process.js'

export interface LakeRows {
  /** All trades in the total order, without the time at which the log took them, one JSON text each. */
  readonly rows: string[]
  /** Where the newest ledger counts other rows of a symbol than the table holds. */
  readonly ledgerErrors: string[]
}

/** What a data folder holds that no server owns. */
export async function lakeRows(data: string, process: ProcessOptions): Promise<LakeRows> {
  const server = await TicklakeServer.start(data, process)
  const rows: string[] = []
  const counts = new Map<string, number>()
  try {
    for await (const row of server.rows('/v1/trades', {})) {
      // When the log took a row is no property of the row.
      const { ingest_ts: _, ...rest } = JSON.parse(row)
      counts.set(rest.symbol, (counts.get(rest.symbol) ?? 0) + 1)
      rows.push(JSON.stringify(rest))
    }
  } finally {
    await server.stop()
  }
  const accepted = await ledgerCounts(data)
  const ledgerErrors = [...new Set([...counts.keys(), ...accepted.keys()])]
    .filter((symbol) => counts.get(symbol) !== accepted.get(symbol))
    .map((symbol) => `${data}: ${symbol} has ${counts.get(symbol)} rows, its ledger ${accepted.get(symbol)}`)
  return { rows, ledgerErrors }
}

/** Begins a load, or goes on with it, and gives its id. */
export async function beginLoad(server: TicklakeServer, bytes: Uint8Array): Promise<string> {
  const url = `${server.url}/v1/loads?format=csv-trades&file_name=made.csv`
  // Of a view of bytes, which is what a file is read into.
  const response = await fetch(url, { method: 'POST', body: bytes as Uint8Array<ArrayBuffer> })
  const text = await response.text()
  if (response.status !== 202) throw new Error(`POST /v1/loads: ${response.status} ${text}`)
  return JSON.parse(text).data.id
}

export interface LoadState {
  readonly state: 'queued' | 'running' | 'done' | 'failed'
  readonly rows_read: number | null
  readonly error: unknown
}

export async function loadState(server: TicklakeServer, id: string): Promise<LoadState> {
  return JSON.parse((await server.get(`/v1/loads/${id}`)).body).data
}

/** How many of these rows are not among those; rows may be equal. */
export function lacking(among: readonly string[], rows: readonly string[]): number {
  const counts = new Map<string, number>()
  for (const row of among) counts.set(row, (counts.get(row) ?? 0) + 1)
  let missing = 0
  for (const row of rows) {
    const left = counts.get(row) ?? 0
    if (left === 0) missing++
    else counts.set(row, left - 1)
  }
  return missing
}
