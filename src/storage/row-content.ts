import type { FileEngine } from '#engine'

/** Rows, and a checksum of what they hold that does not hang on their order. */
export interface RowContent {
  readonly rows: number
  readonly checksum: string
}

/** Of a relation: DuckDB SQL for use after FROM. */
export async function contentOf(engine: FileEngine, relation: string): Promise<RowContent> {
  const { columns } = await engine.read(
    `SELECT count(*), coalesce(sum(hash(content)::HUGEINT), 0)::VARCHAR FROM ${relation} AS content`,
  )
  return { rows: Number(columns[0]?.[0]), checksum: String(columns[1]?.[0]) }
}
