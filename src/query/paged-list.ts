import type { TableName } from '#core'
import type { PinnedVersion } from '#storage'
import type { Statement } from './answer.js'
import type { Key, KeyForm, PagePosition } from './page-token.js'
import type { Part, PartOf } from './part.js'
import type { PartSource } from './part-source.js'
import type { Reading } from './reading.js'
import type { Order, Page, Selection } from './request.js'
import type { Scan } from './scan.js'
import type { Slice } from './slice.js'

/** A list of rows that is answered page by page, all pages from one version. It says what is read; the router reads. */
export interface PagedList {
  /** Apart from its request: bars, latest. */
  readonly name: string
  readonly table: TableName
  /** A second table that it reads, pinned in the same turn. */
  readonly beside?: TableName
  readonly request: Page & Selection
  readonly keyForm: KeyForm
  /** Whether the rows depend on the watermarks: then all pages have those of the first. */
  readonly usesWatermarks: boolean
  /** Whether only one row can have a key. Absent: of every key. */
  readonly isUnique?: (key: Key) => boolean
  /** Settings that the rows depend on too: a page token goes on with the very same. Plain data. */
  readonly rules?: object
  /**
   * The list at a version, after a page. Called in the turn of the pin, so that what it takes from the ledger is of the
   * version too; throws when the version lacks a field that was asked for.
   */
  at(pinned: PinnedVersion, after: PagePosition | null): ListAt
}

export interface ListAt {
  /** Names of its fields. */
  readonly fields: readonly string[]
  /** What holds every row from here on. */
  readonly selection: Selection
  /** The statement of (row, key) over what was planned for a part of it. */
  statement(part: Part, reading: Reading): Statement | Promise<Statement>
  /**
   * A part of it by what is derived of its table at the version: other files, the same rows, byte for byte. Null: nothing
   * derived has any of them. Absent: it is always read from rows.
   */
  openDerived?(part: Part, reading: Reading): Promise<PartSource | null>
  /** What holds every row of the second table that may be read. */
  readonly besideSelection?: Selection
  /** Its statement keeps the rows of a page, and goes through the others: absent, it sorts or groups them all. */
  readonly holdsPage?: boolean
  /** Its rows come by time, those of a UTC day of none but that day's events. Absent: it is read whole. */
  readonly byDay?: ByDay
  /**
   * Of rows that depend on the request and the rows of the table alone, or on this besides: a value that tells it, when
   * only events of these UTC days count (ascending; null: any). Absent: they depend on more.
   */
  keptBy?(days: readonly number[] | null): unknown
  /** Its newest parts may do. */
  readonly newest?: NewestParts
  /** A list without a limit, a statement at a time: no sort holds the whole of it. */
  slices?(scan: Scan, pinned: PinnedVersion, reading: Reading): AsyncIterable<Statement>
}

/** A list that may be read a stretch of days at a time. */
export interface ByDay {
  readonly order: Order
  /** Whether some of its rows may have no time. */
  readonly mayLackTime: boolean
  /** Where a page ends whose next one begins with a slice that comes later in the list than others. */
  endBefore(slice: Slice): PagePosition
}

/** Parts to try before the whole list, some together in its order: those that have so many rows have all there can be. */
export interface NewestParts {
  readonly tries: readonly (readonly PartOf[])[]
  readonly rowCount: number
}
