import type { Summary } from './iceberg/snapshot.js'

/** Summary key: newest event time by exchange, among all rows of the log up to the snapshot's vector. */
const KEY = 'ticklake.watermarks'

/** As a summary entry; µs as text, since they may exceed what other JSON readers keep exact. */
export function formatWatermarks(watermarks: ReadonlyMap<string, bigint>): Record<string, string> {
  return {
    [KEY]: JSON.stringify(
      Object.fromEntries([...watermarks].map(([name, micros]) => [name, String(micros)])),
    ),
  }
}

/** Those of a snapshot's summary. */
export function parseWatermarks(summary: Summary): ReadonlyMap<string, bigint> {
  const parsed: unknown = JSON.parse(summary[KEY] ?? '{}')
  // Written by formatWatermarks alone: foreign snapshots carry it forward as it is.
  return new Map(
    Object.entries(parsed as Record<string, string>).map(([name, micros]) => [name, BigInt(micros)]),
  )
}
