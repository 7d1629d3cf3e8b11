import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { AS_BUILT, TicklakeServer } from '../../test/support/ticklake-process.js'
import type { Figures } from '../baseline.js'
import { runChild } from '../child.js'
import type { FillResult } from '../ingest/fill-log.js'
import { percentile } from '../statistics.js'
import type { Answered, AskInput } from './ask.js'
import type { FeedInput, FeedResult } from './feed.js'
import { nowMs } from './open-loop.js'
import { WatchedServer } from './watched-server.js'

export interface LoadOptions {
  readonly minutes: number
  readonly rowsPerSecond: number
  /** Of all clients together. */
  readonly questionsPerSecond: number
  /** Of one day that is all in files before. */
  readonly historyRows: number
  /** Node's own options for the server, such as --cpu-prof. */
  readonly nodeOptions: readonly string[]
}

const CLIENTS = 16
/** From here on everything is measured. */
const WARM_UP_MS = 10_000
const MINUTE_MS = 60_000
const MEBIBYTE = 2 ** 20

/** Clients who ask on schedules of their own while rows come in on a schedule, on default settings. */
export async function load(folder: string, options: LoadOptions): Promise<Figures> {
  const { minutes, rowsPerSecond, questionsPerSecond, historyRows: rowCount, nodeOptions } = options
  const data = join(folder, 'data')
  await runChild<FillResult>('ingest/fill-log.ts', { logFolder: join(data, 'log'), rowCount })
  await (await TicklakeServer.start(data, { program: AS_BUILT })).stop()
  const server = await TicklakeServer.start(data, { program: [...nodeOptions, ...AS_BUILT] })
  try {
    const startMs = nowMs() + 2_000
    const measured = { fromMs: startMs + WARM_UP_MS, untilMs: startMs + WARM_UP_MS + minutes * MINUTE_MS }
    const { untilMs } = measured
    const feeding = { url: server.url, rowsPerSecond, startMs, untilMs } satisfies FeedInput
    const asking = {
      url: server.url,
      clients: CLIENTS,
      questionsPerSecond,
      startMs,
      untilMs,
    } satisfies AskInput
    const running = Promise.all([
      runChild<FeedResult>('load/feed.ts', feeding),
      runChild<Answered[]>('load/ask.ts', asking),
    ])
    const watching = watch(server, measured)
    const [[feed, answers], vitals] = await Promise.all([running, watching])
    tellQuestions(answers.filter(({ dueMs }) => dueMs >= measured.fromMs))
    tellMinutes(feed, answers, vitals.samples, measured)
    return figures(feed, answers, vitals, { ...options, ...measured })
  } finally {
    await server.stop()
  }
}

type Measured = { readonly fromMs: number; readonly untilMs: number }

async function watch(server: TicklakeServer, { fromMs, untilMs }: Measured) {
  await after(fromMs - nowMs())
  const watched = new WatchedServer(server)
  const before = { metrics: await watched.metrics(), cpuMs: watched.cpuMs }
  await after(untilMs - nowMs())
  const metrics = await watched.metrics()
  watched.stop()
  const grown = (name: string) => (metrics.get(name) ?? 0) - (before.metrics.get(name) ?? 0)
  return {
    samples: watched.samples,
    cores: (watched.cpuMs - before.cpuMs) / (untilMs - fromMs),
    loopDelayMs: (part: 'p50' | 'p99' | 'max') =>
      (metrics.get(`nodejs_eventloop_lag_${part}_seconds`) ?? Number.NaN) * 1000,
    flushes: grown('ticklake_flushes_total{table="trades"}'),
    rowsTaken: grown('ticklake_rows_total{table="trades"}'),
  }
}

