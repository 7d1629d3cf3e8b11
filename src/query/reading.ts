import type { QueryResult } from '#engine'
import type { Statement } from './answer.js'
import type { Encoding } from './field.js'
import type { Selection } from './request.js'
import type { Scan } from './scan.js'

/** What a list may use to write its statements. */
export interface Reading {
  readonly encoding: Encoding
  /** Most rows that are wanted, fewer than the request's when some were read before; null: all. */
  readonly limit: number | null
  /** Its abort ends the query. */
  readonly signal: AbortSignal | undefined
  /** About so many rows of a long list are sorted at a time. */
  readonly sliceRows: number
  /** Asks what the statement needs to know first. */
  query(statement: Statement): Promise<QueryResult>
  /** Plans what is read of the second table, once; of a list without one, nothing. */
  planBeside(selection: Selection): Promise<Scan>
}
