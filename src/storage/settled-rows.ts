import type { FileColumn } from './file-columns.js'

/** Rows that do not change any more. */
export interface SettledRows {
  /** DuckDB SQL for use after FROM, that yields them in these columns. */
  readonly relation: string
  /** What the relation yields; absent: the columns of the layout. */
  readonly columns?: readonly FileColumn[]
  readonly rowCount: number
  /** UTC days (from 1970-01-01) of the partition column, all of which has a value; null: not known. */
  readonly days: ReadonlySet<number> | null
}
