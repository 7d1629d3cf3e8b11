import type { PinnedVersion } from '#storage'
import type { AnswerOptions } from './answer.js'
import type { PagePosition } from './page-token.js'
import type { ListAt, PagedList } from './paged-list.js'
import type { Reading } from './reading.js'
import type { Scan } from './scan.js'

/** A list, where it is read from, and how its rows are wanted. */
export interface ListReading {
  readonly list: PagedList
  readonly at: ListAt
  readonly pinned: PinnedVersion
  readonly after: PagePosition | null
  readonly reading: Reading
  readonly options: AnswerOptions
  /** The most that is read of a second table: the list is let in, and estimated, by that too. */
  readonly beside: readonly Scan[]
}
