import { join } from 'node:path'
import { type ProcessOptions, TicklakeProcess, TicklakeServer } from './ticklake-process.js'

export interface RecoveryOptions extends ProcessOptions {
  /** For the data folder. */
  readonly folder: string
  /** A file of trades, as writeTradesFile makes it. */
  readonly file: string
  /** Rows that must be visible, and in no snapshot, when the server is killed. */
  readonly rowCount: number
  readonly starts: number
}

/** Starts on a log of which no snapshot has anything. */
export interface RecoveryResult {
  /** Rows that each of them read from the log. */
  readonly rows: number
  /** From the start of the process until all of them were visible, in ms, sorted. */
  readonly readyMs: readonly number[]
  /** Of that, until the process served its first request. */
  readonly servingMs: readonly number[]
}

/** Kills a server in the middle of a load, then starts and kills it again and again, never letting it flush. */
export async function measureRecovery(options: RecoveryOptions): Promise<RecoveryResult> {
  const { folder, file, rowCount, starts } = options
  const data = join(folder, 'recovered')
  const settings = {
    ...options.settings,
    TICKLAKE_FLUSH_ROWS: '100000000',
    TICKLAKE_FLUSH_AGE_MS: '86400000',
  }
  const first = await TicklakeServer.start(data, { ...options, settings })
  const load = new TicklakeProcess(['load', file, '--format', 'csv-trades', '--url', first.url], options)
  while ((await visibleRows(first)) < rowCount);
  first.kill()
  await Promise.all([first.ended, load.finished])
  const readyMs: number[] = []
  const servingMs: number[] = []
  let rows = 0
  for (let start = 0; start < starts; start++) {
    const startedMs = performance.now()
    const server = await TicklakeServer.launch(data, { ...options, settings })
    servingMs.push(performance.now() - startedMs)
    await server.ready()
    readyMs.push(performance.now() - startedMs)
    rows = await visibleRows(server)
    server.kill()
    await server.ended
  }
  const sorted = (values: readonly number[]) => [...values].sort((a, b) => a - b)
  return { rows, readyMs: sorted(readyMs), servingMs: sorted(servingMs) }
}

async function visibleRows(server: TicklakeServer): Promise<number> {
  const { body } = await server.get('/v1/trades/count')
  return JSON.parse(body).data.count
}
