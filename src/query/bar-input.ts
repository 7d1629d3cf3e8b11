import { type ConditionTable, PRINT_USES, type PrintUse } from '#core'
import { countsFor, PRINT_COLUMNS } from './print-uses.js'
import { MID } from './quote-fields.js'
import type { BarSource, MarketTable, Prints } from './request.js'

/** What bars are made of. */
export interface BarInput {
  readonly table: MarketTable
  readonly columns: readonly string[]
  /** The price of a row; NULL or 0 (a quote's empty side) where it has none. */
  readonly price: string
  /** Of one row; NULL of quotes, which have neither. */
  readonly volume: string
  readonly notional: string
  /** Further cells of an event that the aggregates read. */
  readonly cells: readonly string[]
  /** Rows of other kinds are in no bar. */
  readonly conditions: readonly string[]
  /** open, high, low, close, volume, notional and count of a bucket, over `price`, `position` and the cells. */
  readonly aggregates: string
  /** Volume and notional of a bucket without a row. */
  readonly nothing: string
}

const SUM = 'DECIMAL(38,8)'
const PRODUCT_SUM = 'DECIMAL(38,16)'
// DuckDB multiplies two DECIMAL(18,8) into 18 digits; two of 19 give the 38 that every product needs.
const WIDE = 'DECIMAL(19,8)'
const PRODUCT = `CAST(price AS ${WIDE}) * CAST(size AS ${WIDE})`
const NOTIONAL = `sum(${PRODUCT})`
const PRICES = [
  'arg_min(price, position) AS open, max(price) AS high,',
  'min(price) AS low, arg_max(price, position) AS close',
].join(' ')
/** Volume, notional and count of trades, exact, over `price` and `size`. */
export const TRADE_SUMS = `sum(size) AS volume, ${NOTIONAL} AS notional, count(*) AS count`
const NO_SUM = { volume: `CAST(NULL AS ${SUM})`, notional: `CAST(NULL AS ${PRODUCT_SUM})` }
const NO_SUMS = `${NO_SUM.volume} AS volume, ${NO_SUM.notional} AS notional`
const ZERO_SUMS = `CAST(0 AS ${SUM}) AS volume, CAST(0 AS ${PRODUCT_SUM}) AS notional`

const TRADES: BarInput = {
  table: 'trades',
  columns: ['price', 'size'],
  price: 'price',
  volume: 'size',
  notional: PRODUCT,
  cells: ['size'],
  conditions: [],
  aggregates: `${PRICES}, ${TRADE_SUMS}`,
  nothing: ZERO_SUMS,
}

const QUOTES = {
  table: 'quotes',
  ...NO_SUM,
  cells: [],
  conditions: [],
  aggregates: `${PRICES}, ${NO_SUMS}, count(*) AS count`,
  nothing: NO_SUMS,
} as const

const INPUTS: Readonly<Record<BarSource, BarInput>> = {
  trades: TRADES,
  bid: { ...QUOTES, columns: ['bid_price'], price: 'nullif(bid_price, 0)' },
  ask: { ...QUOTES, columns: ['ask_price'], price: 'nullif(ask_price, 0)' },
  mid: {
    ...QUOTES,
    columns: ['bid_price', 'ask_price'],
    price: MID,
  },
}

/** What the bars of a source are made of; of trades, of all or of those that count by their conditions. */
export function barInput(of: BarSource, prints: Prints, tables: readonly ConditionTable[]): BarInput {
  return of === 'trades' && prints === 'eligible' ? eligibleTrades(tables) : INPUTS[of]
}

const FLAGS: Readonly<Record<PrintUse, string>> = {
  openClose: 'counts_open_close',
  highLow: 'counts_high_low',
  volume: 'counts_volume',
}

function eligibleTrades(tables: readonly ConditionTable[]): BarInput {
  const counts = PRINT_USES.map((use) => countsFor(use, tables))
  const when = (use: PrintUse) => `FILTER (${FLAGS[use]})`
  return {
    ...TRADES,
    columns: [...TRADES.columns, ...PRINT_COLUMNS],
    cells: ['size', ...PRINT_USES.map((use, index) => `${counts[index]} AS ${FLAGS[use]}`)],
    conditions: [`(${counts.join(' OR ')})`],
    aggregates: [
      `arg_min(price, position) ${when('openClose')} AS open, max(price) ${when('highLow')} AS high`,
      `min(price) ${when('highLow')} AS low, arg_max(price, position) ${when('openClose')} AS close`,
      `coalesce(sum(size) ${when('volume')}, CAST(0 AS ${SUM})) AS volume`,
      `coalesce(${NOTIONAL} ${when('volume')}, CAST(0 AS ${PRODUCT_SUM})) AS notional`,
      `count(*) ${when('volume')} AS count`,
    ].join(', '),
  }
}
