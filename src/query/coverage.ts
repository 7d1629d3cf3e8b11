import { QualityFlag, type SessionCalendars } from '#core'
import type { Statement } from './answer.js'
import { Bindings } from './bindings.js'
import { UTC_DAY } from './calendar.js'
import { SELECTION_COLUMNS, selectionConditions, whereAll } from './conditions.js'
import {
  type ExchangeSession,
  exchangeDaysOf,
  exchangeDaysStatement,
  exchangeSessions,
} from './exchange-days.js'
import { type Encoding, encodeRow, type Field, numberField, textField, timeField } from './field.js'
import { INSTRUMENT } from './instrument.js'
import { keyText } from './order-key.js'
import { oneMoreThan } from './page.js'
import type { KeyForm, PagePosition } from './page-token.js'
import type { PagedList } from './paged-list.js'
import type { CoverageRequest } from './request.js'
import { relation, type Scan } from './scan.js'

/** So many open intervals of a session are listed; all are counted. */
const LISTED_INTERVALS = 1_000
/** As the sequence tracker has it: numbers may begin anew after such a pause, or at the border of a session. */
const RESET_PAUSE_MICROS = 3_600_000_000
/** Beyond what 64 bits hold, numbers are mistakes of a feed, and it does not matter how many are missing. */
const MAX_LONG = 2n ** 63n - 1n

export const COVERAGE_FIELDS: readonly Field[] = [
  textField('symbol', 'symbol', 'instrument, as the exchange names it'),
  textField('exchange', 'exchange', 'the feed whose symbols and sequence numbers are meant'),
  textField('session', 'session', 'trading day of the exchange, such as 2014-03-10'),
  numberField('rows', 'row_count', 'its rows, repeated numbers included'),
  timeField('first_ts', 'first_micros', ['first_micros'], 'event time of the first row'),
  timeField('last_ts', 'last_micros', ['last_micros'], 'event time of the last row'),
  numberField('first_sequence', 'first_number', 'lowest sequence number; null when rows have none'),
  numberField('last_sequence', 'last_number', 'highest sequence number'),
  numberField(
    'expected',
    'expected',
    'numbers up to the last one that there should be; null: they need not be contiguous',
  ),
  numberField('present', 'present', 'of these, the numbers that rows have'),
  numberField(
    'missing',
    'missing',
    'and those that no row has; numbers missing between two sessions count in the later one',
  ),
  numberField('gaps', 'gap_count', 'stretches of missing numbers'),
  {
    name: 'open_intervals',
    type: 'intervals',
    sql: 'intervals',
    csvSql: `array_to_string(list_transform(intervals, lambda gap: gap."from" || '-' || gap."to"), ' ')`,
    typedSql: 'CAST(to_json(intervals) AS VARCHAR)',
    columns: ['intervals'],
    doc: `missing numbers, from and to inclusive: the first ${LISTED_INTERVALS} stretches`,
    freeText: false,
  },
  numberField(
    'freshness_p50_ms',
    'freshness_p50',
    'from event time to when the log took the record: median, in ms',
  ),
  numberField('freshness_p99_ms', 'freshness_p99', 'the same: 99 of 100 rows were no later'),
]

const COVERAGE_KEY_FORM: KeyForm = ['text', 'text', 'number']

/** What is there and what is missing, by exchange, symbol and session. */
export function coverageList(request: CoverageRequest, calendars: SessionCalendars): PagedList {
  return {
    name: 'coverage',
    table: request.table,
    request,
    keyForm: COVERAGE_KEY_FORM,
    usesWatermarks: false,
    at: (_, after) => ({
      fields: COVERAGE_FIELDS.map(({ name }) => name),
      selection: request,
      statement: async ({ scan }, { encoding, query, signal }) => {
        const days = exchangeDaysOf(await query(exchangeDaysStatement(request, scan)))
        const sessions = await exchangeSessions(days, calendars, signal)
        return coverageStatement(request, scan, sessions, after, encoding)
      },
    }),
  }
}

/**
 * One page of what is there and what is missing, by instrument and session. It looks at the rows alone, whatever was
 * noted when they came: late rows fill what they fill. Numbers that begin anew, less than half of those before a pause
 * or a session's border, are counted for themselves.
 */
