/** Bits of `quality_flags`. A flagged row is kept; the flag says what was done to it or what is odd about it. */
export const QualityFlag = {
  /** A price or size had more than 8 decimals and was rounded half-even. */
  rounded: 1 << 0,
  /** The event carried no time of its own: exchange_timestamp is the receiver's time. */
  receiveTime: 1 << 1,
} as const

/** Why a record went to quarantine. */
export type QuarantineReason =
  | 'wrong_column_count'
  | 'missing_value'
  | 'not_a_number'
  | 'not_a_time'
  | 'not_a_side'
  | 'out_of_range'
  | 'rounds_to_zero'
  | 'malformed'
