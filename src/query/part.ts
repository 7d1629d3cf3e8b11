import type { Scan } from './scan.js'
import type { Slice } from './slice.js'

/** A part of an answer: the rows of a slice of its list, or of all of it. */
export interface Part {
  /** Null: the whole list. */
  readonly slice: Slice | null
  readonly scan: Scan
}