function coverageStatement(
  request: CoverageRequest,
  scan: Scan,
  sessions: readonly ExchangeSession[],
  after: PagePosition | null,
  encoding: Encoding,
): Statement {
  const source = relation(scan, [
    ...SELECTION_COLUMNS,
    'sequence_number',
    'quality_flags',
    'ingest_timestamp',
  ])
  const bindings = new Bindings()
  const where = whereAll(['exchange_timestamp IS NOT NULL', ...selectionConditions(request, bindings)])
  const byInstrument = 'PARTITION BY exchange, symbol'
  const steps: readonly (readonly [name: string, sql: string])[] = [
    ['sessions', sessionsSql(sessions, bindings)],
    [
      'events',
      `SELECT ${INSTRUMENT}, epoch_us(exchange_timestamp) AS micros, sequence_number AS number,
         (quality_flags & ${QualityFlag.contiguousSequence}) <> 0 AND sequence_number IS NOT NULL AS counted,
         epoch_us(ingest_timestamp) AS ingested FROM ${source} ${where}`,
    ],
    [
      'dated',
      `SELECT events.*, sessions.day FROM events JOIN sessions ON events.exchange = sessions.exchange
         AND ${UTC_DAY} = sessions.utc_day AND micros >= session_start AND micros < session_end`,
    ],
    [
      'totals',
      `SELECT exchange, symbol, day, count(*) AS row_count, min(micros) AS first_micros, max(micros) AS last_micros,
         min(number) AS first_number, max(number) AS last_number,
         quantile_disc(ingested - micros, [0.5, 0.99]) AS freshness FROM dated GROUP BY ALL`,
    ],
    [
      'pauses',
      `SELECT exchange, symbol, day, micros, number,
         micros - lag(micros) OVER times > ${RESET_PAUSE_MICROS} OR day <> lag(day) OVER times AS apart
       FROM dated WHERE counted WINDOW times AS (${byInstrument} ORDER BY micros, number)`,
    ],
    [
      'blocks',
      `SELECT *, count(*) FILTER (apart) OVER (${byInstrument} ORDER BY micros, number
         ROWS UNBOUNDED PRECEDING) AS block FROM pauses`,
    ],
    [
      'block_ends',
      'SELECT exchange, symbol, block, min(number)::HUGEINT AS low, max(number)::HUGEINT AS high FROM blocks GROUP BY ALL',
    ],
    [
      'falls',
      `SELECT *, 2 * (lag(high) OVER times - low) > abs(lag(high) OVER times) AS falls
       FROM block_ends WINDOW times AS (${byInstrument} ORDER BY block)`,
    ],
    [
      'runs',
      `SELECT exchange, symbol, block,
         count(*) FILTER (falls) OVER (${byInstrument} ORDER BY block ROWS UNBOUNDED PRECEDING) AS run FROM falls`,
    ],
    [
      'numbers',
      `SELECT exchange, symbol, run, number, min(day) AS day
       FROM blocks JOIN runs USING (exchange, symbol, block) GROUP BY ALL`,
    ],
    [
      'steps',
      `SELECT *, lag(number) OVER (PARTITION BY exchange, symbol, run ORDER BY number) AS before FROM numbers`,
    ],
    [
      'counts',
      `SELECT exchange, symbol, day, count(*) AS present,
         coalesce(sum(number::HUGEINT - before - 1) FILTER (number > before + 1), 0) AS missing_numbers,
         count(*) FILTER (number > before + 1) AS gap_count,
         coalesce(list(CASE WHEN number > before + 1 THEN {'from': before + 1, 'to': number - 1} END ORDER BY run, number)
           FILTER (number > before + 1), [])[:${LISTED_INTERVALS}] AS intervals FROM steps GROUP BY ALL`,
    ],
    [
      'page',
      `SELECT totals.*, present, gap_count, intervals,
         ${atMost('missing_numbers')} AS missing,
         ${atMost('present + missing_numbers')} AS expected,
         strftime(DATE '1970-01-01' + CAST(day AS INTEGER), '%Y-%m-%d') AS session,
         round(freshness[1] / 1000)::BIGINT AS freshness_p50, round(freshness[2] / 1000)::BIGINT AS freshness_p99
       FROM totals LEFT JOIN counts USING (exchange, symbol, day)
       ${after ? `WHERE ${afterSession(after, bindings)}` : ''}
       ORDER BY exchange, symbol, day ${oneMoreThan(request.limit)}`,
    ],
  ]
  const ctes = steps.map(([name, sql]) => `${name} AS (${sql})`).join(', ')
  const key = keyText(['exchange', 'symbol', 'day'])
  return {
    sql: `WITH ${ctes} SELECT ${encodeRow(COVERAGE_FIELDS, encoding)} AS row, ${key} AS key FROM page ORDER BY exchange, symbol, day`,
    parameters: bindings.values,
  }
}

/** As 64 bits; NULL stays NULL, which `least` would pass over. */
function atMost(sum: string): string {
  return `CAST(CASE WHEN ${sum} > ${MAX_LONG} THEN ${MAX_LONG} ELSE ${sum} END AS BIGINT)`
}

function afterSession({ key: [exchange, symbol, day] }: PagePosition, bindings: Bindings): string {
  const bound = [bindings.bind(exchange ?? ''), bindings.bind(symbol ?? '')]
  return `(exchange, symbol, day) > (${bound.join(', ')}, ${BigInt(day ?? 0)})`
}

/** One row for each UTC day that a session touches. */
function sessionsSql(sessions: readonly ExchangeSession[], bindings: Bindings): string {
  const rows = sessions.map(({ exchange, utcDay, session: { day, startMicros, endMicros } }) => ({
    exchange,
    numbers: [utcDay, day, startMicros, endMicros],
  }))
  // As bound lists: DuckDB takes ten times as long for so many VALUES.
  const names = bindings.bind(JSON.stringify(rows.map((row) => row.exchange)))
  const columns = ['utc_day', 'day', 'session_start', 'session_end'].map((name, column) => {
    const list = bindings.bind(`[${rows.map((row) => row.numbers[column]).join(',')}]`)
    return `unnest(CAST(${list} AS BIGINT[])) AS ${name}`
  })
  return `SELECT unnest(from_json(${names}, '["VARCHAR"]')) AS exchange, ${columns.join(', ')}`
}
