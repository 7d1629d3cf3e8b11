import { formatMicros } from '#core'
import { type Refusal, refusal } from './refusal.js'

/** A clock that runs ahead is nothing unusual, by so much. */
const MAX_AHEAD_MICROS = 5 * 60 * 1_000_000
/** Milliseconds of our times, taken for microseconds, lie before this moment of 1970 (until the year 2103), seconds too. */
export const WRONG_UNIT_BEFORE_MICROS = 4_200_000_000_000

/** The upper 32 bits of 2^53 µs. */
const MAX_TIME_HIGH_HALF = 2 ** 21

export const EXPECTED_TIME = {
  before_1970: 'a time after 1970',
  wrong_time_unit: 'a likely time: it seems to have been given in another unit',
}

/** Whether a time (µs since 1970) lies within ±2^53, given its upper 32 bits. */
export function isExactTime(highHalf: number): boolean {
  return highHalf >= -MAX_TIME_HIGH_HALF && highHalf < MAX_TIME_HIGH_HALF
}

/** What is wrong with an event time (µs since 1970), given when the log took the record. */
export function timeProblem(field: string, micros: number, appendedAtMicros: number): Refusal | null {
  if (micros > appendedAtMicros + MAX_AHEAD_MICROS) {
    const limit = `at most 5 minutes after the log took the record (${text(appendedAtMicros)})`
    return refusal('time_ahead', field, text(micros), limit)
  }
  if (micros >= WRONG_UNIT_BEFORE_MICROS) return null
  return micros < 0
    ? refusal('before_1970', field, text(micros), EXPECTED_TIME.before_1970)
    : refusal('wrong_time_unit', field, text(micros), EXPECTED_TIME.wrong_time_unit)
}

function text(micros: number): string {
  return formatMicros(BigInt(micros))
}
