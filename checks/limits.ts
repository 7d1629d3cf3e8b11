// What becomes of queries that ask for too much: one too big for its memory, one too slow, five hundred at once, clients that
// leave. Tells what each got, and that places, memory, threads and disk come back.
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { Engine } from '#engine'
import { AS_BUILT, runTicklake, TicklakeServer } from '../test/support/ticklake-process.js'
import { type Asked, AskedLake, mb } from './asked-lake.js'
import { Findings } from './findings.js'
import { withTemporaryFolder } from './temporary-folder.js'

const rows = Number(process.argv[2] ?? 2_000_000)
const SETTINGS = {
  TICKLAKE_ENGINE_MEMORY_LIMIT: '600MB',
  TICKLAKE_QUERIES_MEMORY_BYTES: '500000000',
  // A compaction that begins meanwhile has memory and CPU of its own.
  TICKLAKE_MAINTENANCE_EVERY_MS: '0',
  // What was asked before is read again.
  TICKLAKE_CACHE_MEMORY_BYTES: '0',
}
/** DuckDB's, what groups have beside it, garbage, and what allocators keep; and what of that may be left in the end. */
const MOST_MEMORY_BYTES = 1_500e6
const LEFT_MEMORY_BYTES = 500e6
const REST_WITHIN_MS = 2_000
/** Of the server that is asked. */
let threadsAtRest = 0
const SLOW = '/v1/bars?interval=1s'
/** Each of its own: those who ask the same wait for one reading. */
const slow = (index: number) => `${SLOW}&limit=${500 + index}`
const SORTED = '/v1/trades?limit=all&format=parquet'

const findings = new Findings(`${rows} trades of 500 symbols; DuckDB may have 600 MB`)
const tell = findings.tell.bind(findings)

await withTemporaryFolder(async (folder) => {
  const file = join(folder, 'trades.csv')
  await writeTrades(file, folder)
  const data = join(folder, 'data')
  const load = ['load', file, '--data', data, '--format', 'csv-trades', '--exchange', 'XNAS']
  await runTicklake(load, { program: AS_BUILT })
  await served(data, { TICKLAKE_ENGINE_SPILL_LIMIT: '20MB' }, async (lake) => {
    findings.begin('too big for its memory, and for the 20 MB that it may spill')
    await tellAnswer(lake, SORTED, 413)
    await tellRest(lake)
  })
  await served(data, {}, async (lake) => {
    findings.begin('too big for its memory, with room on disk')
    await tellSpilling(lake)
    await tellRest(lake)
    findings.begin('too slow')
    await tellAnswer(lake, SLOW, 200)
    await tellAnswer(lake, `${SLOW}&timeout_ms=50`, 504)
    await tellIdle(lake)
    await tellRest(lake)
    findings.begin('five hundred at once')
    await tellCrowd(lake)
    await tellRest(lake)
    findings.begin('clients that leave, some while they are answered and some while they wait')
    await tellLeavers(lake)
    await tellIdle(lake)
    await tellRest(lake)
    findings.begin('in the end')
    await tellEnd(lake)
  })
})

async function tellAnswer(lake: AskedLake, path: string, wanted: number): Promise<void> {
  const { status, ms, detail } = await lake.ask(path)
  tell(`GET ${path}: ${status} after ${ms} ms: ${detail}`, status === wanted)
}

async function tellSpilling(lake: AskedLake): Promise<void> {
  let most = { memory: 0, spilled: 0 }
  const timer = setInterval(() => {
    const { memoryBytes, spilledBytes } = lake
    most = { memory: Math.max(most.memory, memoryBytes), spilled: Math.max(most.spilled, spilledBytes) }
  }, 50)
  await tellAnswer(lake, SORTED, 200)
  clearInterval(timer)
  tell(`at most ${mb(most.spilled)} MB were spilled`, most.spilled > 0)
  tell(`at most ${mb(most.memory)} MB of memory`, most.memory < MOST_MEMORY_BYTES)
}

