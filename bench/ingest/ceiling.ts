// The ceiling: the same rows, in the same portions, are in DuckDB tables in memory already; timed is only
// COPY (SELECT … ORDER BY …) TO a zstd Parquet file for each.
import { join } from 'node:path'
import { systemClock, TRADES } from '#core'
import { sqlString } from '#engine'
import { AS_WRITTEN, type BareInput, bareDuckdb } from '../bare-duckdb.js'
import { childInput } from '../child.js'

export interface CeilingResult {
  readonly seconds: number
  readonly rowCount: number
}

const input = childInput<BareInput>()
const { engine, files } = await bareDuckdb(input, '8GB')
const columns = TRADES.columns.map((column) => column.name).join(', ')
let rowCount = 0
for (const [index, file] of files.entries()) {
  // In the order of the log again, in which the program gets them.
  const source = `SELECT ${columns} FROM read_parquet(${sqlString(file)}) ORDER BY log_offset, log_partition`
  await engine.run(`CREATE TABLE portion_${index} AS ${source}`)
  const { columns: counts } = await engine.query(`SELECT count(*) FROM portion_${index}`)
  rowCount += Number(counts[0]?.[0])
}
const startedMs = systemClock.monotonicMs()
for (const index of files.keys()) {
  await engine.run(`COPY (SELECT ${columns} FROM portion_${index} ORDER BY ${TRADES.sortColumns.join(', ')})
    TO ${sqlString(join(input.output, `${index}.parquet`))} ${AS_WRITTEN}`)
}
const seconds = (systemClock.monotonicMs() - startedMs) / 1000
await engine.close()
const result: CeilingResult = { seconds, rowCount }
console.log(JSON.stringify(result))
