import type { Selection } from './request.js'
import type { Scan } from './scan.js'
import type { Slice } from './slice.js'

/** What a part of an answer is of: the rows of a slice of its list, or of all of it. */
export interface PartOf {
  /** Null: the whole list. */
  readonly slice: Slice | null
  /** Absent: the list's. */
  readonly selection?: Selection
}

/** A part of an answer, and what is read for it. */
export interface Part extends PartOf {
  readonly scan: Scan
}
