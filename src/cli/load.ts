import { readFile, stat } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { SingleBar } from 'cli-progress'
import { type LoadJson, loadJson } from '#api'
import { invalid, TicklakeError } from '#core'
import { AlreadyTold, failureText } from './failure.js'
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
  readonly json?: boolean
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
  const { format, data, url, json } = options
  // Once, and before anything is opened: a wrong path is a mistake on the command line, not of each file.
  const ownSql = format.endsWith('.sql') ? await readFormat(format) : null
  if (data === undefined) {
    const client = await findServer(url)
    const asked = ownSql === null ? { format } : { format_sql: ownSql }
    return loadAll(files, json, signal, AT_SERVER, (file) =>
      beginAtServer(client, file, asked, options, signal),
    )
  }
  await withOwnLake(data, signal, (lake) =>
    loadAll(files, json, signal, IN_LAKE, async (file) => {
      await requireContent(file)
      return beginInLake(lake, file, options)
    }),
  )
}

/** What becomes of a load whose command is asked to stop. */
const AT_SERVER = 'what the server has taken whole, it loads all the same'
const IN_LAKE = 'load the file again in the same way, and it goes on where it stopped'

/** Loads one file into a lake of this process and resolves when it is committed. */
export async function loadIntoLake(
  lake: Lake,
  file: string,
  options: FileOptions,
  signal: AbortSignal,
): Promise<LoadJson> {
  return untilEnded(beginInLake(lake, file, options), () => {}, signal)
}

async function readFormat(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw invalid('--format', path, 'an SQL file that can be read', error)
  }
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
  json: boolean | undefined,
  signal: AbortSignal,
  whenStopped: string,
  begin: (file: string) => Promise<AskLoad>,
): Promise<void> {
  let failures = 0
  for (const file of files) {
    signal.throwIfAborted()
    try {
      const report = await watch(file, await begin(file), signal)
      process.stdout.write(`${json ? jsonLine(file, report) : summary(file, report)}\n`)
      requireSomeRow(report)
    } catch (error) {
      // Asked to stop: the files that are left were not tried.
      if (signal.aborted) throw stopped(signal, whenStopped)
      failures++
      process.stderr.write(`${failureText(error, file)}\n`)
    }
  }
  if (failures === 0) return
  const howMany = `${failures} of ${files.length} files failed`
  throw files.length === 1 ? new AlreadyTold(howMany) : new TicklakeError('incomplete', howMany)
}

function stopped({ reason }: AbortSignal, whatFollows: string): TicklakeError {
  const why = reason instanceof Error ? reason.message : String(reason)
  return new TicklakeError('unavailable', `${why}; ${whatFollows}`, { cause: reason })
}

/** A file of which every row is refused is a mistake in how it was asked for, and must not look like a success. */
function requireSomeRow({ accepted, quarantined, already_loaded }: LoadJson): void {
  if (already_loaded || accepted !== 0 || !quarantined) return
  throw new TicklakeError('incomplete', 'not one row was taken: is this the right --format?')
}

/** The file is there and holds something. */
async function requireContent(file: string): Promise<void> {
  const found = await stat(file)
  if (!found.isFile()) throw invalid('file', file, 'a file')
  if (found.size === 0) throw new TicklakeError('incomplete', 'the file is empty')
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
  asked: { readonly format: string } | { readonly format_sql: string },
  { symbol, exchange, date, again }: FileOptions,
  signal: AbortSignal,
): Promise<AskLoad> {
  await requireContent(file)
  const name = { file_name: basename(file), ...(again && { again: 'true' }) }
  const response = await client.postFile(
    '/v1/loads',
    { ...asked, ...name, symbol, exchange, date },
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
