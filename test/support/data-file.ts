import { dayOfMicros, TRADES } from '#core'
import type { DataFile } from '../../src/storage/iceberg/manifest.js'
import { lowerBound, upperBound } from '../../src/storage/iceberg/values.js'

const SYMBOL = TRADES.columns.find(({ name }) => name === 'symbol')!.id
const EXCHANGE = TRADES.columns.find(({ name }) => name === 'exchange')!.id
const TIME = TRADES.columns.find(({ name }) => name === 'exchange_timestamp')!.id

/** A row as far as pruning looks at it; null: the row has no such value. */
export interface PrunedRow {
  readonly symbol: string | null
  readonly exchange?: string | null
  readonly micros: bigint | null
}

/** What a manifest would say of a file of trades that holds these rows, all of one day. */
export function tradesFile(path: string, rows: readonly PrunedRow[]): DataFile {
  const symbols = textsOf(rows, 'symbol')
  const exchanges = textsOf(rows, 'exchange')
  const times = rows
    .flatMap(({ micros }) => (micros === null ? [] : [micros]))
    .sort((a, b) => (a < b ? -1 : 1))
  const bounds = (bound: typeof lowerBound, at: 0 | -1) => {
    const entries: [number, Uint8Array][] = []
    for (const [id, texts] of [
      [SYMBOL, symbols],
      [EXCHANGE, exchanges],
    ] as const) {
      const text = texts.length === 0 ? null : bound('string', texts.at(at)!)
      if (text) entries.push([id, text])
    }
    const time = times.length === 0 ? null : bound('timestamptz', times.at(at)!)
    if (time) entries.push([TIME, time])
    return new Map(entries)
  }
  return {
    path,
    partition: [times.length === 0 ? null : dayOfMicros(times[0]!)],
    recordCount: rows.length,
    fileSizeBytes: 1000 + rows.length,
    columnSizes: new Map([[SYMBOL, 100]]),
    valueCounts: new Map([SYMBOL, EXCHANGE, TIME].map((id) => [id, rows.length])),
    nullValueCounts: new Map([
      [SYMBOL, rows.length - symbols.length],
      [EXCHANGE, rows.length - exchanges.length],
      [TIME, rows.length - times.length],
    ]),
    lowerBounds: bounds(lowerBound, 0),
    upperBounds: bounds(upperBound, -1),
    splitOffsets: [4],
    sortOrderId: 1,
  }
}

/** What a manifest says of a file by a writer that keeps no statistics. */
export function bareFile(
  path: string,
  partition: DataFile['partition'],
  recordCount: number,
  fileSizeBytes: number,
): DataFile {
  return {
    path,
    partition,
    recordCount,
    fileSizeBytes,
    columnSizes: new Map(),
    valueCounts: new Map(),
    nullValueCounts: new Map(),
    lowerBounds: new Map(),
    upperBounds: new Map(),
    splitOffsets: [],
    sortOrderId: null,
  }
}

function textsOf(rows: readonly PrunedRow[], column: 'symbol' | 'exchange'): readonly string[] {
  return rows.flatMap((row) => row[column] ?? []).sort(byUtf8)
}

export function byUtf8(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
