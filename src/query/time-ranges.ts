import { MICROS_PER_DAY } from '#core'
import type { DayRanges, RowFilter } from '#storage'
import { microsLiteral } from './order-key.js'

/** µs since 1970 UTC: from, inclusive, and before, exclusive. Null: open on that side. */
export interface TimeRange {
  readonly from: bigint | null
  readonly before: bigint | null
}

const DAY = BigInt(MICROS_PER_DAY)

/** The parts of a range that lie in whole days. */
export function inDays({ from, before }: TimeRange, days: DayRanges): readonly TimeRange[] {
  return days.flatMap(([first, last]) => {
    const part = {
      from: latest(from, Number.isFinite(first) ? BigInt(first) * DAY : null),
      before: earliest(before, Number.isFinite(last) ? BigInt(last + 1) * DAY : null),
    }
    return isEmpty(part) ? [] : [part]
  })
}

/** What is left of a range without parts of it, which are ascending. */
export function outside({ from, before }: TimeRange, parts: readonly TimeRange[]): readonly TimeRange[] {
  const borders = [from, ...parts.flatMap((part) => [part.from, part.before]), before]
  const gaps = Array.from({ length: parts.length + 1 }, (_, index) => ({
    from: borders[2 * index] ?? null,
    before: borders[2 * index + 1] ?? null,
  }))
  // An open side of a part leaves nothing beyond it.
  return gaps.filter(
    (gap, index) =>
      !isEmpty(gap) &&
      (index === 0 || parts[index - 1]!.before !== null) &&
      (index === parts.length || parts[index]!.from !== null),
  )
}

/** The shortest range that has them all, of at least one. */
export function hull(ranges: readonly TimeRange[]): TimeRange {
  return { from: ranges[0]?.from ?? null, before: ranges.at(-1)?.before ?? null }
}

/** A filter, narrowed to a range. */
export function within(filter: RowFilter, { from, before }: TimeRange): RowFilter {
  const { startMicros, endMicros, ...rest } = filter
  return {
    ...rest,
    ...(from !== null && { startMicros: from }),
    ...(before !== null && { endMicros: before }),
  }
}

/** SQL that is true of times in one of the ranges. */
export function inRanges(column: string, ranges: readonly TimeRange[]): string {
  const conditions = ranges.map(({ from, before }) =>
    [
      ...(from === null ? [] : [`${column} >= ${microsLiteral(from)}`]),
      ...(before === null ? [] : [`${column} < ${microsLiteral(before)}`]),
    ].join(' AND '),
  )
  if (conditions.includes('')) return `${column} IS NOT NULL`
  return conditions.length === 0 ? 'false' : `(${conditions.map((one) => `(${one})`).join(' OR ')})`
}

function isEmpty({ from, before }: TimeRange): boolean {
  return from !== null && before !== null && from >= before
}

function latest(a: bigint | null, b: bigint | null): bigint | null {
  if (a === null || b === null) return a ?? b
  return a > b ? a : b
}

function earliest(a: bigint | null, b: bigint | null): bigint | null {
  if (a === null || b === null) return a ?? b
  return a < b ? a : b
}
