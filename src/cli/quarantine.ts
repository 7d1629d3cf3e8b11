import type { ReplayJson } from '#api'
import type { LakeClient, Parameters } from './lake-client.js'
import { type Output, parseLimit, printRows, sayWhichOption } from './pages.js'
import { exportQuarantine } from './quarantine-export.js'
import { type Target, withLake } from './target.js'
import { groupDigits } from './text-table.js'

/** Which refused records are meant. */
export interface QuarantineOptions extends Target {
  readonly of?: string
  readonly reason?: string
  readonly source?: string
}

/** Of what is shown or written, what the log took in this time. */
interface Taken {
  readonly start?: string
  readonly end?: string
}

export interface ListOptions extends QuarantineOptions, Taken {
  readonly limit: string
  readonly output: Output
}

export interface ReplayOptions extends QuarantineOptions {
  readonly of: string
  readonly json?: boolean
}

/** Fields that a terminal shows. */
const SHOWN = 'received_at,source_id,file,line,topic,reason,detail'
const HINT = 'nothing was refused, or nothing that these options mean'

const LINES_STAY =
  'there are lines of files or posted bodies too, which need their header and options to be read: ' +
  '`ticklake quarantine export` writes them to files, to be mended and loaded with `ticklake load` or posted again'

/** Prints refused records, as the log took them. */
export async function list(options: ListOptions, signal: AbortSignal): Promise<void> {
  const { output, limit } = options
  const parameters = { ...takenOf(options), ...(output === 'table' && { fields: SHOWN }) }
  const question = { path: '/v1/quarantine', parameters, output, rowsWanted: parseLimit(limit), hint: HINT }
  await withLake(options, signal, (client) => printRows(client, question, signal))
}

/** Writes the originals of refused records into a folder, and says what it wrote. */
export async function exportAll(
  folder: string,
  options: QuarantineOptions & Taken,
  signal: AbortSignal,
): Promise<void> {
  await withLake(options, signal, async (client) => {
    const written = await exportQuarantine(client, takenOf(options), folder, signal)
    for (const [path, rows] of written) process.stdout.write(`${path}: ${groupDigits(rows)} refused\n`)
    if (written.size === 0) process.stderr.write(`nothing written: ${HINT}\n`)
  })
}

/** Sends refused records of the log down the road again, and says what became of them. */
export async function replay(options: ReplayOptions, signal: AbortSignal): Promise<void> {
  await withLake(options, signal, async (client) => {
    const filter = filterOf(options)
    const response = await client.post('/admin/quarantine/replay', filter, signal).catch(sayWhichOption)
    // The server is of this same program: its answer has the form of replaySchema.
    const { data } = (await response.json()) as { data: ReplayJson }
    process.stdout.write(options.json ? `${JSON.stringify(data)}\n` : `${replayText(data)}\n`)
    if (await hasLines(client, filter, signal)) process.stderr.write(`${LINES_STAY}\n`)
  })
}

function filterOf({ of, reason, source }: QuarantineOptions): Parameters {
  return { of, reason, source }
}

function takenOf(options: QuarantineOptions & Taken): Parameters {
  const { start, end } = options
  return { ...filterOf(options), start, end }
}

function replayText({ replayed, already, refused, problems }: ReplayJson): string {
  const counts = [
    `${groupDigits(replayed)} replayed`,
    `${groupDigits(already)} replayed before`,
    `${groupDigits(refused)} would be refused again and stay`,
  ]
  const told = problems.map(
    ({ log_partition, log_offset, reason, detail }) =>
      `  quarantine ${log_partition}/${log_offset}: ${reason}: ${detail}`,
  )
  return [counts.join(', '), ...told].join('\n')
}

async function hasLines(client: LakeClient, filter: Parameters, signal: AbortSignal): Promise<boolean> {
  const parameters = { ...filter, kind: 'line', fields: 'line', limit: '1' }
  const response = await client.get('/v1/quarantine', parameters, 'application/x-ndjson', signal)
  return (await response.text()) !== ''
}
