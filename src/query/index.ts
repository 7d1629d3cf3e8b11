export type { Answer, AnswerMeta, AnswerOptions, QueryEngine } from './answer.js'
export { BAR_FIELDS } from './bar-fields.js'
export { COUNT_FIELDS } from './count.js'
export { rowFields } from './event-fields.js'
export type { Encoding, Field } from './field.js'
export {
  BAR_SOURCES,
  type BarSource,
  type BarsRequest,
  type CountRequest,
  DEFAULT_LIMIT,
  type LatestRequest,
  MARKET_TABLES,
  MAX_LIMIT,
  MAX_SYMBOLS,
  type MarketTable,
  type Order,
  type Page,
  parseFields,
  parseInterval,
  parseRange,
  parseSymbols,
  parseTimeZone,
  type RowsRequest,
  type Selection,
  type SnapshotsRequest,
  type SymbolsRequest,
} from './request.js'
export { QueryRouter, type QueryRouterOptions } from './router.js'
export { SNAPSHOT_FIELDS } from './snapshots.js'
export { SYMBOL_FIELDS } from './symbols.js'
