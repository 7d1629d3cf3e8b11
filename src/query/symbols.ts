import type { Statement } from './answer.js'
import { Bindings } from './bindings.js'
import { SELECTION_COLUMNS, selectionConditions, whereAll } from './conditions.js'
import { type Encoding, encodeRow, type Field, numberField, textField, timeField } from './field.js'
import { afterInstrument, INSTRUMENT, INSTRUMENT_KEY_FORM, instrumentKeyText } from './instrument.js'
import { oneMoreThan } from './page.js'
import type { PagePosition } from './page-token.js'
import type { PagedList } from './paged-list.js'
import type { SymbolsRequest } from './request.js'
import { relation, type Scan } from './scan.js'

export const SYMBOL_FIELDS: readonly Field[] = [
  textField('symbol', 'symbol', 'instrument, as the exchange names it'),
  textField('exchange', 'exchange', 'the feed whose symbols are meant'),
  timeField('first_ts', 'first_micros', ['first_micros'], 'its oldest event in the selection'),
  timeField('last_ts', 'last_micros', ['last_micros'], 'its newest event in the selection'),
  numberField('count', 'count', 'its events in the selection'),
]

/** The instruments that have events, by exchange and symbol. */
export function symbolsList(request: SymbolsRequest): PagedList {
  return {
    name: 'symbols',
    table: request.table,
    request,
    keyForm: INSTRUMENT_KEY_FORM,
    usesWatermarks: false,
    at: (_, after) => ({
      fields: SYMBOL_FIELDS.map(({ name }) => name),
      selection: request,
      keptBy: () => null,
      statement: ({ scan }, { encoding }) => symbolsStatement(request, scan, after, encoding),
    }),
  }
}

/** One page of the instruments that have events. */
function symbolsStatement(
  request: SymbolsRequest,
  scan: Scan,
  after: PagePosition | null,
  encoding: Encoding,
): Statement {
  const source = relation(scan, SELECTION_COLUMNS)
  const bindings = new Bindings()
  const where = whereAll(selectionConditions(request, bindings))
  const events = `SELECT ${INSTRUMENT}, epoch_us(exchange_timestamp) AS micros FROM ${source} ${where}`
  const page = [
    `SELECT exchange, symbol, min(micros) AS first_micros, max(micros) AS last_micros, count(*) AS count`,
    `FROM (${events}) ${after ? `WHERE ${afterInstrument(after.key, bindings)}` : ''}`,
    `GROUP BY exchange, symbol ORDER BY exchange, symbol ${oneMoreThan(request.limit)}`,
  ].join(' ')
  const sql = `SELECT ${encodeRow(SYMBOL_FIELDS, encoding)} AS row, ${instrumentKeyText()} AS key FROM (${page})`
  return { sql, parameters: bindings.values }
}
