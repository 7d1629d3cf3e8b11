import { invalid } from '#core'
import type { Parameters } from './lake-client.js'
import { type Output, parseLimit, printRows } from './pages.js'
import { type Target, withLake } from './target.js'

/** What may be asked for. */
export const SUBJECTS = ['trades', 'quotes', 'bars', 'vwap', 'asof', 'snapshot', 'latest', 'symbols'] as const
export type Subject = (typeof SUBJECTS)[number]

export interface QueryOptions extends Target {
  readonly symbols?: string
  readonly exchange?: string
  readonly start?: string
  readonly end?: string
  readonly interval?: string
  readonly of?: string
  readonly tz?: string
  readonly session?: string
  readonly prints?: string
  readonly fill?: string
  readonly prevailing?: string
  readonly maxAge?: string
  readonly at?: string
  readonly asOf?: string
  readonly order?: string
  readonly fields?: string
  readonly limit: string
  readonly output: Output
}

const OF_EVENTS: readonly Subject[] = ['trades', 'quotes', 'bars', 'vwap', 'asof', 'latest', 'symbols']

/** Options that mean something for some subjects only. */
const SOME_SUBJECTS: Readonly<Partial<Record<keyof QueryOptions, readonly Subject[]>>> = {
  start: OF_EVENTS,
  end: OF_EVENTS,
  interval: ['bars', 'vwap'],
  of: ['bars', 'latest', 'symbols'],
  tz: ['bars', 'vwap'],
  session: ['bars', 'vwap'],
  prints: ['bars', 'vwap'],
  fill: ['bars'],
  prevailing: ['asof'],
  maxAge: ['asof', 'snapshot'],
  at: ['snapshot'],
  order: ['trades', 'quotes', 'bars', 'vwap', 'asof'],
  fields: ['trades', 'quotes', 'bars', 'asof', 'snapshot', 'latest'],
}

/** Fields that a terminal shows when none are asked for. */
const SHOWN: Readonly<Partial<Record<Subject, string>>> = {
  trades: 'ts,exchange,symbol,price,size,side,venue,conditions',
  quotes: 'ts,exchange,symbol,bid_price,bid_size,ask_price,ask_size',
  asof: 'ts,exchange,symbol,price,size,quote_ts,bid_price,ask_price,mid,spread',
  snapshot: 'exchange,symbol,trade_ts,price,size,quote_ts,bid_price,ask_price,mid,spread',
  bars: 'ts,exchange,symbol,open,high,low,close,volume,vwap,count',
}

const HINT = '`ticklake query symbols` shows what there is'

/** Prints the rows that the options ask for, page after page. Says on standard error when there are more. */
export async function query(subject: Subject, options: QueryOptions, signal: AbortSignal): Promise<void> {
  const rowsWanted = parseLimit(options.limit)
  const { symbols, exchange, start, end, of, order, tz, interval, session, prints, fill, prevailing, at } =
    options
  const { output, asOf: as_of, maxAge: max_age } = options
  requireMeaning(subject, options)
  const fields = options.fields ?? (output === 'table' ? SHOWN[subject] : undefined)
  const parameters: Parameters = {
    ...{ symbols, exchange, start, end, of, order, fields, as_of },
    ...{ interval, tz, session, prints, fill, prevailing, max_age, at },
  }
  const question = { path: `/v1/${subject}`, parameters, output, rowsWanted, hint: HINT }
  await withLake(options, signal, (client) => printRows(client, question, signal))
}

/** An option that would change nothing is refused, not passed over. */
function requireMeaning(subject: Subject, options: QueryOptions): void {
  for (const [name, subjects] of Object.entries(SOME_SUBJECTS)) {
    const value = Object.entries(options).find(([given]) => given === name)?.[1]
    if (value === undefined || subjects.includes(subject)) continue
    throw invalid(
      `--${name.replace(/[A-Z]/, (letter) => `-${letter.toLowerCase()}`)}`,
      value,
      `for ${subject}: it is an option of ${subjects.join(', ')}`,
    )
  }
}
