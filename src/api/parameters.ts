import { z } from 'zod'
import { invalid, QUARANTINE_REASONS } from '#core'
import {
  ASOF_FIELDS,
  BAR_FIELDS,
  BAR_SOURCES,
  CORRECTION_FIELDS,
  CORRECTION_STATES,
  DEFAULT_LIMIT,
  type Encoding,
  FILLS,
  type Field,
  MARKET_SNAPSHOT_FIELDS,
  MARKET_TABLES,
  MAX_LIMIT,
  type MarketTable,
  PREVAILING,
  PRINTS,
  parseAge,
  parseAsOf,
  parseFields,
  parseInterval,
  parseNames,
  parseSymbols,
  parseTimeZone,
  QUARANTINE_FIELDS,
  REFUSED_KINDS,
  rowFields,
  SESSION_PARTS,
} from '#query'

/** Query parameters, each described once: from here come validation, types and the OpenAPI document. */

const optionalText = (description: string, example: string) =>
  z.string().optional().meta({ description, example })

export const FORMATS = ['json', 'ndjson', 'csv', 'arrow', 'parquet'] as const satisfies readonly Encoding[]
export type Format = (typeof FORMATS)[number]

/** `limit` of a list that is streamed. */
export const ALL = 'all'

function oneOf<const T extends readonly [string, ...string[]]>(choices: T) {
  return z.enum(choices, { error: `one of ${choices.join(', ')}` })
}

/** Any list may be asked for in any format. */
export const formatParameter = {
  format: oneOf(FORMATS).optional().meta({ description: 'format of the answer; overrides Accept' }),
}

/** How long whoever asks will wait; the most that may be asked for is in the settings. */
export const timeoutParameter = {
  timeout_ms: z
    .string()
    .regex(/^[1-9]\d{0,8}$/, 'a whole number of milliseconds from 1')
    .transform(Number)
    .optional()
    .meta({
      description:
        'waiting for so long, for the answer to begin or for more of what is streamed, ends the query: 504, or a broken ' +
        'connection. 30,000 when absent and 300,000 at most, unless the settings say otherwise (queries.timeoutMs, maxTimeoutMs)',
      type: 'integer',
      minimum: 1,
    }),
}

/** The state of the table that is meant. */
export const asOfParameter = {
  as_of: z
    .string()
    .transform((text) => parseAsOf('as_of', text))
    .optional()
    .meta({
      description:
        'what the table held then: a snapshot id, a time (RFC 3339 or a date), or the name of a branch or tag; only what was ' +
        'committed counts. Absent: the newest version, with what is in no snapshot yet',
      example: '2026-11-26T09:00:00Z',
      type: 'string',
    }),
}

/** Whose events. */
export const instrumentParameters = {
  symbols: z
    .string()
    .transform((text) => parseSymbols('symbols', text))
    .optional()
    .meta({ description: 'instruments, up to 1,000; all when absent', example: 'BHP,CBA', type: 'string' }),
  exchange: optionalText('the feed whose symbols are meant', 'ASX'),
}

export const selectionParameters = {
  ...asOfParameter,
  ...instrumentParameters,
  start: optionalText(
    'event time, inclusive: RFC 3339, a date (its midnight UTC) or nanoseconds since 1970',
    '2014-03-10T00:00:00Z',
  ),
  end: optionalText(
    'event time, exclusive: RFC 3339, a date (its midnight UTC) or nanoseconds since 1970',
    '2014-03-11T00:00:00Z',
  ),
}

export const pageParameters = {
  limit: z
    .string()
    .transform((text) => parseLimit(text))
    .default(DEFAULT_LIMIT)
    .meta({
      description:
        'most rows of a page; all: every row from there on, streamed as slowly as you read. What fails on the way breaks ' +
        'the connection: an answer that ends properly is whole',
      type: ['integer', 'string'],
      minimum: 1,
      maximum: MAX_LIMIT,
      pattern: `^${ALL}$`,
      default: DEFAULT_LIMIT,
    }),
  explain: oneOf(['true', 'false'])
    .transform((text) => text === 'true')
    .default(false)
    .meta({
      description: 'only tell what would be read, and about how long it would take',
      type: 'boolean',
      default: false,
    }),
  page_token: z.string().optional().meta({
    description: 'next_page_token of the page before; all else as it was there, but for limit',
  }),
}

export const orderParameter = {
  order: oneOf(['asc', 'desc']).default('asc').meta({ description: 'by time, oldest or newest first' }),
}

export const ofTableParameter = {
  of: oneOf(MARKET_TABLES).default('trades').meta({ description: 'rows of which table' }),
}

/** Which refused records. */
export const quarantineParameters = {
  of: oneOf(MARKET_TABLES).optional().meta({ description: 'meant for which table; both when absent' }),
  reason: oneOf(QUARANTINE_REASONS).optional().meta({ description: 'refused for this reason' }),
  source: optionalText(
    'source id of a load; <topic>/<partition> for records of the log',
    'market-data.trades/0',
  ),
  kind: oneOf(REFUSED_KINDS)
    .optional()
    .meta({ description: 'line: of a file that was loaded or of a posted body; record: of the log' }),
}

/** Which corrections. */
export const correctionListParameters = {
  of: oneOf(MARKET_TABLES).optional().meta({ description: 'of rows of which table; both when absent' }),
  state: oneOf(CORRECTION_STATES).optional().meta({ description: 'what has become of them' }),
  source: optionalText('who asked for them', 'desk-3'),
}

