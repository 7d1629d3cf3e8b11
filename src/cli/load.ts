import { readFile, stat } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { SingleBar } from 'cli-progress'
import { type LoadJson, loadJson } from '#api'
import { invalid, TicklakeError } from '#core'
import { failureText } from './failure.js'
import type { Lake } from './lake.js'
import type { LakeClient } from './lake-client.js'
import { findServer, type Target, withOwnLake } from './target.js'
import { groupDigits } from './text-table.js'

/** How files are to be read. */
export interface FileOptions {
  readonly format: string
  readonly symbol?: string
  readonly exchange?: string
  readonly date?: string
  readonly again?: boolean
}

export interface LoadOptions extends FileOptions, Target {
  readonly json: boolean
}

/** Asks for the state of a load that was begun. */
type AskLoad = () => Promise<LoadJson>

/** Between two questions for the state of a load. */
const ASK_EVERY_MS = 100

/**
 * Loads files one after the other. One that fails is named on standard error and the others still run; then the whole
 * command fails.
 */
export async function load(
  files: readonly string[],
  options: LoadOptions,
  signal: AbortSignal,
): Promise<void> {
  if (options.data === undefined) {
    const client = await findServer(options.url)
    return loadAll(files, options.json, signal, (file) => beginAtServer(client, file, options, signal))
  }
  await withOwnLake(options.data, signal, (lake) =>
    loadAll(files, options.json, signal, async (file) => beginInLake(lake, file, options)),
  )
}

/** Loads one file into a lake of this process and resolves when it is committed. */
export async function loadIntoLake(
  lake: Lake,
  file: string,
  options: FileOptions,
  signal: AbortSignal,
): Promise<LoadJson> {
  return untilEnded(beginInLake(lake, file, options), () => {}, signal)
}

/** One line for people: what was taken, how fast, and what was refused why. */
export function summary(file: string, report: LoadJson): string {
  const { accepted, quarantined, skipped, seconds, rows_per_second, quarantine_reasons } = report
  if (report.already_loaded) {
    return `${file}: was loaded before (${groupDigits(accepted ?? 0)} rows); nothing done. --again loads it once more`
  }
  const reasons = Object.entries(quarantine_reasons ?? {}).map(([reason, count]) => `${reason} ${count}`)
  return [
    `${file}: ${groupDigits(accepted ?? 0)} rows in ${(seconds ?? 0).toFixed(1)} s`,
    `${groupDigits(rows_per_second ?? 0)} rows/s`,
    ...(quarantined ? [`${groupDigits(quarantined)} to quarantine (${reasons.join(', ')})`] : []),
    ...(skipped ? [`${groupDigits(skipped)} skipped`] : []),
  ].join(', ')
}

async function loadAll(
  files: readonly string[],
  json: boolean,
  signal: AbortSignal,
  begin: (file: string) => Promise<AskLoad>,
): Promise<void> {
  let failures = 0
  for (const file of files) {
    signal.throwIfAborted()
    try {
      const report = await watch(file, await begin(file), signal)
      process.stdout.write(`${json ? jsonLine(file, report) : summary(file, report)}\n`)
    } catch (error) {
      // Asked to stop: the files that are left were not tried.
      if (signal.aborted) throw error
      failures++
      process.stderr.write(`${failureText(error, file)}\n`)
    }
  }
  if (failures > 0) throw new TicklakeError('incomplete', `${failures} of ${files.length} files failed`)
}

function beginInLake(lake: Lake, file: string, { format, ...options }: FileOptions): AskLoad {
  const job = lake.load({ ...options, format, path: resolve(file), fileName: basename(file) })
  return async () => {
    if (job.error) throw job.error
    return loadJson(job, job.id)
  }
}

/** Sends the file, then asks how it fares: no answer has to be waited for longer than the upload takes. */
async function beginAtServer(
  client: LakeClient,
  file: string,
  { format, symbol, exchange, date, again }: FileOptions,
  signal: AbortSignal,
): Promise<AskLoad> {
  if (!(await stat(file)).isFile()) throw invalid('file', file, 'a file')
  const own = format.endsWith('.sql') ? { format_sql: await readFile(format, 'utf8') } : { format }
  const name = { file_name: basename(file), ...(again && { again: 'true' }) }
  const response = await client.postFile(
    '/v1/loads',
    { ...own, ...name, symbol, exchange, date },
    file,
    signal,
  )
  const { id } = await loadOf(response)
  return async () => loadOf(await client.get(`/v1/loads/${id}`, {}, 'application/json', signal))
}

/** The load in an answer of our own interface. */
async function loadOf(response: Response): Promise<LoadJson> {
  // The server is of this same program: its answer has the form that loadJson gives it.
  return ((await response.json()) as { data: LoadJson }).data
}

/** Shows the rows so far on a terminal, and nothing elsewhere. */
async function watch(file: string, ask: AskLoad, signal: AbortSignal): Promise<LoadJson> {
  const bar = new SingleBar({
    format: `${basename(file)}  {rows} rows  {duration_formatted}`,
    hideCursor: true,
    clearOnComplete: true,
  })
  bar.start(1, 0, { rows: '0' })
  try {
    return await untilEnded(
      ask,
      ({ rows_read }) => bar.update(0, { rows: groupDigits(rows_read ?? 0) }),
      signal,
    )
  } finally {
    bar.stop()
  }
}

async function untilEnded(
  ask: AskLoad,
  onState: (report: LoadJson) => void,
  signal: AbortSignal,
): Promise<LoadJson> {
  for (;;) {
    const report = await ask()
    onState(report)
    if (report.state === 'failed') throw new TicklakeError('incomplete', failureOf(report))
    if (report.state === 'done') return report
    await sleep(ASK_EVERY_MS)
    signal.throwIfAborted()
  }
}

/** The problem of a failed load, in its own words. */
function failureOf({ error }: LoadJson): string {
  return typeof error === 'object' && error !== null && 'detail' in error
    ? String(error.detail)
    : 'the load failed'
}

function jsonLine(
  file: string,
  { id: _, file_name: __, state: ___, error: ____, ...report }: LoadJson,
): string {
  return JSON.stringify({ file, ...report })
}
