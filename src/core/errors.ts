/**
 * Every operating error that ticklake raises. Programmer errors are `AssertionError`s and crash.
 *
 * | code | meaning | trying again |
 * |---|---|---|
 * | invalid_input | a value from outside is wrong; field, value and what would be right are given | no |
 * | not_found | the named thing does not exist | no |
 * | gone | it existed and is kept no longer: an expired snapshot, trimmed offsets | no |
 * | conflict | somebody else committed first, or the state does not allow this | after a reload |
 * | locked | another process owns the data folder | when that process has ended |
 * | unavailable | not ready yet, stopping, or what it needs (disk, port, server) fails | yes, later |
 * | too_large | more at once than is taken, or one record larger than the log takes | in smaller parts |
 * | overloaded | as much is under way and waiting as may be | yes, later |
 * | corrupt | stored bytes fail their check | no |
 * | incomplete | an input ended early; what was read before is accounted for | with the whole input |
 * | timeout | a bound in time was reached | yes |
 */
export type ErrorCode =
  | 'invalid_input'
  | 'not_found'
  | 'gone'
  | 'conflict'
  | 'locked'
  | 'unavailable'
  | 'too_large'
  | 'overloaded'
  | 'corrupt'
  | 'incomplete'
  | 'timeout'

export interface ErrorDetail {
  /** The parameter, option or column that is wrong. */
  readonly field?: string
  /** The value as it was given. */
  readonly value?: string
  /** What would be right, as a phrase: "an interval such as 1s, 5m, 1h or 1d". */
  readonly expected?: string
  /** Where in a text it is wrong. */
  readonly position?: TextPosition
  readonly cause?: unknown
}

/** A place in a text, in characters: `offset` from 0, `line` and `column` from 1. */
export interface TextPosition {
  readonly offset: number
  readonly line: number
  readonly column: number
}

/** An operating error: it says what happened, to what, and what to do. */
export class TicklakeError extends Error {
  readonly code: ErrorCode
  readonly detail: ErrorDetail

  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? {} : { cause: detail.cause })
    this.name = 'TicklakeError'
    this.code = code
    this.detail = detail
  }
}

/** Characters of a wrong value that a message shows. */
const SHOWN_LENGTH = 100

/** The error for one wrong value from outside: names the field, the value and what would be right. */
export function invalid(field: string, value: unknown, expected: string, cause?: unknown): TicklakeError {
  const given = typeof value === 'string' ? value : String(value)
  // A long one (a page token) would hide what is wrong with it.
  const shown = given.length > SHOWN_LENGTH ? `${given.slice(0, SHOWN_LENGTH)}…` : given
  return new TicklakeError('invalid_input', `${field}: ${JSON.stringify(shown)} is not ${expected}`, {
    field,
    value: given,
    expected,
    cause,
  })
}

/** `unavailable` when an error, or what caused it, is that the disk has no room; null for all others. */
export function diskFull(error: unknown): TicklakeError | null {
  if (!(error instanceof Error)) return null
  if ('code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT')) {
    const message = `the disk is full (${error.message}): make room, then try again`
    return new TicklakeError('unavailable', message, { cause: error })
  }
  return diskFull(error.cause)
}
