// The ceiling: the same rows, in the same portions, are in DuckDB tables in memory already; timed is only
// COPY (SELECT … ORDER BY …) TO a zstd Parquet file for each.
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { systemClock, TRADES } from '#core'
import { Engine, sqlString } from '#engine'
import { childInput } from '../child.js'

export interface CeilingResult {
  readonly seconds: number
  readonly rowCount: number
}

/** As the program writes them. */
const ROW_GROUP_ROWS = 122_880

const { data, output, threads } = childInput<{ data: string; output: string; threads: number }>()
await mkdir(output, { recursive: true })
const engine = await Engine.open({
  memoryLimit: '8GB',
  threads,
  tempDirectory: output,
  connections: 1,
})
const folder = join(data, 'warehouse/market_data/trades/data')
const files = (await readdir(folder, { recursive: true })).filter((file) => file.endsWith('.parquet'))
const columns = TRADES.columns.map((column) => column.name).join(', ')
let rowCount = 0
for (const [index, file] of files.entries()) {
  // In the order of the log again, in which the program gets them.
  const source = `SELECT ${columns} FROM read_parquet(${sqlString(join(folder, file))}) ORDER BY log_offset, log_partition`
  await engine.run(`CREATE TABLE portion_${index} AS ${source}`)
  const { columns: counts } = await engine.query(`SELECT count(*) FROM portion_${index}`)
  rowCount += Number(counts[0]?.[0])
}
const startedMs = systemClock.monotonicMs()
for (const index of files.keys()) {
  await engine.run(`COPY (SELECT ${columns} FROM portion_${index} ORDER BY ${TRADES.sortColumns.join(', ')})
    TO ${sqlString(join(output, `${index}.parquet`))}
    (FORMAT parquet, PARQUET_VERSION v1, COMPRESSION zstd, ROW_GROUP_SIZE ${ROW_GROUP_ROWS})`)
}
const seconds = (systemClock.monotonicMs() - startedMs) / 1000
await engine.close()
const result: CeilingResult = { seconds, rowCount }
console.log(JSON.stringify(result))
