// The ceiling of a compaction: bare DuckDB reads the same small Parquet files and writes one, sorted as the table is.
import { join } from 'node:path'
import { systemClock, TRADES } from '#core'
import { sqlString } from '#engine'
import { AS_WRITTEN, type BareInput, bareDuckdb } from '../bare-duckdb.js'
import { childInput } from '../child.js'

export interface CopyResult {
  readonly seconds: number
  readonly files: number
  readonly rowCount: number
}

const input = childInput<BareInput>()
const { engine, files } = await bareDuckdb(input, '2GB')
const target = sqlString(join(input.output, 'one.parquet'))
const startedMs = systemClock.monotonicMs()
await engine.run(`COPY (SELECT * FROM read_parquet([${files.map(sqlString).join(', ')}]) ORDER BY ${TRADES.sortColumns.join(', ')})
  TO ${target} ${AS_WRITTEN}`)
const seconds = (systemClock.monotonicMs() - startedMs) / 1000
const { columns } = await engine.query(`SELECT count(*) FROM read_parquet(${target})`)
await engine.close()
const result: CopyResult = { seconds, files: files.length, rowCount: Number(columns[0]?.[0]) }
console.log(JSON.stringify(result))
