import { setImmediate } from 'node:timers/promises'
import { dayOfMicros, MICROS_PER_DAY, startOfDay, zoneOffset } from '#core'
import type { Selection } from './request.js'
import { floorMicros } from './scan.js'

/** A day of a time zone: from its first instant, inclusive, to the next day's, exclusive. µs since 1970 UTC. */
export interface LocalDay {
  readonly startMicros: bigint
  readonly endMicros: bigint
}

const MAX_LISTED_NANOS = 400n * BigInt(MICROS_PER_DAY) * 1000n
const MS_PER_DAY = 86_400_000
/** A day takes some 0.1 ms: others get their turn after so many. */
const DAYS_A_TURN = 64

/**
 * The local days that share a time with one of the UTC days (ascending, from 1970), ascending. A day has 23, 24 or 25
 * hours where clocks change, and begins at 1:00 where midnight is skipped.
 */
export async function localDays(
  timeZone: string,
  utcDays: readonly number[],
  signal?: AbortSignal,
): Promise<readonly LocalDay[]> {
  const offsetAt = zoneOffset(timeZone)
  const starts = new Map<number, number>()
  const startOf = (date: number): number => {
    const start = starts.get(date) ?? startOfDay(date, offsetAt)
    starts.set(date, start)
    return start
  }
  const days: LocalDay[] = []
  let lastDate = Number.NEGATIVE_INFINITY
  for (const [index, utcDay] of utcDays.entries()) {
    if (index % DAYS_A_TURN === DAYS_A_TURN - 1) {
      await setImmediate()
      signal?.throwIfAborted()
      starts.clear()
    }
    // Zones lie within a day of UTC.
    for (let date = Math.max(utcDay - 1, lastDate + 1); date <= utcDay + 1; date++) {
      const [start, end] = [startOf(date), startOf(date + 1)]
      // A date that the zone skipped (Samoa, 30 December 2011) begins with the next one.
      if (start === end || end <= utcDay * MS_PER_DAY || start >= (utcDay + 1) * MS_PER_DAY) continue
      days.push({ startMicros: BigInt(start) * 1000n, endMicros: BigInt(end) * 1000n })
      lastDate = date
    }
  }
  return days
}

/**
 * The UTC days (from 1970) of a selection's range, or null when they are better looked up: it has an open side, or is
 * so long that most of its days may be empty.
 */
export function utcDaysOf({ startNanos, endNanos }: Selection): readonly number[] | null {
  if (startNanos === null || endNanos === null || endNanos - startNanos > MAX_LISTED_NANOS) return null
  const first = dayOfMicros(floorMicros(startNanos))
  const last = dayOfMicros(floorMicros(endNanos))
  return Array.from({ length: last - first + 1 }, (_, index) => first + index)
}

/** Start of the UTC day, in SQL over `micros`. */
export const UTC_DAY_START = `(micros - ((micros % ${MICROS_PER_DAY}) + ${MICROS_PER_DAY}) % ${MICROS_PER_DAY})`

/** The UTC day, counted from 1970, in SQL over `micros`. */
export const UTC_DAY = `(${UTC_DAY_START} // ${MICROS_PER_DAY})`
