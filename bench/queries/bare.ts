import { fileURLToPath } from 'node:url'
import { Engine, sqlString } from '#engine'
import type { TicklakeServer } from '../../test/support/ticklake-process.js'
import type { QueryCase } from './cases.js'

const TABLES = ['trades', 'quotes'] as const

type Files = Readonly<Record<(typeof TABLES)[number], readonly string[]>>

/** A question by hand, and the files that hold its rows. */
export interface BareQuestion {
  readonly sql: string
  readonly files: number
}

/** DuckDB by itself on the files of a lake, as somebody would use it who knows them all. */
export class BareDuckdb {
  readonly #engine: Engine
  readonly #files: Files

  private constructor(engine: Engine, files: Files) {
    this.#engine = engine
    this.#files = files
  }

  static async open(
    server: TicklakeServer,
    options: { readonly threads: number; readonly memoryLimit: string; readonly tempDirectory: string },
  ): Promise<BareDuckdb> {
    const lists = await Promise.all(TABLES.map((table) => filesOf(server, table)))
    const engine = await Engine.open({ ...options, connections: 1 })
    return new BareDuckdb(engine, { trades: lists[0] ?? [], quotes: lists[1] ?? [] })
  }

  /** A question whose statement reads the files that have a row of it, and no others. */
  async question({ rows, sql }: QueryCase): Promise<BareQuestion> {
    const perfect: Files = {
      trades: await this.#having('trades', rows),
      quotes: await this.#having('quotes', rows),
    }
    const source = (table: (typeof TABLES)[number]) =>
      `(SELECT * FROM ${readParquet(perfect[table])} WHERE ${rows[table]})`
    return {
      sql: sql({ trades: source('trades'), quotes: source('quotes') }),
      files: perfect.trades.length + perfect.quotes.length,
    }
  }

  /** Fetches the whole result; how many rows it has. */
  async rowCount({ sql }: BareQuestion): Promise<number> {
    let count = 0
    for await (const { rowCount } of this.#engine.rows(sql)) count += rowCount
    return count
  }

  close(): Promise<void> {
    return this.#engine.close()
  }

  async #having(table: (typeof TABLES)[number], rows: QueryCase['rows']): Promise<readonly string[]> {
    const condition = rows[table]
    if (condition === undefined) return []
    const { columns } = await this.#engine.query(
      `SELECT DISTINCT filename FROM ${readParquet(this.#files[table], ', filename = true')} WHERE ${condition}`,
    )
    return (columns[0] ?? []).map(String)
  }
}

function readParquet(files: readonly string[], parameters = ''): string {
  return `read_parquet([${files.map(sqlString).join(', ')}], hive_partitioning = false${parameters})`
}

/** Paths of the files that a table has now. */
async function filesOf(server: TicklakeServer, table: string): Promise<readonly string[]> {
  const { body } = await server.get(`/v1/${table}`, { explain: 'true' })
  const { parts }: { parts: { files: { path: string }[] }[] } = JSON.parse(body).data
  const paths = parts.flatMap(({ files }) => files.map(({ path }) => path))
  return [...new Set(paths)].map((path) => (path.startsWith('file:') ? fileURLToPath(path) : path))
}
