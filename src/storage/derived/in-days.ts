import { MICROS_PER_DAY } from '#core'
import type { DayRanges } from './day-ranges.js'

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
