import { dayOfMicros, MICROS_PER_DAY, type TableLayout } from '#core'
import type { DataFile } from '../iceberg/manifest.js'
import { decodeValue } from '../iceberg/values.js'
import type { DayRange, DayRanges } from './day-ranges.js'

/** The days that rows of a file are of, by the bounds of their time; null: not known. */
export function daysOfFile(
  { columns, partitionColumn }: TableLayout,
  { lowerBounds, upperBounds }: DataFile,
): DayRange | null {
  const id = columns.find(({ name }) => name === partitionColumn)?.id ?? 0
  const [lower, upper] = [lowerBounds.get(id), upperBounds.get(id)]
  if (!lower || !upper) return null
  const [from, to] = [decodeValue('timestamptz', lower), decodeValue('timestamptz', upper)]
  return typeof from === 'bigint' && typeof to === 'bigint' ? [dayOfMicros(from), dayOfMicros(to)] : null
}

/** SQL that is true of the times of these days, of a timestamptz column. */
export function inDays(column: string, days: DayRanges): string {
  const conditions = days.map(([first, last]) => {
    const sides = [
      ...(Number.isFinite(first) ? [`${column} >= ${startOf(first)}`] : []),
      ...(Number.isFinite(last) ? [`${column} < ${startOf(last + 1)}`] : []),
    ]
    return sides.length === 0 ? 'true' : `(${sides.join(' AND ')})`
  })
  return conditions.length === 0 ? 'false' : `(${conditions.join(' OR ')})`
}

function startOf(day: number): string {
  return `make_timestamptz(${BigInt(day) * BigInt(MICROS_PER_DAY)})`
}
