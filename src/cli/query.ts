import { invalid } from '#core'
import type { Parameters } from './lake-client.js'
import { type Output, parseLimit, printRows } from './pages.js'
import { type Target, withLake } from './target.js'

/** What may be asked for. */
export const SUBJECTS = ['trades', 'quotes', 'bars', 'latest', 'symbols'] as const
export type Subject = (typeof SUBJECTS)[number]

export interface QueryOptions extends Target {
  readonly symbols?: string
  readonly exchange?: string
  readonly start?: string
  readonly end?: string
  readonly interval?: string
  readonly of?: string
  readonly tz?: string
  readonly asOf?: string
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

const HINT = '`ticklake query symbols` shows what there is'

/** Prints the rows that the options ask for, page after page. Says on standard error when there are more. */
export async function query(subject: Subject, options: QueryOptions, signal: AbortSignal): Promise<void> {
  const rowsWanted = parseLimit(options.limit)
  const { symbols, exchange, start, end, of, order, tz, interval, output, asOf: as_of } = options
  requireMeaning(subject, options)
  const fields = options.fields ?? (output === 'table' ? SHOWN[subject] : undefined)
  const parameters: Parameters = { symbols, exchange, start, end, of, order, tz, interval, fields, as_of }
  const question = { path: `/v1/${subject}`, parameters, output, rowsWanted, hint: HINT }
  await withLake(options, signal, (client) => printRows(client, question, signal))
}

/** An option that would change nothing is refused, not passed over. */
function requireMeaning(subject: Subject, options: QueryOptions): void {
  for (const [name, subjects] of Object.entries(SOME_SUBJECTS)) {
    const value = Object.entries(options).find(([given]) => given === name)?.[1]
    if (value === undefined || subjects.includes(subject)) continue
    throw invalid(`--${name}`, value, `for ${subject}: it is an option of ${subjects.join(', ')}`)
  }
}
