import type { SessionCalendars } from '#core'
import type { Statement } from './answer.js'
import { BAR_FIELDS, VWAP } from './bar-fields.js'
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
import { keyText, ORDER_COLUMNS, orderKey } from './order-key.js'
import { oneMoreThan } from './page.js'
import type { PagePosition } from './page-token.js'
import type { PagedList } from './paged-list.js'
import type { BarSource, BarsRequest, MarketTable } from './request.js'
import { relation, type Scan } from './scan.js'

/** An exchange's later rows may be this much older than its newest: only bars that ended before are final. */
const ALLOWED_LATENESS_MICROS = 300_000_000n

interface BarInput {
  readonly table: MarketTable
  readonly columns: readonly string[]
  /** The price of a row; NULL or 0 (a quote's empty side) where it has none. */
  readonly price: string
  /** Sums of a bar: volume and notional, which quotes do not have. */
  readonly sums: string
}

const SUM = 'DECIMAL(38,8)'
// DuckDB multiplies two DECIMAL(18,8) into 18 digits; two of 19 give the 38 that every product needs.
const WIDE = 'DECIMAL(19,8)'
const QUOTE_SUMS = `CAST(NULL AS ${SUM}) AS volume, CAST(NULL AS DECIMAL(38,16)) AS notional`

const INPUTS: Readonly<Record<BarSource, BarInput>> = {
  trades: {
    table: 'trades',
    columns: ['price', 'size'],
    price: 'price',
    sums: `sum(size) AS volume, sum(CAST(price AS ${WIDE}) * CAST(size AS ${WIDE})) AS notional`,
  },
  bid: { table: 'quotes', columns: ['bid_price'], price: 'nullif(bid_price, 0)', sums: QUOTE_SUMS },
  ask: { table: 'quotes', columns: ['ask_price'], price: 'nullif(ask_price, 0)', sums: QUOTE_SUMS },
  mid: {
    table: 'quotes',
    columns: ['bid_price', 'ask_price'],
    // Half of a sum of two numbers of 8 decimals has 9, exactly.
    price: `CAST((CAST(nullif(bid_price, 0) AS ${WIDE}) + CAST(nullif(ask_price, 0) AS ${WIDE})) * 0.5 AS DECIMAL(20,9))`,
    sums: QUOTE_SUMS,
  },
}

/** Bars, by bucket, exchange and symbol. */
export function barsList(request: BarsRequest, calendars: SessionCalendars): PagedList {
  return {
    table: INPUTS[request.of].table,
    request,
    keyForm: BUCKET_KEY_FORM,
    usesWatermarks: true,
    at: ({ watermarks }, after) => {
      const selection = bucketSelectionAfter(request, after)
      return {
        fields: chooseFields(BAR_FIELDS, request.fields).map(({ name }) => name),
        selection,
        statement: async (scan, _, reading) => {
          const stretches = await stretchesOf(selection, scan, calendars, reading)
          return barsStatement(selection, scan, { stretches, watermarks }, after, reading.encoding)
        },
      }
    },
  }
}

interface BarsContext {
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
  { stretches, watermarks }: BarsContext,
  after: PagePosition | null,
  encoding: Encoding,
): Statement {
  const input = INPUTS[request.of]
  const source = relation(scan, [...new Set([...SELECTION_COLUMNS, ...ORDER_COLUMNS, ...input.columns])])
  const bindings = new Bindings()
  const conditions = [
    'exchange_timestamp IS NOT NULL',
    `${input.price} IS NOT NULL`,
    ...selectionConditions(request, bindings),
  ]
  const size = request.of === 'trades' ? ', size' : ''
  const events = [
    `SELECT ${INSTRUMENT}, epoch_us(exchange_timestamp) AS micros, ${input.price} AS price${size},`,
    `${orderKey(input.price)} AS position FROM ${source} ${whereAll(conditions)}`,
  ].join(' ')
  const key = BUCKET_KEY.join(', ')
  const page = [
    `SELECT ${key}, arg_min(price, position) AS open, max(price) AS high,`,
    `min(price) AS low, arg_max(price, position) AS close, ${input.sums}, count(*) AS count`,
    `FROM (${inBuckets(events, request.intervalSeconds, stretches, bindings)})`,
    after ? `WHERE ${afterBucket(after, request.order, bindings)}` : '',
    `GROUP BY ${key} ORDER BY ${orderByBucket(request.order)} ${oneMoreThan(request.limit)}`,
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
