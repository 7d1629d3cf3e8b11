import { rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { loadConfig } from '#config'
import type { Figures } from '../baseline.js'
import { runChild } from '../child.js'
import { median } from '../statistics.js'
import type { BareResult } from './bare-kafkajs.js'
import type { CeilingResult } from './ceiling.js'
import type { FillResult } from './fill-log.js'
import type { FreshnessResult } from './freshness.js'
import type { ReadLogResult } from './read-log.js'
import type { RoadResult } from './road.js'

export interface IngestOptions {
  readonly rowCount: number
  readonly rounds: number
  readonly freshnessSeconds: number
  /** Null: the embedded log. */
  readonly brokers: string | null
}

const FRESHNESS_ROWS_PER_SECOND = 50_000
const MEBIBYTE = 2 ** 20

/** Rows a second from the log to committed Iceberg beside a bare COPY of the same rows, and produce → visible. */
export async function ingest(folder: string, options: IngestOptions): Promise<Figures> {
  const { rowCount, rounds, freshnessSeconds: seconds, brokers } = options
  const logFolder = join(folder, 'log')
  const filled = await runChild<FillResult>('ingest/fill-log.ts', { logFolder, rowCount })
  console.log(`${rowCount} trades in the log, ${filled.bytesPerRow.toFixed(0)} bytes each`)
  const threads = { own: loadConfig({ data: folder }).engine.threads, all: availableParallelism() }
  const speeds = { road: [] as number[], own: [] as number[], all: [] as number[] }
  const logReads: number[] = []
  let peakAnonymousBytes = 0
  for (let round = 1; round <= rounds; round++) {
    const data = join(folder, 'data')
    const read = await runChild<ReadLogResult>('ingest/read-log.ts', { logFolder })
    logReads.push(read.rowCount / read.seconds)
    const road = await runChild<RoadResult>('ingest/road.ts', { logFolder, data })
    if (road.rowCount !== rowCount) throw new Error(`${road.rowCount} of ${rowCount} rows were committed`)
    speeds.road.push(rowCount / road.seconds)
    peakAnonymousBytes = Math.max(peakAnonymousBytes, road.peakAnonymousBytes)
    for (const kind of ['own', 'all'] as const) {
      const output = join(folder, 'ceiling')
      const copy = await runChild<CeilingResult>('ingest/ceiling.ts', {
        data,
        output,
        threads: threads[kind],
      })
      speeds[kind].push(copy.rowCount / copy.seconds)
      await rm(output, { recursive: true })
    }
    await rm(data, { recursive: true })
    const line = Object.entries(speeds).map(([name, all]) => `${name} ${Math.round(all.at(-1)!)}`)
    console.log(`round ${round}: rows/s: ${line.join(', ')}; ${road.snapshots} snapshots`)
  }
  const freshness = await runChild<FreshnessResult>('ingest/freshness.ts', {
    folder: join(folder, 'freshness'),
    rowsPerSecond: FRESHNESS_ROWS_PER_SECOND,
    seconds,
  })
  const bare =
    brokers && (await runChild<BareResult>('ingest/bare-kafkajs.ts', { brokers, rowCount: rowCount / 4 }))
  const [road, own, all] = [median(speeds.road), median(speeds.own), median(speeds.all)]
  return {
    'appended to the log, rows/s': rowCount / filled.appendSeconds,
    'read from the log, rows/s': median(logReads),
    ...(bare && {
      'kafkajs alone: produced, rows/s': rowCount / 4 / bare.produceSeconds,
      'kafkajs alone: consumed, rows/s': rowCount / 4 / bare.consumeSeconds,
    }),
    'log → committed, rows/s': road,
    'bare COPY with all cores, rows/s': all,
    'of bare COPY with all cores': road / all,
    'bare COPY with the program’s threads, rows/s': own,
    'of bare COPY with the program’s threads': road / own,
    'peak anonymous memory, MiB': peakAnonymousBytes / MEBIBYTE,
    'freshness: rows/s produced': freshness.rowsPerSecond,
    'freshness: p50, ms': freshness.p50Ms,
    'freshness: p99, ms': freshness.p99Ms,
    'freshness: peak anonymous memory, MiB': freshness.peakAnonymousBytes / MEBIBYTE,
  }
}
