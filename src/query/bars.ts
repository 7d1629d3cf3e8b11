import { assert, MICROS_PER_DAY } from '#core'
import type { RollupTable } from '#storage'
import type { Statement } from './answer.js'
import { type BarEvents, rowEvents } from './bar-events.js'
import { BAR_FIELDS, withVwap } from './bar-fields.js'
import { filledBars } from './bar-fill.js'
import { type BarInput, barInput } from './bar-input.js'
import { Bindings } from './bindings.js'
import {
  afterBucket,
  BUCKET_KEY,
  BUCKET_KEY_FORM,
  bucketSelectionAfter,
  inBuckets,
  orderByBucket,
  type Stretch,
  stretchesOf,
} from './buckets.js'
import { utcDaysOf } from './calendar.js'
import { chooseFields, type Encoding, encodeRow } from './field.js'
import type { MarketRules } from './market-rules.js'
import { keyText } from './order-key.js'
import { oneMoreThan } from './page.js'
import type { PagePosition } from './page-token.js'
import type { PagedList } from './paged-list.js'
import type { Part } from './part.js'
import type { Reading } from './reading.js'
import type { BarsRequest, Order } from './request.js'
import { openRolled } from './rolled-bars.js'
import type { Slice } from './slice.js'

/** Which time zones there are, and when their clocks change: another version of the data, other bars. */
const TIME_ZONES = process.versions.tz ?? process.versions.icu

/** An exchange's later rows may be this much older than its newest: only bars that ended before are final. */
const ALLOWED_LATENESS_MICROS = 300_000_000n

/** Bars, by bucket, exchange and symbol. */
export function barsList(
  request: BarsRequest,
  { sessions, conditions }: MarketRules,
  rollups: readonly RollupTable[],
): PagedList {
  const input = barInput(request.of, request.prints, conditions)
  return {
    name: 'bars',
    table: input.table,
    request,
    rules: {
      ...(request.session !== null && { sessions: sessions.version }),
      ...(request.prints === 'eligible' && { conditions }),
    },
    keyForm: BUCKET_KEY_FORM,
    usesWatermarks: true,
    at: (pinned, after) => {
      const { watermarks } = pinned
      const selection = bucketSelectionAfter(request, after)
      const statement = (
        events: BarEvents,
        stretches: readonly Stretch[] | null,
        { limit, encoding }: Reading,
      ) => barsStatement({ ...selection, limit }, { input, events, stretches, watermarks }, after, encoding)
      return {
        fields: chooseFields(BAR_FIELDS, request.fields).map(({ name }) => name),
        selection,
        ...(isByUtcDay(request) && {
          byDay: {
            order: request.order,
            mayLackTime: false,
            endBefore: (slice: Slice) => endBefore(slice, request.order),
          },
        }),
        // What fills a gap may have come before the range.
        ...(request.fill === 'none' && {
          keptBy: (days: readonly number[] | null) => [finalBy(watermarks, days), TIME_ZONES],
        }),
        statement: async ({ scan, slice }, reading) => {
          const stretches = await stretchesOf(selection, scan, sessions, reading)
          return statement(rowEvents(input, selection, scan, slice), stretches, reading)
        },
        ...(rollups.length > 0 &&
          isMerged(request) && {
            openDerived: async (part: Part, reading: Reading) => {
              if (!areDaysKnown(selection)) return null
              const stretches = await stretchesOf(selection, part.scan, sessions, reading)
              const rolled = await openRolled(rollups, { request: selection, part, pinned, input, stretches })
              if (rolled === null) return null
              const { scan, events, release } = rolled
              return { scan, statement: (reading: Reading) => statement(events, stretches, reading), release }
            },
          }),
      }
    },
  }
}

/** Whether states of rollups come to the same bars: eligible prints are told by rows alone. */
function isMerged({ of, prints, fill }: BarsRequest): boolean {
  return (of !== 'trades' || prints === 'all') && fill === 'none'
}

