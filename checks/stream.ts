// Streams five million trades (limit=all) to a slow reader, as Arrow: the memory of the server, second by second, stays as
// it was; then to one that is killed on the way: the query stops, and what it held comes back.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { Engine } from '#engine'
import { AS_BUILT, runTicklake, TicklakeServer } from '../test/support/ticklake-process.js'
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
  try {
    console.log(`${rows} trades; anonymous memory of the server at rest: ${mb(memory(server.pid))} MB`)
    const quick = await read(server, 'arrow', Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY)
    console.log(`a quick reader: ${mb(quick.bytes)} MB in ${quick.seconds} s; memory ${told(quick.memory)}`)
    const slow = await read(server, 'arrow', SLOW_BYTES_PER_SECOND, Number.POSITIVE_INFINITY)
    console.log(`a slow reader: ${mb(slow.bytes)} MB in ${slow.seconds} s; memory ${told(slow.memory)}`)
    const killed = await read(server, 'arrow', Number.POSITIVE_INFINITY, quick.bytes / 5)
    const cpuBefore = cpuTicks(server.pid)
    await after(2_000)
    const ticks = cpuTicks(server.pid) - cpuBefore
    console.log(
      `a reader killed after ${mb(killed.bytes)} MB: the server used ${ticks * 10} ms of CPU in the 2 s after, memory ${mb(memory(server.pid))} MB`,
    )
    const settled = slow.memory.slice(Math.floor(slow.memory.length / 4))
    const isFlat = Math.max(...settled) - Math.min(...settled) < FLAT_BYTES
    process.exitCode = isFlat && slow.bytes === quick.bytes && ticks < 50 ? 0 : 1
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
async function read({ url, pid }: TicklakeServer, format: string, bytesPerSecond: number, mostBytes: number) {
  const controller = new AbortController()
  const startedMs = performance.now()
  const samples: number[] = []
  const timer = setInterval(() => samples.push(memory(pid)), 200)
  let bytes = 0
  try {
    const response = await fetch(`${url}/v1/trades?limit=all&format=${format}`, { signal: controller.signal })
    const reader = response.body!.getReader()
    for (;;) {
      const { done, value } = await reader.read()
      if (done) break
      bytes += value.length
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
  return { bytes, seconds: Math.round((performance.now() - startedMs) / 100) / 10, memory: samples }
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

function memory(pid: number): number {
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024
}

/** Hundredths of a second of CPU, user and system. */
function cpuTicks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return Number(fields[11]) + Number(fields[12])
}

function mb(bytes: number): number {
  return Math.round(bytes / 1e6)
}
