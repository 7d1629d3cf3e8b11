/** What a print may count for: the open and close of a bar, its high and low, its volume. */
export const PRINT_USES = ['openClose', 'highLow', 'volume'] as const
export type PrintUse = (typeof PRINT_USES)[number]

/**
 * How the codes of a print are written in the column `conditions`: each character is one; each word is, between spaces or
 * commas; or the first word is a hexadecimal number, whose bits are codes, and each word after it is one.
 */
export const CODE_FORMS = ['characters', 'words', 'flags'] as const
export type CodeForm = (typeof CODE_FORMS)[number]

export interface ConditionCode {
  /** A flag by its value in hexadecimal digits: 1, 2, 4, 8, 10, 20 … */
  readonly code: string
  readonly counts: readonly PrintUse[]
  /** Codes beside which this one keeps a print from nothing. */
  readonly unless: readonly string[]
}

/** What the conditions of some exchanges' prints mean. A print counts for a use unless one of its codes does not. */
export interface ConditionTable {
  /** Values of the column `exchange`. */
  readonly exchanges: readonly string[]
  readonly written: CodeForm
  readonly codes: readonly ConditionCode[]
  /** What a code counts for that is not among them. Not of flags, but of the words after these. */
  readonly others: readonly PrintUse[]
}