export const receivedParameters = {
  ...asOfParameter,
  start: optionalText(
    'when the log took it, inclusive: RFC 3339, a date (its midnight UTC) or nanoseconds since 1970',
    '2014-03-10T00:00:00Z',
  ),
  end: optionalText('the same, exclusive', '2014-03-11T00:00:00Z'),
}

export const tableParameter = {
  table: oneOf(['trades', 'quotes', 'quarantine', 'corrections'])
    .default('trades')
    .meta({ description: 'which table' }),
}

/** By which clock time is cut. */
export const clockParameters = {
  tz: z
    .string()
    .transform((text) => parseTimeZone('tz', text))
    .optional()
    .meta({
      description:
        'IANA time zone at whose midnights the intervals begin: UTC when absent, but for 1d, whose days are then the trading days of each exchange',
      type: 'string',
      example: 'Australia/Sydney',
    }),
  session: oneOf(SESSION_PARTS)
    .optional()
    .meta({
      description:
        "only this part of each trading day, by the calendar of the row's exchange, in intervals that begin with it: regular, from open " +
        'to close (exclusive); pre, what comes before; post, what comes after, until the next trading day begins; all. Not with tz',
    }),
}

const interval = z.string().transform((text) => parseInterval('interval', text))
const intervalDoc = { type: 'string', example: '5m' } as const

export const printsParameter = {
  prints: oneOf(PRINTS).default('all').meta({
    description:
      'which trades count: all; or eligible, each for what its conditions let it, by config/conditions: open and close, high and low, volume',
  }),
}

export const barParameters = {
  interval: interval.default(60).meta({
    description: 'length of a bar: a number and s, m, h or d, from 1s to 1d',
    ...intervalDoc,
    default: '1m',
  }),
  of: oneOf(BAR_SOURCES)
    .default('trades')
    .meta({ description: 'whose prices: trades, or the bid, the ask or their middle of quotes' }),
  ...clockParameters,
  ...printsParameter,
  fill: oneOf(FILLS)
    .default('none')
    .meta({
      description:
        'what stands for an interval without rows, between the first and the last of an instrument in the range that have some: none; ' +
        'null, a bar without prices; prev, one at the close before it. Their volume and count are 0',
    }),
}

const age = z.string().transform((text) => parseAge('max_age', text))

export const asofParameters = {
  prevailing: oneOf(PREVAILING)
    .default('at')
    .meta({
      description:
        'at: the last quote whose time is that of the trade or earlier, to the nanosecond; before: only an earlier one, so that a quote ' +
        'that the trade has caused is none, where both have one time',
    }),
  max_age: age.default(86_400).meta({
    description: 'an older quote prevails no longer: a number and s, m, h or d, up to 30d',
    type: 'string',
    example: '10s',
    default: '1d',
  }),
}

export const momentParameters = {
  at: optionalText(
    'the moment, inclusive: RFC 3339, a date (its midnight UTC) or nanoseconds since 1970; absent: the newest there is',
    '2014-03-10T01:00:00Z',
  ),
  max_age: age.optional().meta({
    description:
      'nothing older counts, and fewer files are read: a number and s, m, h or d, up to 30d; only with at',
    type: 'string',
    example: '1d',
  }),
}

export const vwapParameters = {
  interval: interval.optional().meta({
    description: 'vwap of each interval, from 1s to 1d; absent: of the range as a whole',
    ...intervalDoc,
  }),
  ...clockParameters,
  ...printsParameter,
}

/** `fields` of trades or quotes; which there are besides is known to the version that is read. */
export function rowFieldsParameter(table: MarketTable) {
  const names = rowFields(table).map((field) => field.name)
  return {
    fields: namesParameter(
      `fields wanted, in order: all when absent, which are ${names.join(', ')}. Only when they are named come log_partition and log_offset, ` +
        'the place of the row in the log, by which a correction may name it, and the columns that were added to the table',
      names.slice(0, 3).join(','),
    ),
  }
}

export const asofFieldsParameter = fieldsParameter(ASOF_FIELDS)
export const marketSnapshotFieldsParameter = fieldsParameter(MARKET_SNAPSHOT_FIELDS)
export const barFieldsParameter = fieldsParameter(BAR_FIELDS)

export const quarantineFieldsParameter = fieldsParameter(QUARANTINE_FIELDS)
export const correctionFieldsParameter = fieldsParameter(CORRECTION_FIELDS)

/** `fields` of latest: which there are is known only with `of`. */
export const eitherFieldsParameter = {
  fields: namesParameter('fields wanted, in order; all when absent', 'symbol,ts,price'),
}

function namesParameter(description: string, example: string) {
  return z
    .string()
    .transform((text) => parseNames('fields', text))
    .optional()
    .meta({ description, example, type: 'string' })
}

function fieldsParameter(known: readonly Field[]) {
  const names = known.map((field) => field.name)
  return {
    fields: z
      .string()
      .transform((text) => parseFields('fields', text, names))
      .optional()
      .meta({
        description: `fields wanted, in order, of ${names.join(', ')}; all when absent`,
        example: names.slice(0, 3).join(','),
        type: 'string',
      }),
  }
}

function parseLimit(text: string): number | null {
  if (text === ALL) return null
  const limit = /^\d{1,9}$/.test(text) ? Number(text) : 0
  if (limit < 1 || limit > MAX_LIMIT)
    throw invalid('limit', text, `a whole number from 1 to ${MAX_LIMIT}, or ${ALL}`)
  return limit
}
