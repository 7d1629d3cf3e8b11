const MS_PER_DAY = 86_400_000
const MS_PER_MINUTE = 60_000
/** Zones lie within 15 hours of UTC. */
const MAX_OFFSET_MS = 15 * 60 * MS_PER_MINUTE

/** A zone's offset from UTC in ms at a time in ms since 1970 UTC. */
export type ZoneOffset = (ms: number) => number

/** The first instant, ms since 1970 UTC, at which the local date is this day or later. */
export function startOfDay(day: number, offsetAt: ZoneOffset): number {
  const midnight = day * MS_PER_DAY
  const guess = midnight - offsetAt(midnight)
  const settled = midnight - offsetAt(guess)
  const steady = offsetAt(settled - MS_PER_DAY / 8) === offsetAt(settled + MS_PER_DAY / 8)
  if (steady && midnight - offsetAt(settled) === settled) return settled
  // Clocks change within three hours of midnight: look for the minute at which the date changes.
  let before = midnight - MAX_OFFSET_MS
  let after = midnight + MAX_OFFSET_MS
  while (after - before > MS_PER_MINUTE) {
    const middle = before + Math.floor((after - before) / 2 / MS_PER_MINUTE) * MS_PER_MINUTE
    if (middle + offsetAt(middle) >= midnight) after = middle
    else before = middle
  }
  return after
}

/** The offset of an IANA zone. */
export function zoneOffset(timeZone: string): ZoneOffset {
  const format = new Intl.DateTimeFormat('en', {
    timeZone,
    hourCycle: 'h23',
    era: 'short',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  })
  return (ms) => {
    const parts = new Map(format.formatToParts(ms).map(({ type, value }) => [type, Number(value)]))
    const part = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? 0
    const date = Date.UTC(part('year'), part('month') - 1, part('day'))
    const local = date + ((part('hour') * 60 + part('minute')) * 60 + part('second')) * 1000
    return local - Math.floor(ms / 1000) * 1000
  }
}

/** The instant, ms since 1970 UTC, at which clocks show so many minutes after midnight of a day that do not lie in a skipped hour. */
export function localTime(day: number, minutes: number, offsetAt: ZoneOffset): number {
  const shown = day * MS_PER_DAY + minutes * MS_PER_MINUTE
  return shown - offsetAt(shown - offsetAt(shown))
}
