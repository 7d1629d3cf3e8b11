/** A part of a list in the total order: the rows of a stretch of time, or those without one. */
export type Slice =
  | { readonly fromMicros: bigint | null; readonly toMicros: bigint | null }
  | { readonly isTimeless: true }
