import { rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { loadConfig } from '#config'
import { AS_BUILT, TicklakeServer } from '../../test/support/ticklake-process.js'
import type { Figures } from '../baseline.js'
import { runChild } from '../child.js'
import type { FillResult } from '../ingest/fill-log.js'
import type { CopyResult } from './copy.js'
import { Answers, client, feed } from './load.js'

export interface CompactionOptions {
  readonly rowCount: number
  /** Before the compaction, and after it. */
  readonly seconds: number
}

const CLIENTS = 8
const FLUSH_ROWS = 25_000

/** A compaction of many small files while rows come in and clients ask, beside a bare COPY of the same files. */
export async function compaction(folder: string, { rowCount, seconds }: CompactionOptions): Promise<Figures> {
  const data = join(folder, 'data')
  await runChild<FillResult>('ingest/fill-log.ts', { logFolder: join(data, 'log'), rowCount })
  const settings = { TICKLAKE_FLUSH_ROWS: String(FLUSH_ROWS), TICKLAKE_MAINTENANCE_EVERY_MS: '0' }
  const filled = await TicklakeServer.start(data, { program: AS_BUILT, settings })
  await filled.stop()
  const copies: Record<'own' | 'all', CopyResult> = {
    own: await copy(data, folder, loadConfig({ data }).engine.threads),
    all: await copy(data, folder, availableParallelism()),
  }
  const server = await TicklakeServer.start(data, { program: AS_BUILT, settings })
  try {
    const [posts, queries] = [new Answers(), new Answers()]
    const stopping = new AbortController()
    const { signal } = stopping
    const posted = feed(server.url, posts, signal)
    const clients = Array.from({ length: CLIENTS }, (_, seed) =>
      client(server.url, seed + 1, queries, signal),
    )
    const marks: number[] = []
    const mark = () => marks.push(performance.now())
    await after(seconds * 100)
    mark()
    await after(seconds * 1000)
    mark()
    const report = await compactTrades(server)
    mark()
    await after(seconds * 1000)
    mark()
    stopping.abort()
    await Promise.all(clients)
    const expected = rowCount + (await posted)
    await server.ready()
    const count = Number(JSON.parse((await server.get('/v1/trades/count')).body).data.count)
    const tookSeconds = (marks[2]! - marks[1]!) / 1000
    const rate = report.rows / tookSeconds
    const phases = ['before', 'during', 'after'].flatMap((phase, index) => {
      const [start, end] = [marks[index]!, marks[index + 1]!]
      const [ofPosts, ofQueries] = [posts.between(start, end), queries.between(start, end)]
      return [
        [`${phase}: posts of 200 rows, p50, ms`, ofPosts.p50Ms],
        [`${phase}: posts, p99, ms`, ofPosts.p99Ms],
        [`${phase}: queries/s`, ofQueries.count / ((end - start) / 1000)],
        [`${phase}: queries, p50, ms`, ofQueries.p50Ms],
        [`${phase}: queries, p99, ms`, ofQueries.p99Ms],
      ] as const
    })
    return {
      'files before': report.files_before,
      'files after': report.files_after,
      'rows compacted': report.rows,
      'compacted under load, rows/s': rate,
      'bare COPY, idle, with the program’s threads, rows/s': copies.own.rowCount / copies.own.seconds,
      'of bare COPY with the program’s threads': rate / (copies.own.rowCount / copies.own.seconds),
      'bare COPY, idle, with all cores, rows/s': copies.all.rowCount / copies.all.seconds,
      ...Object.fromEntries(phases),
      'rows lost': expected - count,
    }
  } finally {
    await server.stop()
  }
}

async function copy(data: string, folder: string, threads: number): Promise<CopyResult> {
  const output = join(folder, 'copy')
  const copied = await runChild<CopyResult>('compaction/copy.ts', { data, output, threads })
  await rm(output, { recursive: true })
  return copied
}

interface Report {
  readonly files_before: number
  readonly files_after: number
  readonly rows: number
}

async function compactTrades(server: TicklakeServer): Promise<Report> {
  const taken = await fetch(`${server.url}/admin/tables/trades/compact`, { method: 'POST' })
  if (taken.status !== 202) throw new Error(await taken.text())
  const path = taken.headers.get('location')!
  for (;;) {
    const { data: job } = JSON.parse((await server.get(path)).body)
    if (job.state === 'done') return job.report.measured
    if (job.ended_at !== null) throw new Error(`the compaction has ended: ${job.state} ${job.error}`)
    await after(50)
  }
}
