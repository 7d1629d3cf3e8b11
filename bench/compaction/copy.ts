// The ceiling of a compaction: bare DuckDB reads the same small Parquet files and writes one, sorted as the table is.
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { systemClock, TRADES } from '#core'
import { Engine, sqlString } from '#engine'
import { childInput } from '../child.js'

export interface CopyResult {
  readonly seconds: number
  readonly files: number
  readonly rowCount: number
}

const { data, output, threads } = childInput<{ data: string; output: string; threads: number }>()
await mkdir(output, { recursive: true })
const engine = await Engine.open({
  memoryLimit: '2GB',
  threads,
  tempDirectory: output,
  connections: 1,
})
const folder = join(data, 'warehouse/market_data/trades/data')
const files = (await readdir(folder, { recursive: true })).filter((file) => file.endsWith('.parquet'))
const paths = files.map((file) => sqlString(join(folder, file))).join(', ')
const startedMs = systemClock.monotonicMs()
await engine.run(`COPY (SELECT * FROM read_parquet([${paths}]) ORDER BY ${TRADES.sortColumns.join(', ')})
  TO ${sqlString(join(output, 'one.parquet'))} (FORMAT parquet, PARQUET_VERSION v1, COMPRESSION zstd, ROW_GROUP_SIZE 122880)`)
const seconds = (systemClock.monotonicMs() - startedMs) / 1000
const { columns } = await engine.query(
  `SELECT count(*) FROM read_parquet(${sqlString(join(output, 'one.parquet'))})`,
)
await engine.close()
const result: CopyResult = { seconds, files: files.length, rowCount: Number(columns[0]?.[0]) }
console.log(JSON.stringify(result))
