import type { ConditionTable } from '#core'
import type { RollupTable } from '#storage'
import type { Statement } from './answer.js'
import { BAR_FIELDS, withVwap } from './bar-fields.js'
import { TRADE_SUMS } from './bar-input.js'
import { barsList } from './bars.js'
import { Bindings } from './bindings.js'
import { SELECTION_COLUMNS, selectionConditions, whereAll } from './conditions.js'
import { type Encoding, encodeRow, type Field, numberField, timeField } from './field.js'
import { afterInstrument, INSTRUMENT, INSTRUMENT_KEY_FORM, instrumentKeyText } from './instrument.js'
import type { MarketRules } from './market-rules.js'
import { oneMoreThan } from './page.js'
import type { PagePosition } from './page-token.js'
import type { PagedList } from './paged-list.js'
import { countsFor, PRINT_COLUMNS } from './print-uses.js'
import type { BarsRequest, VwapRequest } from './request.js'
import { relation, type Scan } from './scan.js'

const IN_BOTH = new Set(['symbol', 'exchange', 'volume', 'notional', 'vwap'])
const INTERVAL_FIELDS = ['symbol', 'exchange', 'ts', 'ts_ns', 'volume', 'notional', 'vwap', 'count', 'final']

/** Of the vwap of a range: the trades that count, and their times. */
export const VWAP_FIELDS: readonly Field[] = [
  ...BAR_FIELDS.filter(({ name }) => IN_BOTH.has(name)),
  numberField('count', 'count', 'trades that count'),
  timeField('first_ts', 'first_micros', ['first_micros'], 'event time of the first of them'),
  timeField('last_ts', 'last_micros', ['last_micros'], 'event time of the last of them'),
]

/** Of its intervals. */
export const VWAP_INTERVAL_FIELDS = BAR_FIELDS.filter(({ name }) => INTERVAL_FIELDS.includes(name))

/**
 * Volume, notional and their quotient: of a range, by exchange and symbol; of each interval of it, as bars have it and in
 * their order.
 */
export function vwapList(
  request: VwapRequest,
  rules: MarketRules,
  rollups: readonly RollupTable[],
): PagedList {
  if (request.intervalSeconds !== null) {
    const { intervalSeconds } = request
    const bars: BarsRequest = {
      ...request,
      intervalSeconds,
      of: 'trades',
      fill: 'none',
      fields: INTERVAL_FIELDS,
    }
    return barsList(bars, rules, rollups)
  }
  const { conditions } = rules
  return {
    name: 'vwap',
    table: 'trades',
    request,
    keyForm: INSTRUMENT_KEY_FORM,
    usesWatermarks: false,
    ...(request.prints === 'eligible' && { rules: { conditions } }),
    at: (_, after) => ({
      fields: VWAP_FIELDS.map(({ name }) => name),
      selection: request,
      keptBy: () => null,
      statement: (scan, _, { encoding }) => vwapStatement(request, scan, conditions, after, encoding),
    }),
  }
}

function vwapStatement(
  request: VwapRequest,
  scan: Scan,
  tables: readonly ConditionTable[],
  after: PagePosition | null,
  encoding: Encoding,
): Statement {
  const isEligible = request.prints === 'eligible'
  const columns = [...SELECTION_COLUMNS, 'price', 'size', ...(isEligible ? PRINT_COLUMNS : [])]
  const source = relation(scan, [...new Set(columns)])
  const bindings = new Bindings()
  const conditions = [
    'exchange_timestamp IS NOT NULL',
    'price IS NOT NULL',
    ...(isEligible ? [countsFor('volume', tables)] : []),
    ...selectionConditions(request, bindings),
  ]
  const events = `SELECT ${INSTRUMENT}, price, size, epoch_us(exchange_timestamp) AS micros FROM ${source} ${whereAll(conditions)}`
  const page = [
    `SELECT exchange, symbol, ${TRADE_SUMS}, min(micros) AS first_micros, max(micros) AS last_micros`,
    `FROM (${events}) ${after ? `WHERE ${afterInstrument(after.key, bindings)}` : ''}`,
    `GROUP BY exchange, symbol ORDER BY exchange, symbol ${oneMoreThan(request.limit)}`,
  ].join(' ')
  const row = encodeRow(VWAP_FIELDS, encoding)
  const sql = `SELECT ${row} AS row, ${instrumentKeyText()} AS key FROM (${withVwap(page)})`
  return { sql, parameters: bindings.values }
}
