import type { TableEngine } from '#engine'

/** Rows, and a checksum of what they hold that does not hang on their order. */
export interface RowContent {
  readonly rows: number
  readonly checksum: string
}

/** Of a relation: DuckDB SQL for use after FROM. */
export async function contentOf(engine: TableEngine, relation: string): Promise<RowContent> {
  const { columns } = await engine.read(
    `SELECT count(*), coalesce(sum(hash(content)::HUGEINT), 0)::VARCHAR FROM ${relation} AS content`,
  )
  return { rows: Number(columns[0]?.[0]), checksum: String(columns[1]?.[0]) }
}

/** UTC days (from 1970-01-01) of a timestamptz column. */
export async function daysOf(engine: TableEngine, relation: string, column: string): Promise<Set<number>> {
  const { columns } = await engine.read(
    `SELECT DISTINCT epoch_us(${column}) // 86400000000 FROM ${relation} WHERE ${column} IS NOT NULL`,
  )
  return new Set((columns[0] ?? []).map(Number))
}
