/** What a query may give back: project everything else to one of these in SQL. */
export type SqlValue = string | bigint | number | boolean | null

export type SqlParameters = Record<string, SqlValue>

export interface QueryResult {
  readonly names: readonly string[]
  readonly rowCount: number
  /** By column, then row. */
  readonly columns: readonly (readonly SqlValue[])[]
}

/** A text as an SQL string constant. A statement ends for DuckDB where it holds a NUL: that is written as chr(0). */
export function sqlString(text: string): string {
  const parts = text.split('\0').map((part) => `'${part.replaceAll("'", "''")}'`)
  return parts.length === 1 ? parts.join() : `(${parts.join(' || chr(0) || ')})`
}

/** A name as a quoted SQL identifier. */
export function sqlName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
