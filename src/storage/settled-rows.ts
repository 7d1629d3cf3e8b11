/** Rows that do not change any more. */
export interface SettledRows {
  /** DuckDB SQL for use after FROM, that yields them in the table's columns. */
  readonly relation: string
  readonly rowCount: number
  /** UTC days (from 1970-01-01) of the partition column. */
  readonly days: ReadonlySet<number>
}
