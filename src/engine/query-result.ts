/** What a query may give back: project everything else to one of these in SQL. */
export type SqlValue = string | bigint | number | boolean | null

export type SqlParameters = Record<string, SqlValue>

export interface QueryResult {
  readonly names: readonly string[]
  readonly rowCount: number
  /** By column, then row. */
  readonly columns: readonly (readonly SqlValue[])[]
}

/** A text as an SQL string literal. */
export function sqlString(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

/** A name as a quoted SQL identifier. */
export function sqlName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
