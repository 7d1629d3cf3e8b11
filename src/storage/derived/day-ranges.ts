/** UTC days from 1970-01-01, both inclusive; infinite where a side is open. */
export type DayRange = readonly [first: number, last: number]

/** Ascending, with days between each two. */
export type DayRanges = readonly DayRange[]

export const ALL_DAYS: DayRanges = [[Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]]

export function hasDay(ranges: DayRanges, day: number): boolean {
  return ranges.some(([first, last]) => first <= day && day <= last)
}

export function daysAsRanges(days: Iterable<number>): DayRanges {
  return united([...days].map((day) => [day, day]))
}

/** Every day of any of them. */
export function united(...all: readonly DayRanges[]): DayRanges {
  const ordered = all.flat().sort(([a], [b]) => a - b)
  const merged: [number, number][] = []
  for (const [first, last] of ordered) {
    const open = merged.at(-1)
    if (open && first <= open[1] + 1) open[1] = Math.max(open[1], last)
    else merged.push([first, last])
  }
  return merged
}

/** The days of the first that are none of the second. */
export function without(ranges: DayRanges, others: DayRanges): DayRanges {
  let left = ranges
  for (const [from, to] of others) {
    left = left.flatMap(([first, last]): DayRanges => {
      if (to < first || from > last) return [[first, last]]
      const before: DayRanges = first < from ? [[first, from - 1]] : []
      const after: DayRanges = to < last ? [[to + 1, last]] : []
      return [...before, ...after]
    })
  }
  return left
}

/** JSON; an open side is null. */
export function formatRanges(ranges: DayRanges): string {
  return JSON.stringify(ranges.map((range) => range.map((day) => (Number.isFinite(day) ? day : null))))
}

export function parseRanges(text: string): DayRanges {
  // Written by `formatRanges` alone: snapshots of others carry it forward.
  const lists = JSON.parse(text) as readonly (readonly [number | null, number | null])[]
  return lists.map(([first, last]) => [first ?? Number.NEGATIVE_INFINITY, last ?? Number.POSITIVE_INFINITY])
}
