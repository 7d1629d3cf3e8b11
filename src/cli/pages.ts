import { once } from 'node:events'
import { invalid, TicklakeError } from '#core'
import { MAX_LIMIT } from '#query'
import type { LakeClient, Parameters } from './lake-client.js'
import { parseCsv, textTable } from './text-table.js'

/** How rows are printed. */
export const OUTPUTS = ['table', 'json', 'ndjson', 'csv'] as const
export type Output = (typeof OUTPUTS)[number]

const MEDIA_TYPES: Readonly<Record<Output, string>> = {
  table: 'text/csv',
  csv: 'text/csv',
  ndjson: 'application/x-ndjson',
  json: 'application/json',
}

/** A list of a lake, and how much of it is wanted in which form. */
export interface RowsQuestion {
  readonly path: string
  readonly parameters: Parameters
  readonly output: Output
  readonly rowsWanted: number
  /** Rows of one answer; absent: as many as there may be. */
  readonly pageRows?: number
  /** What to do when there are no rows. */
  readonly hint: string
}

/** Prints the rows asked for, page after page. Says on standard error when there are more, or none. */
export async function printRows(
  client: LakeClient,
  question: RowsQuestion,
  signal: AbortSignal,
): Promise<void> {
  const { output, rowsWanted, hint } = question
  let csv = ''
  let more = false
  for await (const page of pages(client, question, signal)) {
    if (output === 'table') csv += page.text
    else await print(page.text.endsWith('\n') ? page.text : `${page.text}\n`)
    more = page.more
  }
  if (output === 'table') {
    await print(`${csvAsTable(csv)}\n`)
    if (parseCsv(csv).length < 2) process.stderr.write(`no rows: ${hint}\n`)
  }
  if (more) process.stderr.write(`there are more rows: raise --limit (${rowsWanted})\n`)
}

/** The answers to a question, up to the rows wanted; the header of a CSV is on the first alone. */
export async function* pages(
  client: LakeClient,
  { path, parameters, output, rowsWanted, pageRows = MAX_LIMIT }: Omit<RowsQuestion, 'hint'>,
  signal: AbortSignal,
): AsyncGenerator<{ readonly text: string; readonly more: boolean }> {
  let token: string | undefined
  for (let left = rowsWanted; left > 0; left -= pageRows) {
    const limit = String(Math.min(left, pageRows))
    const asked = { ...parameters, limit, page_token: token }
    const response = await client.get(path, asked, MEDIA_TYPES[output], signal).catch(sayWhichOption)
    const text = await response.text()
    const isFirst = token === undefined
    token = response.headers.get('x-next-page-token') ?? undefined
    const hasHeader = MEDIA_TYPES[output] === 'text/csv' && !isFirst
    yield { text: hasHeader ? text.slice(text.indexOf('\n') + 1) : text, more: token !== undefined }
    if (token === undefined) return
  }
}

/** The rows of one answer as a table, the first `rowCount` of them; without the columns that hold nothing. */
export function csvAsTable(csv: string, rowCount = Number.POSITIVE_INFINITY): string {
  const [names = [], ...all] = parseCsv(csv)
  const rows = all.slice(0, rowCount)
  const kept = names.flatMap((_, column) => (rows.some((row) => row[column] !== '') ? [column] : []))
  const columns = rows.length === 0 ? names.map((_, column) => column) : kept
  return textTable(
    columns.map((column) => names[column]!),
    rows.map((row) => columns.map((column) => row[column])),
  )
}

/** A parameter that the lake refuses is the option of the same name. */
export function sayWhichOption(error: unknown): never {
  if (!(error instanceof TicklakeError) || error.code !== 'invalid_input') throw error
  const { field, value, expected } = error.detail
  if (field === undefined || value === undefined || expected === undefined) throw error
  throw invalid(`--${field}`, value, expected, error)
}

export function parseLimit(text: string): number {
  const limit = /^\d{1,12}$/.test(text) ? Number(text) : 0
  if (limit < 1) throw invalid('--limit', text, 'a whole number of rows from 1')
  return limit
}

/** Waits while the reader of standard output is slower. */
async function print(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain')
}
