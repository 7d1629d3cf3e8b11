import { watch } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { SeededRandom } from './seeded-random.js'
import { type ProcessOptions, runTicklake, TicklakeProcess, TicklakeServer } from './ticklake-process.js'

export interface CrashRunOptions extends ProcessOptions {
  /** For the data folders. */
  readonly folder: string
  /** A file of trades, as writeTradesFile makes it. */
  readonly file: string
  readonly random: SeededRandom
  readonly killCount: number
  /** A line on what has happened. */
  readonly report: (line: string) => void
}

export interface CrashRunResult {
  /** Kills that struck a load which had not ended. */
  readonly kills: number
  /** Finished folders whose rows differ from the uninterrupted load's; nothing but empty is right. */
  readonly different: readonly string[]
  readonly rowCount: number
  /** What the second load of the finished file said. */
  readonly secondLoad: { readonly already_loaded: boolean; readonly accepted: number }
  /** Rows after the second load. */
  readonly rowCountAfterSecondLoad: number
}

/**
 * Loads a file undisturbed, then again into new folders in processes that are killed at seeded moments and restarted
 * until the load is through. Several kills may strike one folder before that.
 */
export async function crashRun(options: CrashRunOptions): Promise<CrashRunResult> {
  const { folder, random, killCount, report } = options
  const whole = join(folder, 'whole')
  const { changes } = await loadUntil(options, whole, Number.POSITIVE_INFINITY)
  const expected = await rowsOf(whole, options)
  const different: string[] = []
  let kills = 0
  for (let round = 0; kills < killCount; round++) {
    const data = join(folder, `killed-${round}`)
    kills += await loadWithKills(options, data, killCount - kills, () => 1 + random.below(changes))
    const rows = await rowsOf(data, options)
    const isSame = rows.length === expected.length && rows.every((row, index) => row === expected[index])
    if (!isSame) different.push(data)
    report(
      `${kills} kills so far; folder ${round}: ${rows.length} rows, ${isSame ? 'the same' : 'DIFFERENT'}`,
    )
  }
  const secondLoad = JSON.parse(await runTicklake(loadArguments(options, whole), options))
  const { length: rowCountAfterSecondLoad } = await rowsOf(whole, options)
  return { kills, different, rowCount: expected.length, secondLoad, rowCountAfterSecondLoad }
}

/** Loads the file into a folder, killed up to `most` times, until a process gets to the end; gives the kills. */
async function loadWithKills(
  options: CrashRunOptions,
  data: string,
  most: number,
  nextMoment: () => number,
): Promise<number> {
  for (let kills = 0; ; kills++) {
    const { isKilled } = await loadUntil(
      options,
      data,
      kills < most ? nextMoment() : Number.POSITIVE_INFINITY,
    )
    if (!isKilled) return kills
  }
}

/**
 * Loads the file, but kills the process at that change below the data folder (a write, a new file, a new name), if it
 * comes to it. Changes measure how far the work is, however busy the machine.
 */
async function loadUntil(options: CrashRunOptions, data: string, moment: number) {
  await mkdir(data, { recursive: true })
  const load = new TicklakeProcess(loadArguments(options, data), options)
  let changes = 0
  const watcher = watch(data, { recursive: true }, () => {
    changes++
    if (changes === moment) load.kill()
  })
  // A file may go while its watch is being set up.
  watcher.on('error', () => {})
  const { code, stderr } = await load.finished
  watcher.close()
  if (code !== 0 && code !== null) throw new Error(`the load ended with ${code}: ${stderr}`)
  return { changes, isKilled: code === null }
}

function loadArguments({ file }: CrashRunOptions, data: string): string[] {
  return ['load', file, '--format', 'csv-trades', '--data', data, '--json']
}

/** All rows in the total order, without the time at which the log took them. */
async function rowsOf(data: string, options: ProcessOptions): Promise<string[]> {
  const server = await TicklakeServer.start(data, options)
  try {
    const rows: string[] = []
    for await (const row of server.rows('/v1/trades', {})) {
      const { ingest_ts: _, ...rest } = JSON.parse(row)
      rows.push(JSON.stringify(rest))
    }
    return rows
  } finally {
    await server.stop()
  }
}
