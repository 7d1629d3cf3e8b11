import type { TableLayout } from '#core'
import type { DataFile } from './iceberg/manifest.js'
import { periodOfMicros } from './iceberg/transform.js'
import { decodeValue } from './iceberg/values.js'

/** UTC days, counted from 1970-01-01, both included. */
export interface DaySpan {
  readonly first: number
  readonly last: number
}

/** The days of a file that spans more are not told apart. */
const MAX_SPAN = 1_000

/** Times between which all rows of a file lie, µs since 1970, both included; null: it does not tell, or some have none. */
export function timesOf(
  layout: TableLayout,
  file: DataFile,
): { readonly from: bigint; readonly to: bigint } | null {
  const id = layout.columns.find(({ name }) => name === layout.partitionColumn)?.id ?? 0
  const [lower, upper] = [file.lowerBounds.get(id), file.upperBounds.get(id)]
  if (!lower || !upper || file.nullValueCounts.get(id) !== 0) return null
  const [from, to] = [decodeValue('timestamptz', lower), decodeValue('timestamptz', upper)]
  return typeof from === 'bigint' && typeof to === 'bigint' ? { from, to } : null
}

/** The days that rows of a file may be of; null: any, or none since they have no time. */
export function daysOf(layout: TableLayout, file: DataFile): DaySpan | null {
  const times = timesOf(layout, file)
  if (times === null) return null
  const [first, last] = [periodOfMicros('day', times.from), periodOfMicros('day', times.to)]
  return last - first < MAX_SPAN ? { first, last } : null
}

/**
 * The days of files that leave a table, without those that files which come in their place tell of; null: any. One that
 * comes without days tells of none: it is not looked at when a day is asked for.
 */
export function overwrittenDays(
  layout: TableLayout,
  gone: readonly DataFile[],
  come: readonly DataFile[],
): ReadonlySet<number> | null {
  const days = new Set<number>()
  for (const file of gone) {
    const span = daysOf(layout, file)
    if (span === null) return null
    for (let day = span.first; day <= span.last; day++) days.add(day)
  }
  for (const file of come) {
    const span = daysOf(layout, file)
    if (span === null) continue
    for (let day = span.first; day <= span.last; day++) days.delete(day)
  }
  return days
}
