import type { Statement } from './answer.js'
import { Bindings } from './bindings.js'
import { SELECTION_COLUMNS, selectionConditions, whereAll } from './conditions.js'
import { rowFields } from './event-fields.js'
import { chooseFields, columnsOf, encodeRow, type Field } from './field.js'
import { INSTRUMENT } from './instrument.js'
import { ORDER_COLUMNS, ORDER_KEY_FORM, orderBy, orderKey, orderKeyText, tieOf } from './order-key.js'
import type { PagePosition } from './page-token.js'
import type { PagedList } from './paged-list.js'
import { QUOTE_CELL_NAMES, QUOTE_CELLS, QUOTE_COLUMNS, QUOTE_FIELDS_BESIDE } from './quote-fields.js'
import type { Reading } from './reading.js'
import type { AsofRequest, Prevailing, Selection } from './request.js'
import { isUniqueRowKey, rowsPage, selectionAfter } from './rows.js'
import { relation, type Scan } from './scan.js'

const OF_TRADE = new Set(
  'symbol,exchange,ts,ts_ns,price,size,side,venue,sequence,trade_id,conditions,message_id'.split(','),
)

export const ASOF_FIELDS: readonly Field[] = [
  ...rowFields('trades').filter(({ name }) => OF_TRADE.has(name)),
  ...QUOTE_FIELDS_BESIDE,
]

const TRADE_COLUMNS = [
  ...new Set([
    ...columnsOf(ASOF_FIELDS.filter(({ name }) => OF_TRADE.has(name))),
    ...SELECTION_COLUMNS,
    ...ORDER_COLUMNS,
  ]),
]

const NANOS_PER_SECOND = 1_000_000_000n
/** Greater than every key of a quote of the time, and less. */
const BORDERS: Readonly<Record<Prevailing, string>> = {
  at: `2147483647, 9223372036854775807, 18446744073709551615::UBIGINT`,
  before: '-1, -1::BIGINT, 0::UBIGINT',
}

/**
 * Trades in the total order, each with the quote that prevailed at it: the last of its exchange and symbol, in the total
 * order of quotes, whose event time is not after the trade's (`at`) or before it (`before`), and not older than allowed.
 * A trade without event time has none.
 */
export function asofList(request: AsofRequest): PagedList {
  return {
    name: 'asof',
    table: 'trades',
    beside: 'quotes',
    request,
    keyForm: ORDER_KEY_FORM,
    usesWatermarks: false,
    isUnique: isUniqueRowKey,
    at: (_, after) => ({
      fields: chooseFields(ASOF_FIELDS, request.fields).map(({ name }) => name),
      selection: selectionAfter(request, after),
      besideSelection: prevailingIn(request, selectionAfter(request, after)),
      statement: async ({ scan }, reading) => {
        const selection = await quoteSelection(request, scan, after, reading)
        const quotes = await reading.planBeside(selection)
        return asofStatement(request, scan, { selection, scan: quotes }, after, reading)
      },
    }),
  }
}

/** Which quotes may prevail at the trades of a page: its times are looked up, so that few files of quotes are read. */
async function quoteSelection(
  request: AsofRequest,
  scan: Scan,
  after: PagePosition | null,
  { query }: Reading,
): Promise<Selection> {
  if (request.limit === null) return prevailingIn(request, selectionAfter(request, after))
  const bindings = new Bindings()
  const page = rowsPage(request, scan, TRADE_COLUMNS, after, bindings)
  const sql = `SELECT min(epoch_us(exchange_timestamp)), max(epoch_us(exchange_timestamp)) FROM (${page})`
  const { columns } = await query({ sql, parameters: bindings.values })
  const [first, last] = columns.map(([value]) =>
    value === null || value === undefined ? 0n : BigInt(String(value)),
  )
  return prevailingIn(request, { startNanos: (first ?? 0n) * 1000n, endNanos: ((last ?? 0n) + 1n) * 1000n })
}

/** What holds the quotes that may prevail at trades of a range. */
function prevailingIn(
  request: AsofRequest,
  { startNanos, endNanos }: Pick<Selection, 'startNanos' | 'endNanos'>,
): Selection {
  const age = BigInt(request.maxAgeSeconds) * NANOS_PER_SECOND
  return { ...request, startNanos: startNanos === null ? null : startNanos - age, endNanos }
}

function asofStatement(
  request: AsofRequest,
  scan: Scan,
  quotes: { readonly selection: Selection; readonly scan: Scan },
  after: PagePosition | null,
  { encoding }: Reading,
): Statement {
  const bindings = new Bindings()
  const page = rowsPage(request, scan, TRADE_COLUMNS, after, bindings)
  const quoteColumns = [...new Set([...QUOTE_COLUMNS, ...SELECTION_COLUMNS, ...ORDER_COLUMNS])]
  const where = whereAll([
    'exchange_timestamp IS NOT NULL',
    ...selectionConditions(quotes.selection, bindings),
  ])
  const position = orderKey(tieOf(quoteColumns))
  const moment = `(exchange_timestamp, coalesce(exchange_nanos, 0), ${BORDERS[request.prevailing]})`
  const age =
    '(epoch_us(exchange_timestamp) - quote_micros)::HUGEINT * 1000 + coalesce(exchange_nanos, 0) - quote_nanos'
  const isYoung = `${age} <= ${BigInt(request.maxAgeSeconds) * NANOS_PER_SECOND}`
  const cells = QUOTE_CELL_NAMES.map((name) => `CASE WHEN ${isYoung} THEN ${name} END AS ${name}`)
  const joined = `WITH trades AS (SELECT *, coalesce(exchange, '') AS of_exchange, coalesce(symbol, '') AS of_symbol,
      ${moment} AS moment FROM (${page})),
    quotes AS (SELECT exchange AS of_exchange, symbol AS of_symbol, position, ${QUOTE_CELL_NAMES.join(', ')} FROM
      (SELECT ${INSTRUMENT}, ${position} AS position, ${QUOTE_CELLS}
       FROM ${relation(quotes.scan, quoteColumns)} ${where}))
    SELECT trades.* REPLACE (NULL AS moment), ${cells.join(', ')} FROM trades ASOF LEFT JOIN quotes
      ON trades.of_exchange = quotes.of_exchange AND trades.of_symbol = quotes.of_symbol AND moment >= position`
  const tie = tieOf(TRADE_COLUMNS)
  const row = encodeRow(chooseFields(ASOF_FIELDS, request.fields), encoding)
  return {
    sql: `SELECT ${row} AS row, ${orderKeyText(tie)} AS key FROM (${joined}) ORDER BY ${orderBy(request.order, tie)}`,
    parameters: bindings.values,
  }
}
