import { invalid, type QuarantineReason } from '#core'

/** Why a record that could be read is no row of its table. */
export interface Refusal {
  readonly reason: QuarantineReason
  /** Field, value and what would have been right. */
  readonly detail: string
}

export function refusal(reason: QuarantineReason, field: string, value: string, expected: string): Refusal {
  return { reason, detail: invalid(field, value, expected).message }
}
