import { sqlName, sqlString } from '#engine'
import type { Statement } from './answer.js'
import { Bindings } from './bindings.js'
import { SELECTION_COLUMNS, selectionConditions, whereAll } from './conditions.js'
import { rowFields } from './event-fields.js'
import { chooseFields, columnsOf, encodeRow, type Field, nanosField, timeField } from './field.js'
import { afterInstrument, INSTRUMENT, INSTRUMENT_KEY_FORM, instrumentKeyText } from './instrument.js'
import { ORDER_COLUMNS, orderKey, tieOf } from './order-key.js'
import { oneMoreThan } from './page.js'
import type { PagePosition } from './page-token.js'
import type { PagedList } from './paged-list.js'
import { QUOTE_CELL_NAMES, QUOTE_CELLS, QUOTE_COLUMNS, QUOTE_FIELDS_BESIDE } from './quote-fields.js'
import type { Reading } from './reading.js'
import type { MarketSnapshotRequest } from './request.js'
import { relation, type Scan } from './scan.js'

const OF_INSTRUMENT = new Set(['symbol', 'exchange'])
const OF_TRADE = new Set(['price', 'size', 'side', 'venue', 'conditions'])
const TRADE_FIELDS = rowFields('trades').filter(({ name }) => OF_TRADE.has(name))

export const MARKET_SNAPSHOT_FIELDS: readonly Field[] = [
  ...rowFields('trades').filter(({ name }) => OF_INSTRUMENT.has(name)),
  timeField('trade_ts', 'trade_micros', ['trade_micros'], 'event time of the trade, RFC 3339 in UTC'),
  nanosField('trade_ts_ns', 'trade_micros', 'trade_nanos', ['trade_micros', 'trade_nanos']),
  ...TRADE_FIELDS,
  ...QUOTE_FIELDS_BESIDE,
]

const TRADE_COLUMNS = columnsOf(TRADE_FIELDS)
const TRADE_CELLS = [
  'epoch_us(exchange_timestamp) AS trade_micros',
  'coalesce(exchange_nanos, 0) AS trade_nanos',
  ...TRADE_COLUMNS.map(sqlName),
].join(', ')
const TRADE_CELL_NAMES = ['trade_micros', 'trade_nanos', ...TRADE_COLUMNS]

/**
 * The last trade and the last quote of each instrument in a selection, each in its total order; an instrument that had
 * only one of them by then has nulls for the other.
 */
export function marketSnapshotList(request: MarketSnapshotRequest): PagedList {
  return {
    name: 'market-snapshot',
    table: 'trades',
    beside: 'quotes',
    request,
    keyForm: INSTRUMENT_KEY_FORM,
    usesWatermarks: false,
    at: (_, after) => ({
      fields: chooseFields(MARKET_SNAPSHOT_FIELDS, request.fields).map(({ name }) => name),
      selection: request,
      besideSelection: request,
      statement: async ({ scan }, reading) =>
        marketSnapshotStatement(request, scan, await reading.planBeside(request), after, reading),
    }),
  }
}

function marketSnapshotStatement(
  request: MarketSnapshotRequest,
  trades: Scan,
  quotes: Scan,
  after: PagePosition | null,
  { encoding }: Reading,
): Statement {
  const bindings = new Bindings()
  const last = (scan: Scan, columns: readonly string[], cells: string, names: readonly string[]) => {
    const read = [...new Set([...columns, ...SELECTION_COLUMNS, ...ORDER_COLUMNS])]
    // A row without event time, which only a foreign engine can have written, is nobody's last.
    const where = whereAll(['exchange_timestamp IS NOT NULL', ...selectionConditions(request, bindings)])
    const members = names.map((name) => `${sqlString(name)}: ${sqlName(name)}`).join(', ')
    return [
      `SELECT exchange, symbol, unnest(arg_max({${members}}, position)) FROM`,
      `(SELECT ${INSTRUMENT}, ${cells}, ${orderKey(tieOf(read))} AS position FROM ${relation(scan, read)} ${where})`,
      after ? `WHERE ${afterInstrument(after.key, bindings)}` : '',
      'GROUP BY exchange, symbol',
    ].join(' ')
  }
  const page = [
    `SELECT * FROM (${last(trades, TRADE_COLUMNS, TRADE_CELLS, TRADE_CELL_NAMES)})`,
    `FULL JOIN (${last(quotes, QUOTE_COLUMNS, QUOTE_CELLS, QUOTE_CELL_NAMES)}) USING (exchange, symbol)`,
    `ORDER BY exchange, symbol ${oneMoreThan(request.limit)}`,
  ].join(' ')
  const row = encodeRow(chooseFields(MARKET_SNAPSHOT_FIELDS, request.fields), encoding)
  return {
    sql: `SELECT ${row} AS row, ${instrumentKeyText()} AS key FROM (${page})`,
    parameters: bindings.values,
  }
}
