// A real Redis is frozen, stopped, restarted and filled to its limit while clients ask a server that keeps its answers there, and
// while rows come in. Tells, phase by phase, what came of the answers; afterwards each is compared with what a server without any
// cache says at the same snapshot.
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { Redis } from 'ioredis'
import { percentile } from '../bench/statistics.js'
import { installRedis, RedisServer } from '../test/peers/redis-server.js'
import { SeededRandom } from '../test/support/seeded-random.js'
import { AS_BUILT, runTicklake, TicklakeServer } from '../test/support/ticklake-process.js'
import { writeTradesFile } from '../test/support/trades-file.js'
import { withTemporaryFolder } from './temporary-folder.js'

const seconds = Number(process.argv[2] ?? 15)
const ROWS = 500_000
const SYMBOLS = 20
const CLIENTS = 8
const DAYS = ['2024-08-30', '2024-08-31', '2024-09-01'] as const
/** Long enough for what is kept of a day to be asked for, short enough for each phase to see new versions. */
const POST_EVERY_MS = 2_000
const REDIS_BYTES = 32 * 2 ** 20
const SETTINGS = {
  // Room for a few answers, so that the process has little of what Redis has.
  TICKLAKE_CACHE_MEMORY_BYTES: '50000',
  TICKLAKE_FLUSH_ROWS: '100',
  // Every snapshot is there to be asked for in the end.
  TICKLAKE_MAINTENANCE_EVERY_MS: '0',
}
const UNCACHED = { ...SETTINGS, TICKLAKE_CACHE_MEMORY_BYTES: '0' }

interface Seen {
  readonly phase: string
  readonly tookMs: number
  /** 'none', 'memory' or 'redis'; null: it was an error. */
  readonly cache: string | null
  readonly path: string
  /** Of the snapshot that alone says what it has to be; null: rows that were in no snapshot yet are in it too. */
  readonly snapshot: string | null
  readonly digest: string
}

const PHASES = [
  'before',
  'frozen',
  'after that',
  'stopped',
  'restarted, empty',
  'full',
  'after that, with room',
] as const

const redisProgram = await installRedis()
console.log(`Redis ${redisProgram.version}, ${CLIENTS} clients, ${seconds} s a phase`)
await withTemporaryFolder(async (folder) => {
  const redis = await RedisServer.start(redisProgram.file, ['--maxmemory', `${REDIS_BYTES}`])
  try {
    const data = join(folder, 'data')
    await fill(folder, data)
    const settings = { ...SETTINGS, TICKLAKE_CACHE_REDIS_URL: redis.url }
    const server = await TicklakeServer.start(data, { program: AS_BUILT, settings })
    const seen = await underLoad(server, redis).finally(() => server.stop())
    const reference = await TicklakeServer.start(data, { program: AS_BUILT, settings: UNCACHED })
    const wrong = await wrongOf(seen, reference).finally(() => reference.stop())
    report(seen, wrong)
  } finally {
    redis.resume()
    await redis.stop()
  }
})

async function fill(folder: string, data: string): Promise<void> {
  const file = join(folder, 'made.csv')
  await writeTradesFile(file, { seed: 1, rowCount: ROWS, symbolCount: SYMBOLS })
  await runTicklake(['load', file, '--data', data, '--format', 'csv-trades'], { program: AS_BUILT })
}

async function underLoad(server: TicklakeServer, redis: RedisServer): Promise<readonly Seen[]> {
  const seen: Seen[] = []
  const stopping = new AbortController()
  let phase = 'warming'
  const clients = Array.from({ length: CLIENTS }, (_, seed) =>
    client(server, seed + 1, stopping.signal, (answer) => seen.push({ ...answer, phase })),
  )
  const posted = post(server, stopping.signal)
  const begin = async (name: (typeof PHASES)[number], change: () => void | Promise<void>) => {
    await change()
    phase = name
    await after(seconds * 1000)
  }
  await after(3_000)
  await begin('before', () => {})
  await begin('frozen', () => redis.suspend())
  await begin('after that', () => redis.resume())
  await begin('stopped', () => redis.kill())
  await begin('restarted, empty', () => redis.begin())
  await begin('full', () => withRedis(redis, fillUp))
  await begin('after that, with room', () => withRedis(redis, async (bare) => void (await bare.flushall())))
  stopping.abort()
  await Promise.all([...clients, posted])
  return seen
}

async function withRedis(redis: RedisServer, use: (bare: Redis) => Promise<void>): Promise<void> {
  const bare = new Redis(redis.url)
  await use(bare).finally(() => bare.disconnect())
}

/** Until it takes nothing more; by default Redis then refuses writes, and forgets nothing. */
async function fillUp(bare: Redis): Promise<void> {
  for (const size of [2 ** 20, 2 ** 10, 1]) {
    for (let number = 0; ; number++) {
      const refusal = await bare.set(`filler:${size}:${number}`, Buffer.alloc(size)).then(
        () => null,
        (error: Error) => error.message,
      )
      if (refusal?.startsWith('OOM')) break
      if (refusal !== null) throw new Error(refusal)
    }
  }
}

