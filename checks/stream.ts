// Streams five million trades (limit=all) to a slow reader, as Arrow: the memory of the server, second by second, stays as
// it was; then to one that is killed on the way: the query stops, and what it held comes back.
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { Engine } from '#engine'
import { AS_BUILT, runTicklake, TicklakeServer } from '../test/support/ticklake-process.js'
import { AskedLake, mb } from './asked-lake.js'
import { Findings } from './findings.js'
import { withTemporaryFolder } from './temporary-folder.js'

const rows = Number(process.argv[2] ?? 5_000_000)
const SLOW_BYTES_PER_SECOND = 10e6
/** What the sort of a slice takes, which comes and goes, and garbage. */
const FLAT_BYTES = 400e6
/** A compaction that begins meanwhile has memory of its own. */
const SETTINGS = { TICKLAKE_MAINTENANCE_EVERY_MS: '0' }

await withTemporaryFolder(async (folder) => {
  const file = join(folder, 'trades.csv')
  await writeTrades(file, folder)
  const data = join(folder, 'data')
  await runTicklake(['load', file, '--data', data, '--format', 'csv-trades', '--exchange', 'XNAS'], {
    program: AS_BUILT,
  })
  const server = await TicklakeServer.start(data, { program: AS_BUILT, settings: SETTINGS })
  const lake = new AskedLake(server, data)
  const findings = new Findings(
    `${rows} trades; anonymous memory of the server in MB, ten samples of a reading`,
  )
  try {
    findings.begin('at rest')
    findings.tell(`${mb(lake.memoryBytes)} MB`)
    findings.begin('a quick reader')
    const quick = await read(server, lake, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY)
    findings.tell(`${mb(quick.bytes)} MB in ${quick.seconds} s; memory ${told(quick.memory)}`)
    findings.begin('a slow reader')
    const slow = await read(server, lake, SLOW_BYTES_PER_SECOND, Number.POSITIVE_INFINITY)
    findings.tell(
      `${mb(slow.bytes)} MB in ${slow.seconds} s: the same bytes`,
      slow.bytes === quick.bytes && slow.digest === quick.digest,
    )
    const settled = slow.memory.slice(Math.floor(slow.memory.length / 4))
    const range = Math.max(...settled) - Math.min(...settled)
    findings.tell(
      `memory ${told(slow.memory)}; after the first quarter it moves by ${mb(range)} MB`,
      range < FLAT_BYTES,
    )
    findings.begin('a reader that is killed')
    const killed = await read(server, lake, Number.POSITIVE_INFINITY, quick.bytes / 5)
    const cpuBefore = lake.cpuMs
    await after(2_000)
    const cpuMs = lake.cpuMs - cpuBefore
    findings.tell(
      `after ${mb(killed.bytes)} MB: the server used ${cpuMs} ms of CPU in the 2 s after`,
      cpuMs < 500,
    )
    const running = await lake.metric('running')
    findings.tell(`${running} queries are read, memory ${mb(lake.memoryBytes)} MB`, running === 0)
  } finally {
    await server.stop()
  }
})

async function writeTrades(file: string, tempDirectory: string): Promise<void> {
  const options = { memoryLimit: '1GB', threads: 1, tempDirectory, connections: 1 }
  const engine = await Engine.open(options)
  await engine.run(`COPY (SELECT 1_720_000_000_000_000 + i * 10_000 AS timestamp, 'SYM' || (i * 7919) % 500 AS symbol,
      (10_000 + (i * 31) % 997)::DECIMAL(18, 2) / 100 AS price, 1 + i % 300 AS size, 'T' || i AS trade_id, 'XNAS' AS venue
    FROM range(${rows}) t(i)) TO '${file}' (FORMAT csv, HEADER)`)
  await engine.close()
}

/** Reads a stream so fast at most, so far at most, and samples the server's memory five times a second. */
async function read({ url }: TicklakeServer, lake: AskedLake, bytesPerSecond: number, mostBytes: number) {
  const controller = new AbortController()
  const startedMs = performance.now()
  const samples: number[] = []
  const timer = setInterval(() => samples.push(lake.memoryBytes), 200)
  let bytes = 0
  const hash = createHash('sha256')
  try {
    const response = await fetch(`${url}/v1/trades?limit=all&format=arrow`, { signal: controller.signal })
    const reader = response.body!.getReader()
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      bytes += value.length
      hash.update(value)
      if (bytes > mostBytes) {
        controller.abort()
        break
      }
      const aheadMs = (bytes / bytesPerSecond) * 1_000 - (performance.now() - startedMs)
      if (aheadMs > 5) await after(aheadMs)
    }
  } finally {
    clearInterval(timer)
  }
  const seconds = Math.round((performance.now() - startedMs) / 100) / 10
  return { bytes, seconds, memory: samples, digest: hash.digest('hex') }
}

/** Ten samples of a series, in MB. */
function told(samples: readonly number[]): string {
  const step = Math.max(1, samples.length / 10)
  const picked = Array.from(
    { length: Math.min(10, samples.length) },
    (_, index) => samples[Math.floor(index * step)]!,
  )
  return `${picked.map(mb).join(' ')} MB, at most ${mb(Math.max(...samples))}`
}