/** Whether the days that a selection is of need not be looked up in all its rows, which a rollup is to spare. */
function areDaysKnown(selection: BarsRequest): boolean {
  const { timeZone, session, exchange } = selection
  if (session === null && timeZone === 'UTC') return true
  return utcDaysOf(selection) !== null && (session === null || exchange !== null)
}

/** As if an empty bar had been there at the midnight. */
function endBefore(slice: Slice, order: Order): PagePosition {
  assert(!('isTimeless' in slice), 'bars have a time')
  const midnight = String((order === 'asc' ? slice.fromMicros : slice.toMicros) ?? 0n)
  return { key: [midnight, midnight, '', ''], ties: 0 }
}

function isByUtcDay({ timeZone, session, fill }: BarsRequest): boolean {
  return timeZone === 'UTC' && session === null && fill === 'none'
}

/**
 * What decides whether the bars of these days are final: the watermarks, but for what is so old or so new that it makes
 * no difference. A local day begins and ends within a day of the UTC day.
 */
function finalBy(
  watermarks: ReadonlyMap<string, bigint>,
  days: readonly number[] | null,
): ReadonlyMap<string, bigint> {
  if (days === null) return watermarks
  const [first = 0, last = 0] = [days[0], days.at(-1)]
  const [earliest, latest] = [first - 1, last + 2].map(
    (day) => BigInt(day) * BigInt(MICROS_PER_DAY) + ALLOWED_LATENESS_MICROS,
  )
  const clamp = (micros: bigint) => (micros < earliest! ? earliest! : micros > latest! ? latest! : micros)
  return new Map([...watermarks].map(([exchange, micros]) => [exchange, clamp(micros)]))
}

interface BarsContext {
  readonly input: BarInput
  readonly events: BarEvents
  /** What holds every event of the selection; null: UTC days. */
  readonly stretches: readonly Stretch[] | null
  /** Newest event time by exchange, µs. */
  readonly watermarks: ReadonlyMap<string, bigint>
}

/**
 * One page of bars by bucket, exchange and symbol. Open and close are those of the first and last row in the total order.
 */
function barsStatement(
  request: BarsRequest,
  { input, events, stretches, watermarks }: BarsContext,
  after: PagePosition | null,
  encoding: Encoding,
): Statement {
  const bindings = new Bindings()
  const key = BUCKET_KEY.join(', ')
  const bars = [
    `SELECT ${key}, ${events.aggregates}`,
    `FROM (${inBuckets(events.select(bindings), request.intervalSeconds, stretches, bindings)}) GROUP BY ${key}`,
  ].join(' ')
  const filled =
    request.fill === 'none' || stretches === null
      ? bars
      : filledBars(bars, input.nothing, request, stretches, after, bindings)
  const page = [
    `SELECT * FROM (${filled}) ${after ? `WHERE ${afterBucket(after, request.order, bindings)}` : ''}`,
    `ORDER BY ${orderByBucket(request.order)} ${oneMoreThan(request.limit)}`,
  ].join(' ')
  const whole = `SELECT *, ${isFinal(watermarks, bindings)} AS final FROM (${withVwap(page)})`
  const row = encodeRow(chooseFields(BAR_FIELDS, request.fields), encoding)
  return {
    sql: `SELECT ${row} AS row, ${keyText(BUCKET_KEY)} AS key FROM (${whole})`,
    parameters: bindings.values,
  }
}

function isFinal(watermarks: ReadonlyMap<string, bigint>, bindings: Bindings): string {
  if (watermarks.size === 0) return 'false'
  const cases = [...watermarks].map(
    ([exchange, micros]) =>
      `WHEN ${bindings.bind(exchange)} THEN bucket_end <= ${micros - ALLOWED_LATENESS_MICROS}`,
  )
  return `CASE exchange ${cases.join(' ')} ELSE false END`
}
