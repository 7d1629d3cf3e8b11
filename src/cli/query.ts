import { once } from 'node:events'
import { invalid, TicklakeError } from '#core'
import { MAX_LIMIT } from '#query'
import type { LakeClient, Parameters } from './lake-client.js'
import { type Target, withLake } from './target.js'
import { parseCsv, textTable } from './text-table.js'

/** What may be asked for. */
export const SUBJECTS = ['trades', 'quotes', 'bars', 'latest', 'symbols'] as const
export type Subject = (typeof SUBJECTS)[number]

export type Output = 'table' | 'json' | 'ndjson' | 'csv'

export interface QueryOptions extends Target {
  readonly symbols?: string
  readonly exchange?: string
  readonly start?: string
  readonly end?: string
  readonly interval?: string
  readonly of?: string
  readonly tz?: string
  readonly order?: string
  readonly fields?: string
  readonly limit: string
  readonly output: Output
}

/** Options that mean something for some subjects only. */
const SOME_SUBJECTS: Readonly<Record<'interval' | 'of' | 'tz' | 'order' | 'fields', readonly Subject[]>> = {
  interval: ['bars'],
  of: ['bars', 'latest', 'symbols'],
  tz: ['bars'],
  order: ['trades', 'quotes', 'bars'],
  fields: ['trades', 'quotes', 'bars', 'latest'],
}

/** Fields that a terminal shows when none are asked for. */
const SHOWN: Readonly<Partial<Record<Subject, string>>> = {
  trades: 'ts,exchange,symbol,price,size,side,venue,conditions',
  quotes: 'ts,exchange,symbol,bid_price,bid_size,ask_price,ask_size',
  bars: 'ts,exchange,symbol,open,high,low,close,volume,vwap,count',
}

const MEDIA_TYPES: Readonly<Record<Output, string>> = {
  table: 'text/csv',
  csv: 'text/csv',
  ndjson: 'application/x-ndjson',
  json: 'application/json',
}

/** Prints the rows that the options ask for, page after page. Says on standard error when there are more. */
export async function query(subject: Subject, options: QueryOptions, signal: AbortSignal): Promise<void> {
  const rowsWanted = parseLimit(options.limit)
  const { symbols, exchange, start, end, of, order, tz, interval } = options
  requireMeaning(subject, options)
  const fields = options.fields ?? (options.output === 'table' ? SHOWN[subject] : undefined)
  const parameters: Parameters = { symbols, exchange, start, end, of, order, tz, interval, fields }
  await withLake(options, signal, async (client) => {
    const more = await printPages(client, subject, parameters, rowsWanted, options.output, signal).catch(
      sayWhichOption,
    )
    if (more) process.stderr.write(`there are more rows: raise --limit (${rowsWanted})\n`)
  })
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

/** True when there are rows beyond those wanted. */
async function printPages(
  client: LakeClient,
  subject: Subject,
  parameters: Parameters,
  rowsWanted: number,
  output: Output,
  signal: AbortSignal,
): Promise<boolean> {
  let token: string | undefined
  let csv = ''
  for (let left = rowsWanted; left > 0; left -= MAX_LIMIT) {
    const limit = String(Math.min(left, MAX_LIMIT))
    const asked = { ...parameters, limit, page_token: token }
    const response = await client.get(`/v1/${subject}`, asked, MEDIA_TYPES[output], signal)
    const text = await response.text()
    const isFirst = token === undefined
    token = response.headers.get('x-next-page-token') ?? undefined
    // Every page of CSV has its header, which the reader wants once.
    const page = isFirst || MEDIA_TYPES[output] !== 'text/csv' ? text : text.slice(text.indexOf('\n') + 1)
    if (output === 'table') csv += page
    else await print(page.endsWith('\n') ? page : `${page}\n`)
    if (token === undefined) break
  }
  if (output === 'table') {
    await print(`${csvAsTable(csv)}\n`)
    if (parseCsv(csv).length < 2)
      process.stderr.write('no rows: `ticklake query symbols` shows what there is\n')
  }
  return token !== undefined
}

/** Waits while the reader of standard output is slower. */
async function print(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain')
}

/** An option that would change nothing is refused, not passed over. */
function requireMeaning(subject: Subject, options: QueryOptions): void {
  for (const [name, subjects] of Object.entries(SOME_SUBJECTS)) {
    const value = Object.entries(options).find(([given]) => given === name)?.[1]
    if (value === undefined || subjects.includes(subject)) continue
    throw invalid(`--${name}`, value, `for ${subject}: it is an option of ${subjects.join(', ')}`)
  }
}

/** A parameter that the lake refuses is the option of the same name. */
function sayWhichOption(error: unknown): never {
  if (!(error instanceof TicklakeError) || error.code !== 'invalid_input') throw error
  const { field, value, expected } = error.detail
  if (field === undefined || value === undefined || expected === undefined) throw error
  throw invalid(`--${field}`, value, expected, error)
}

function parseLimit(text: string): number {
  const limit = /^\d{1,12}$/.test(text) ? Number(text) : 0
  if (limit < 1) throw invalid('--limit', text, 'a whole number of rows from 1')
  return limit
}
