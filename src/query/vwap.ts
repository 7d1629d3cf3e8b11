import type { ConditionTable } from '#core'
import type { RollupTable } from '#storage'
import type { Statement } from './answer.js'
import type { BarEvents } from './bar-events.js'
import { BAR_FIELDS, withVwap } from './bar-fields.js'
import { barInput, TRADE_SUMS } from './bar-input.js'
import { barsList } from './bars.js'
import { Bindings } from './bindings.js'
import { SELECTION_COLUMNS, selectionConditions, whereAll } from './conditions.js'
import { encodeRow, type Field, numberField, timeField } from './field.js'
import { afterInstrument, INSTRUMENT, INSTRUMENT_KEY_FORM, instrumentKeyText } from './instrument.js'
import type { MarketRules } from './market-rules.js'
import { oneMoreThan } from './page.js'
import type { PagePosition } from './page-token.js'
import type { PagedList } from './paged-list.js'
import type { Part } from './part.js'
import { countsFor, PRINT_COLUMNS } from './print-uses.js'
import type { Reading } from './reading.js'
import type { BarsRequest, VwapRequest } from './request.js'
import { openRolled, STATE_SUMS, STATE_TIMES } from './rolled-bars.js'
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
  const input = barInput('trades', request.prints, conditions)
  return {
    name: 'vwap',
    table: 'trades',
    request,
    keyForm: INSTRUMENT_KEY_FORM,
    usesWatermarks: false,
    ...(request.prints === 'eligible' && { rules: { conditions } }),
    at: (pinned, after) => ({
      fields: VWAP_FIELDS.map(({ name }) => name),
      selection: request,
      keptBy: () => null,
      statement: ({ scan }, reading) => vwapStatement(rowTrades(request, scan, conditions), after, reading),
      ...(rollups.length > 0 &&
        request.prints === 'all' && {
          openDerived: async (part: Part) => {
            const wanted = { ...request, of: 'trades' } as const
            const rolled = await openRolled(rollups, {
              request: wanted,
              part,
              pinned,
              input,
              stretches: null,
            })
            if (rolled === null) return null
            const { scan, events, release } = rolled
            const trades = { select: events.select, aggregates: `${STATE_SUMS}, ${STATE_TIMES}` }
            return { scan, statement: (reading: Reading) => vwapStatement(trades, after, reading), release }
          },
        }),
    }),
  }
}

/** What a vwap is of, and how it becomes volume, notional, count and times of an instrument. */
type Trades = Pick<BarEvents, 'select' | 'aggregates'>

/** Those trades that count. */
function rowTrades(request: VwapRequest, scan: Scan, tables: readonly ConditionTable[]): Trades {
  const isEligible = request.prints === 'eligible'
  const columns = [...SELECTION_COLUMNS, 'price', 'size', ...(isEligible ? PRINT_COLUMNS : [])]
  return {
    select: (bindings) => {
      const where = whereAll([
        'exchange_timestamp IS NOT NULL',
        'price IS NOT NULL',
        ...(isEligible ? [countsFor('volume', tables)] : []),
        ...selectionConditions(request, bindings),
      ])
      const source = relation(scan, [...new Set(columns)])
      return `SELECT ${INSTRUMENT}, price, size, epoch_us(exchange_timestamp) AS micros FROM ${source} ${where}`
    },
    aggregates: `${TRADE_SUMS}, min(micros) AS first_micros, max(micros) AS last_micros`,
  }
}

function vwapStatement(
  { select, aggregates }: Trades,
  after: PagePosition | null,
  { limit, encoding }: Reading,
): Statement {
  const bindings = new Bindings()
  const page = [
    `SELECT exchange, symbol, ${aggregates} FROM (${select(bindings)})`,
    after ? `WHERE ${afterInstrument(after.key, bindings)}` : '',
    `GROUP BY exchange, symbol ORDER BY exchange, symbol ${oneMoreThan(limit)}`,
  ].join(' ')
  const row = encodeRow(VWAP_FIELDS, encoding)
  const sql = `SELECT ${row} AS row, ${instrumentKeyText()} AS key FROM (${withVwap(page)})`
  return { sql, parameters: bindings.values }
}