function figures(
  feed: FeedResult,
  answers: readonly Answered[],
  vitals: Awaited<ReturnType<typeof watch>>,
  { rowsPerSecond, fromMs, untilMs }: LoadOptions & Measured,
): Figures {
  const bodies = feed.bodies.filter(({ dueMs }) => dueMs >= fromMs)
  const asked = answers.filter(({ dueMs }) => dueMs >= fromMs)
  const took = asked.filter(({ status }) => status === 200).map(({ tookMs }) => tookMs)
  const seen = bodies.map(({ seenMs }) => seenMs)
  const sinceSent = bodies.map(({ seenMs, sentMs }) => seenMs - sentMs)
  const memory = vitals.samples
  return {
    'rows/s offered': rowsPerSecond,
    'rows/s that became visible': vitals.rowsTaken / ((untilMs - fromMs) / 1000),
    'bodies of rows that were due, and not sent until the end': feed.unsent,
    'posts refused (429)': feed.refusals,
    'freshness since a row was due: p50, ms': percentile(seen, 0.5),
    'freshness since a row was due: p99, ms': percentile(seen, 0.99),
    'freshness since a row was due: at most, ms': percentile(seen, 1),
    'freshness since it was sent: p50, ms': percentile(sinceSent, 0.5),
    'freshness since it was sent: p99, ms': percentile(sinceSent, 0.99),
    'questions/s': asked.length / ((untilMs - fromMs) / 1000),
    'questions refused or timed out': asked.length - took.length,
    'answers: p50, ms': percentile(took, 0.5),
    'answers: p99, ms': percentile(took, 0.99),
    'event loop delay: p50, ms': vitals.loopDelayMs('p50'),
    'event loop delay: p99, ms': vitals.loopDelayMs('p99'),
    'event loop delay: at most, ms': vitals.loopDelayMs('max'),
    'cores used by the server': vitals.cores,
    'segments flushed': vitals.flushes,
    'resident at the start, MiB': memory[0]!.resident / MEBIBYTE,
    'resident at most, MiB': Math.max(...memory.map(({ resident }) => resident)) / MEBIBYTE,
    'resident in the end, MiB': memory.at(-1)!.resident / MEBIBYTE,
    'anonymous at most, MiB': Math.max(...memory.map(({ anonymous }) => anonymous)) / MEBIBYTE,
    'anonymous in the end, MiB': memory.at(-1)!.anonymous / MEBIBYTE,
  }
}

function tellQuestions(answers: readonly Answered[]): void {
  console.log(
    '\n| question | asked | refused or timed out | p50, ms | p99, ms | at most, ms |\n|---|---:|---:|---:|---:|---:|',
  )
  for (const question of [...new Set(answers.map((answer) => answer.question))].sort()) {
    const all = answers.filter((answer) => answer.question === question)
    const took = all.filter(({ status }) => status === 200).map(({ tookMs }) => tookMs)
    console.log(
      `| ${question} | ${all.length} | ${all.length - took.length} | ${shares(took, 0.5, 0.99, 1)} |`,
    )
  }
}

/** How it went on: what grows is seen here. */
function tellMinutes(
  feed: FeedResult,
  answers: readonly Answered[],
  samples: WatchedServer['samples'],
  { fromMs, untilMs }: Measured,
): void {
  console.log(
    '\n| minute | freshness p50, ms | p99, ms | answers p50, ms | p99, ms | resident at most, MiB | anonymous |\n|---:|---:|---:|---:|---:|---:|---:|',
  )
  for (let minute = 0; fromMs + minute * MINUTE_MS < untilMs; minute++) {
    const from = fromMs + minute * MINUTE_MS
    const isOfIt = (ms: number) => ms >= from && ms < from + MINUTE_MS
    const seen = feed.bodies.filter(({ dueMs }) => isOfIt(dueMs)).map(({ seenMs }) => seenMs)
    const took = answers
      .filter(({ dueMs, status }) => isOfIt(dueMs) && status === 200)
      .map(({ tookMs }) => tookMs)
    const memory = samples.filter(({ atMs }) => isOfIt(atMs))
    const most = (of: 'resident' | 'anonymous') =>
      Math.round(Math.max(...memory.map((sample) => sample[of])) / MEBIBYTE)
    console.log(
      `| ${minute + 1} | ${shares(seen, 0.5, 0.99)} | ${shares(took, 0.5, 0.99)} | ${most('resident')} | ${most('anonymous')} |`,
    )
  }
}

function shares(values: readonly number[], ...parts: readonly number[]): string {
  return parts.map((part) => (values.length === 0 ? '' : percentile(values, part).toFixed(1))).join(' | ')
}