/** Late rows of one day after the other: what is kept of it is of an older version from then on. */
async function post(server: TicklakeServer, signal: AbortSignal): Promise<void> {
  for (let round = 0; !signal.aborted; round++) {
    const day = DAYS[round % DAYS.length]!
    const rows = Array.from({ length: 100 }, (_, row) => ({
      exchange: 'MADE',
      symbol: `S${row % SYMBOLS}`,
      ts: `${day}T${String(7 + (row % 12)).padStart(2, '0')}:00:00Z`,
      price: `${1 + round}.5`,
      size: '1',
    }))
    const { status } = await server.post('/v1/ingest/trades', rows)
    if (status !== 200) throw new Error(`rows were answered with ${status}`)
    await after(POST_EVERY_MS)
  }
}

async function client(
  server: TicklakeServer,
  seed: number,
  signal: AbortSignal,
  tell: (answer: Omit<Seen, 'phase'>) => void,
): Promise<void> {
  const random = new SeededRandom(seed)
  while (!signal.aborted) {
    const symbol = `S${random.below(SYMBOLS)}`
    const day = random.pick(DAYS)
    const range = `start=${day}T00:00:00Z&end=${day}T23:59:59Z`
    const path = random.pick([
      `/v1/trades?symbols=${symbol}&${range}&limit=200`,
      `/v1/bars?symbols=${symbol}&interval=10m&${range}&limit=200`,
      `/v1/bars?symbols=${symbol}&interval=1h&${range}`,
    ])
    const startedMs = performance.now()
    const answer = await ask(server, path)
    tell({ path, tookMs: performance.now() - startedMs, ...answer })
    // As people and programs do who look at what they got.
    await after(20)
  }
}

async function ask(
  server: TicklakeServer,
  path: string,
): Promise<Pick<Seen, 'cache' | 'snapshot' | 'digest'>> {
  const response = await fetch(`${server.url}${path}`)
  const body = await response.text()
  if (!response.ok) return { cache: null, snapshot: null, digest: body }
  const { meta, complete } = JSON.parse(body)
  if (!complete) return { cache: null, snapshot: null, digest: body }
  const snapshot = meta.route === 'historical' ? meta.snapshot_id : null
  return { cache: meta.cache, snapshot, digest: digestOf(body) }
}

/** Of the data alone, byte for byte: what is told beside them differs. */
function digestOf(body: string): string {
  return createHash('sha256')
    .update(body.slice(0, body.lastIndexOf(',"complete":')))
    .digest('base64')
}

/** Answers whose data are not those that a server without a cache gives of the same snapshot. */
async function wrongOf(seen: readonly Seen[], reference: TicklakeServer): Promise<ReadonlySet<Seen>> {
  const right = new Map<string, string>()
  const wrong = new Set<Seen>()
  for (const answer of seen) {
    if (answer.snapshot === null) continue
    const asked = `${answer.path}&as_of=${answer.snapshot}`
    if (!right.has(asked)) right.set(asked, digestOf((await reference.get(...apart(asked))).body))
    if (right.get(asked) !== answer.digest) wrong.add(answer)
  }
  console.log(`${right.size} different questions of different snapshots were asked again, without a cache`)
  return wrong
}

function apart(asked: string): [string, Record<string, string>] {
  const [path = '', query = ''] = asked.split('?')
  return [path, Object.fromEntries(new URLSearchParams(query))]
}

function report(seen: readonly Seen[], wrong: ReadonlySet<Seen>): void {
  console.log(
    '\n| Redis | answers | errors | wrong | compared | p50, ms | p99, ms | from Redis | from memory |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|',
  )
  const fromRedis = new Map<string, number>()
  for (const phase of PHASES) {
    const all = seen.filter((answer) => answer.phase === phase)
    const count = (is: (answer: Seen) => boolean) => all.filter(is).length
    const took = all.map(({ tookMs }) => tookMs)
    fromRedis.set(
      phase,
      count(({ cache }) => cache === 'redis'),
    )
    const cells = [
      all.length,
      count(({ cache }) => cache === null),
      count((answer) => wrong.has(answer)),
      count(({ snapshot }) => snapshot !== null),
      percentile(took, 0.5).toFixed(1),
      percentile(took, 0.99).toFixed(1),
      fromRedis.get(phase),
      count(({ cache }) => cache === 'memory'),
    ]
    console.log(`| ${phase} | ${cells.join(' | ')} |`)
  }
  for (const { phase, path, snapshot } of [...wrong].slice(0, 5))
    console.log(`wrong (${phase}): ${path} at ${snapshot}`)
  for (const { phase, digest } of seen.filter(({ cache }) => cache === null).slice(0, 5))
    console.log(`error (${phase}): ${digest}`)
  const isFound = PHASES.filter((phase) => phase !== 'frozen' && phase !== 'stopped').every(
    (phase) => fromRedis.get(phase)! > 0,
  )
  const isGone = fromRedis.get('stopped') === 0
  const hasErrors = seen.some(({ cache }) => cache === null)
  process.exitCode = wrong.size === 0 && !hasErrors && isFound && isGone ? 0 : 1
}
