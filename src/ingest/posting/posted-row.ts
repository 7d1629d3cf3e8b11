import type { QuarantineReason } from '#core'

/** What is wrong with a row; `field` and `value` are null where the row as a whole is meant. */
export interface RowProblem {
  readonly reason: QuarantineReason
  readonly field: string | null
  readonly value: string | null
  /** What would be right, as a phrase: "a decimal number". */
  readonly expected: string
}

/**
 * A row as a body holds it: the text of each field that has a value, or what keeps it from being a row. Numbers are
 * the text that was written, so nothing is rounded on the way. `original` is what quarantine keeps: the bytes as they
 * came or, where they mean nothing without the rest of the body, the fields as JSON.
 */
export type PostedRow =
  | { readonly fields: ReadonlyMap<string, string>; readonly original: () => Uint8Array }
  | { readonly problem: RowProblem; readonly original: () => Uint8Array }

/** Reads the rows of a body in their order. A body that cannot be read on is `invalid_input`, naming the place. */
export type RowReader = (body: Buffer, maxBytes: number) => Iterable<PostedRow> | AsyncIterable<PostedRow>

/** Characters of a wrong value that are shown. */
const SHOWN_LENGTH = 100

/** The beginning of a long value. */
export function shown(value: string): string {
  return [...value.slice(0, 2 * SHOWN_LENGTH)].slice(0, SHOWN_LENGTH).join('')
}

/** A problem in words: `price: "abc" is not a decimal number`. */
export function problemText({ field, value, expected }: RowProblem): string {
  const what = value === null ? 'nothing is given' : `${JSON.stringify(value)} is not ${expected}`
  return field === null ? what : `${field}: ${what}`
}

/** The fields as a JSON object of texts: how rows without a text of their own are kept. */
export function fieldsAsJson(fields: ReadonlyMap<string, string>): Uint8Array {
  return Buffer.from(JSON.stringify(Object.fromEntries(fields)))
}
