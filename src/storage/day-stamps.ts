import { dayOfMicros, type TableLayout } from '#core'
import type { DataFile } from './iceberg/manifest.js'
import { snapshotById, type TableMetadata } from './iceberg/metadata.js'
import { overwriteOf } from './iceberg/overwritten.js'
import { decodeValue } from './iceberg/values.js'
import { predicatesOf } from './predicates.js'
import type { FileIndex } from './prune.js'
import type { DayStamps, RowFilter } from './table.js'

/** The days of a file that spans more are not told apart. */
const MAX_DAYS = 1_000

/**
 * A stamp for each day of a range of time that a snapshot's files may have rows of: the newest snapshot that overwrote rows of
 * the day, and the newest data sequence number of its files. A number belongs to one snapshot and so to one history;
 * compaction keeps it: so the rows of the day are told apart, and not the files that they are in.
 */
export async function dayStamps(
  index: FileIndex,
  metadata: TableMetadata,
  snapshotId: bigint | null,
  layout: TableLayout,
  { startMicros, endMicros }: RowFilter,
): Promise<DayStamps> {
  if (snapshotId === null) return new Map()
  const range = {
    ...(startMicros !== undefined && { startMicros }),
    ...(endMicros !== undefined && { endMicros }),
  }
  const entries = await index.liveEntries(metadata, snapshotId, predicatesOf(layout, range))
  const first = startMicros === undefined ? Number.NEGATIVE_INFINITY : dayOfMicros(startMicros)
  const last = endMicros === undefined ? Number.POSITIVE_INFINITY : dayOfMicros(endMicros - 1n)
  const newest = new Map<number, number>()
  // Of files that may have rows of any day.
  let everywhere = 0
  for (const { file, sequenceNumber } of entries) {
    const days = daysOf(layout, file)
    const number = sequenceNumber ?? 0
    if (!days) {
      everywhere = Math.max(everywhere, number)
      continue
    }
    for (let day = Math.max(first, days.first); day <= Math.min(last, days.last); day++) {
      newest.set(day, Math.max(newest.get(day) ?? 0, number))
    }
  }
  const overwrite = overwriteOf(snapshotById(metadata, snapshotId).summary)
  const stamps = [...newest].map(
    ([day, number]) => [day, `${overwrite(day)}/${number}/${everywhere}`] as const,
  )
  return new Map(stamps.sort(([a], [b]) => a - b))
}

/** The days of the rows of files; null: not known. */
export function daysOfFiles(layout: TableLayout, files: readonly DataFile[]): ReadonlySet<number> | null {
  const all = new Set<number>()
  for (const file of files) {
    const days = daysOf(layout, file)
    if (!days) return null
    for (let day = days.first; day <= days.last; day++) all.add(day)
  }
  return all
}

/** By the bounds of their time; null: not known. */
function daysOf(
  { columns, partitionColumn }: TableLayout,
  { lowerBounds, upperBounds }: DataFile,
): { readonly first: number; readonly last: number } | null {
  const id = columns.find(({ name }) => name === partitionColumn)?.id ?? 0
  const [lower, upper] = [lowerBounds.get(id), upperBounds.get(id)]
  if (!lower || !upper) return null
  const [from, to] = [decodeValue('timestamptz', lower), decodeValue('timestamptz', upper)]
  if (typeof from !== 'bigint' || typeof to !== 'bigint') return null
  const [first, last] = [dayOfMicros(from), dayOfMicros(to)]
  return last - first < MAX_DAYS ? { first, last } : null
}