async function tellCrowd(lake: AskedLake): Promise<void> {
  const ask = (count: number, path: (index: number) => string) =>
    Promise.all(Array.from({ length: count }, (_, index) => lake.ask(path(index))))
  const asked = {
    large: ask(250, slow),
    small: ask(250, (index) => `/v1/trades?symbols=SYM${index}&limit=10`),
  }
  while ((await lake.metric('waiting')) < 60);
  const during: Asked[] = []
  for (let count = 0; count < 20; ) {
    const answer = await lake.ask(`/v1/trades?symbols=SYM${count}&limit=10`)
    // While the small ones of the crowd are in the line, it may be full.
    if (answer.status === 429) continue
    during.push(answer)
    count++
  }
  const waiting = await lake.metric('waiting')
  tell(
    `20 more small, one after the other, while ${waiting} wait: ${outcomes(during)}`,
    waiting > 0 && statusesOf(during).has(200) && statusesOf(during).size === 1,
  )
  for (const [name, all] of Object.entries(asked)) {
    const answers = await all
    tell(
      `250 ${name}: ${outcomes(answers)}`,
      [...statusesOf(answers)].every((status) => [200, 429, 504].includes(status)),
    )
    const refused = answers.filter(({ status }) => status === 429)
    tell(
      `each of ${refused.length} refusals says when to come back: ${refused[0]?.detail ?? 'there is none'}`,
      refused.every(({ retryAfter }) => retryAfter !== null),
    )
  }
}

function statusesOf(answers: readonly Asked[]): ReadonlySet<number> {
  return new Set(answers.map(({ status }) => status))
}

/** How many had each status, and how long they took. */
function outcomes(answers: readonly Asked[]): string {
  const told = [...statusesOf(answers)].sort().map((wanted) => {
    const some = answers.filter(({ status }) => status === wanted)
    const times = some.map(({ ms }) => ms).sort((a, b) => a - b)
    return `${some.length} × ${wanted} (median ${times[Math.floor(times.length / 2)]} ms, at most ${times.at(-1)} ms)`
  })
  return told.join(', ')
}

async function tellLeavers(lake: AskedLake): Promise<void> {
  const controller = new AbortController()
  const left = Array.from({ length: 16 }, (_, index) => lake.ask(slow(index), controller.signal))
  const ended = Promise.allSettled(left)
  let [running, waiting] = [0, 0]
  while (running + waiting < left.length) {
    running = await lake.metric('running')
    waiting = await lake.metric('waiting')
  }
  tell(`${running} are read, ${waiting} wait; then all leave`, waiting > 0)
  controller.abort()
  await ended
}

async function tellIdle(lake: AskedLake): Promise<void> {
  const before = lake.cpuMs
  await after(2_000)
  const ms = lake.cpuMs - before
  tell(`the server used ${ms} ms of CPU in the 2 s after`, ms < 500)
}

/** What was ended on the way is over a moment later. */
async function tellRest(lake: AskedLake): Promise<void> {
  const startedMs = performance.now()
  let [running, waiting, reserved] = [0, 0, 0]
  do {
    running = await lake.metric('running')
    waiting = await lake.metric('waiting')
    reserved = await lake.metric('reserved_bytes')
  } while (running + waiting + reserved > 0 && performance.now() - startedMs < REST_WITHIN_MS)
  const ms = Math.round(performance.now() - startedMs)
  const { memoryBytes, threads, spilledBytes } = lake
  tell(
    `${ms} ms later: ${running} read, ${waiting} wait, ${reserved} bytes reserved, ${spilledBytes} bytes spilled, ${mb(memoryBytes)} MB, ${threads} threads`,
    running + waiting + reserved + spilledBytes === 0 &&
      memoryBytes < MOST_MEMORY_BYTES &&
      threads <= threadsAtRest,
  )
}

/** After small queries, which bring garbage collection with them. */
async function tellEnd(lake: AskedLake): Promise<void> {
  for (let count = 0; count < 500; count++) await lake.ask(`/v1/trades?symbols=SYM${count}&limit=1000`)
  tell(`after 500 small queries: ${mb(lake.memoryBytes)} MB`, lake.memoryBytes < LEFT_MEMORY_BYTES)
}

async function served(
  data: string,
  settings: Readonly<Record<string, string>>,
  use: (lake: AskedLake) => Promise<void>,
): Promise<void> {
  const server = await TicklakeServer.start(data, {
    program: AS_BUILT,
    settings: { ...SETTINGS, ...settings },
  })
  try {
    const lake = new AskedLake(server, data)
    threadsAtRest = lake.threads
    findings.begin('a server at rest')
    await tellRest(lake)
    await use(lake)
  } finally {
    await server.stop()
  }
}

async function writeTrades(file: string, tempDirectory: string): Promise<void> {
  const engine = await Engine.open({ memoryLimit: '1GB', threads: 1, tempDirectory, connections: 1 })
  await engine.run(`COPY (SELECT 1_720_000_000_000_000 + i * 10_000 AS timestamp, 'SYM' || (i * 7919) % 500 AS symbol,
      (10_000 + (i * 31) % 997)::DECIMAL(18, 2) / 100 AS price, 1 + i % 300 AS size, 'T' || i AS trade_id, 'XNAS' AS venue
    FROM range(${rows}) t(i)) TO '${file}' (FORMAT csv, HEADER)`)
  await engine.close()
}
