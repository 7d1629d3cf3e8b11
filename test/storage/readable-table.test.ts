import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { icebergMetadata, icebergRead } from 'icebird'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TRADES } from '#core'
import { commitAppend } from '../../src/storage/append.js'
import { newTableMetadata } from '../../src/storage/iceberg/metadata.js'
import { MemoryObjectStore } from '../../src/storage/objects/memory.js'
import { DUCKDB_TYPES } from '../../src/storage/tail-segment.js'
import { commitContext } from '../support/commit-context.js'
import { tradesFile } from '../support/data-file.js'
import { ManualClock } from '../support/manual-clock.js'

const clock = new ManualClock()
const objects = new MemoryObjectStore(clock)
let server: Server
let warehouse: string
let folder: string

/** Serves the store's files over HTTP, which is how icebird reads; the table's locations are its addresses. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ticklake-readable-'))
  server = createServer((request, response) => {
    objects.read(`${warehouse}${request.url}`).then(
      (bytes) => {
        const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')
        const part = range
          ? bytes.subarray(Number(range[1]), range[2] ? Number(range[2]) + 1 : undefined)
          : bytes
        response.writeHead(range ? 206 : 200, { 'content-length': part.length })
        response.end(request.method === 'HEAD' ? undefined : part)
      },
      () => response.writeHead(404).end(),
    )
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  // A server that listens on a port has an address object.
  warehouse = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterAll(async () => {
  server.closeAllConnections()
  await new Promise((closed) => server.close(closed))
  await rm(folder, { recursive: true })
})

/** A file with a field id on every column; columns that `rows` does not give are null. */
async function writeParquet(name: string, rows: string): Promise<Uint8Array> {
  const path = join(folder, name)
  const connection = await (await DuckDBInstance.create(':memory:')).connect()
  const columns = TRADES.columns.map((column) => `"${column.name}" ${DUCKDB_TYPES[column.type]}`)
  await connection.run("SET TimeZone='UTC'")
  await connection.run(`CREATE TABLE trades (${columns.join(', ')})`)
  await connection.run(`INSERT INTO trades BY NAME ${rows}`)
  const ids = TRADES.columns.map((column) => `"${column.name}": ${column.id}`)
  await connection.run(
    `COPY trades TO '${path}' (FORMAT parquet, COMPRESSION zstd, FIELD_IDS {${ids.join(', ')}})`,
  )
  connection.closeSync()
  return readFile(path)
}

const ROWS = [
  { symbol: 'BHP', time: '2014-03-10T06:17:14.754Z', micros: 1_394_432_234_754_000n, price: 36.667 },
  { symbol: 'CBA', time: '2014-03-11T00:00:00.000Z', micros: 1_394_496_000_000_000n, price: 72.5 },
]

test('a table of two commits is read by icebird, row for row', async () => {
  const location = `${warehouse}/trades`
  const context = commitContext(objects, warehouse, { clock })
  const uuid = 'b1a6e1c2-0000-4000-8000-000000000000'
  const first = newTableMetadata(TRADES, { location, uuid, nowMs: clock.nowMs(), partitionCount: 1 })
  await context.catalog.create('trades', first)
  for (const [i, { symbol, time, micros, price }] of ROWS.entries()) {
    const row = `SELECT '${symbol}' AS symbol, TIMESTAMPTZ '${time}' AS exchange_timestamp, ${price} AS price`
    const bytes = await writeParquet(`${i}.parquet`, row)
    const path = `${location}/data/${i}.parquet`
    await objects.create(path, bytes)
    const file = { ...tradesFile(path, [{ symbol, micros }]), fileSizeBytes: bytes.length }
    await commitAppend(context, 'trades', { files: [file], from: [i], to: [i + 1], summary: {} })
  }

  const metadata = await icebergMetadata({ tableUrl: location })
  expect(metadata['last-sequence-number']).toBe(2)
  const rows = await icebergRead({ tableUrl: location, metadata })
  const read = rows.map((row) => [row.symbol, row.exchange_timestamp, row.price])
  expect(read.sort()).toEqual(ROWS.map(({ symbol, time, price }) => [symbol, new Date(time), price]))
  expect(Object.keys(rows[0]!)).toEqual(TRADES.columns.map(({ name }) => name))
})
