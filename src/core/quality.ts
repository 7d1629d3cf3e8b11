/**
 * Bits of `quality_flags`. A flagged row is kept; the flag says what was done to it or what is odd about it. Bits from
 * 16 on are no complaints: they say how the row's `sequence_number` counts.
 */
export const QualityFlag = {
  /** A price or size had more than 8 decimals and was rounded half-even. */
  rounded: 1 << 0,
  /** The event carried no time of its own: exchange_timestamp is the receiver's time. */
  receiveTime: 1 << 1,
  /** When the row came, numbers between it and the highest one before were missing. */
  sequenceGap: 1 << 2,
  /** Its number is lower than one that came before; it was missing until now. */
  outOfOrder: 1 << 3,
  /** Its number came before, of the same symbol. */
  duplicateSequence: 1 << 4,
  /** The numbers begin anew with this row. */
  sequenceReset: 1 << 5,
  /** A quote whose bid is above its ask. */
  crossed: 1 << 6,
  /** A quote whose bid is its ask. */
  locked: 1 << 7,
  /** Its price lies more than three standard deviations from the weighted mean of those before. */
  priceOutlier: 1 << 8,
  /** Its price differs by more than a tenth from the one before. */
  priceMove: 1 << 9,
  /** The first row after its feed had been silent for longer than it should in a session. */
  afterSilence: 1 << 10,
  /** Values of it were replaced by a correction after it had come. */
  corrected: 1 << 11,
  /** Per symbol, `sequence_number` rises by one with each event, so that a hole is a loss. */
  contiguousSequence: 1 << 16,
  /** Per symbol, `sequence_number` never falls. */
  monotoneSequence: 1 << 17,
} as const

/** Why a record went to quarantine. */
export const QUARANTINE_REASONS = [
  'wrong_column_count',
  'missing_value',
  'not_a_number',
  'not_a_time',
  'not_a_side',
  'out_of_range',
  'rounds_to_zero',
  'not_positive',
  'negative',
  'time_ahead',
  'before_1970',
  'wrong_time_unit',
  'unknown_schema',
  'malformed',
] as const

export type QuarantineReason = (typeof QUARANTINE_REASONS)[number]
