import type { Statement } from './answer.js'
import { BAR_FIELDS, VWAP } from './bar-fields.js'
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
import { SELECTION_COLUMNS, selectionConditions, whereAll } from './conditions.js'
import { chooseFields, type Encoding, encodeRow } from './field.js'
import { INSTRUMENT } from './instrument.js'
import type { MarketRules } from './market-rules.js'
import { keyText, ORDER_COLUMNS, orderKey } from './order-key.js'
import { oneMoreThan } from './page.js'
import type { PagePosition } from './page-token.js'
import type { PagedList } from './paged-list.js'
import type { BarsRequest } from './request.js'
import { relation, type Scan } from './scan.js'

/** An exchange's later rows may be this much older than its newest: only bars that ended before are final. */
const ALLOWED_LATENESS_MICROS = 300_000_000n

/** Bars, by bucket, exchange and symbol. */
export function barsList(request: BarsRequest, { sessions, conditions }: MarketRules): PagedList {
  const input = barInput(request.of, request.prints, conditions)
  return {
    table: input.table,
    request,
    rules: {
      ...(request.session !== null && { sessions: sessions.version }),
      ...(request.prints === 'eligible' && { conditions }),
    },
    keyForm: BUCKET_KEY_FORM,
    usesWatermarks: true,
    at: ({ watermarks }, after) => {
      const selection = bucketSelectionAfter(request, after)
      return {
        fields: chooseFields(BAR_FIELDS, request.fields).map(({ name }) => name),
        selection,
        statement: async (scan, _, reading) => {
          const stretches = await stretchesOf(selection, scan, sessions, reading)
          const context = { input, stretches, watermarks }
          return barsStatement(selection, scan, context, after, reading.encoding)
        },
      }
    },
  }
}

interface BarsContext {
  readonly input: BarInput
  /** What holds every event of the selection; null: UTC days. */
  readonly stretches: readonly Stretch[] | null
  /** Newest event time by exchange, µs. */
  readonly watermarks: ReadonlyMap<string, bigint>
}

/**
 * One page of bars by bucket, exchange and symbol. Open and close are those of the first and last row in the total order
 * (foreign rows that tie: the lowest and the highest price).
 */
function barsStatement(
  request: BarsRequest,
  scan: Scan,
  { input, stretches, watermarks }: BarsContext,
  after: PagePosition | null,
  encoding: Encoding,
): Statement {
  const source = relation(scan, [...new Set([...SELECTION_COLUMNS, ...ORDER_COLUMNS, ...input.columns])])
  const bindings = new Bindings()
  const conditions = [
    'exchange_timestamp IS NOT NULL',
    `${input.price} IS NOT NULL`,
    ...input.conditions,
    ...selectionConditions(request, bindings),
  ]
  const cells = [
    INSTRUMENT,
    'epoch_us(exchange_timestamp) AS micros',
    `${input.price} AS price`,
    ...input.cells,
    `${orderKey(input.price)} AS position`,
  ]
  const events = `SELECT ${cells.join(', ')} FROM ${source} ${whereAll(conditions)}`
  const key = BUCKET_KEY.join(', ')
  const bars = [
    `SELECT ${key}, ${input.aggregates}`,
    `FROM (${inBuckets(events, request.intervalSeconds, stretches, bindings)}) GROUP BY ${key}`,
  ].join(' ')
  const filled =
    request.fill === 'none' || stretches === null
      ? bars
      : filledBars(bars, input.nothing, request, stretches, after, bindings)
  const page = [
    `SELECT * FROM (${filled}) ${after ? `WHERE ${afterBucket(after, request.order, bindings)}` : ''}`,
    `ORDER BY ${orderByBucket(request.order)} ${oneMoreThan(request.limit)}`,
  ].join(' ')
  const whole = `SELECT *, ${VWAP} AS vwap, ${isFinal(watermarks, bindings)} AS final FROM (${page})`
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
