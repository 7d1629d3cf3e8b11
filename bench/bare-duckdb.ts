import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Engine } from '#engine'

/** A COPY writes files as the program does. */
export const AS_WRITTEN = '(FORMAT parquet, PARQUET_VERSION v1, COMPRESSION zstd, ROW_GROUP_SIZE 122880)'

export interface BareInput {
  /** A data folder of the program, whose trades are read. */
  readonly data: string
  /** Where files may be written; made if it is absent. */
  readonly output: string
  readonly threads: number
}

/** DuckDB with nothing around it, for what the program could do at best, and the paths of the table's files. */
export async function bareDuckdb(
  { data, output, threads }: BareInput,
  memoryLimit: string,
): Promise<{ readonly engine: Engine; readonly files: readonly string[] }> {
  await mkdir(output, { recursive: true })
  const engine = await Engine.open({
    memoryLimit,
    threads,
    tempDirectory: output,
    connections: 1,
  })
  const folder = join(data, 'warehouse/market_data/trades/data')
  const names = await readdir(folder, { recursive: true })
  return {
    engine,
    files: names.filter((name) => name.endsWith('.parquet')).map((name) => join(folder, name)),
  }
}
