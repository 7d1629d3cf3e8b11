export type { Answer, AnswerMeta, AnswerOptions, Covered, QueryEngine, SqlMeta, TableMeta } from './answer.js'
export { ASOF_FIELDS } from './asof.js'
export { BAR_FIELDS } from './bar-fields.js'
export { AnswerCache } from './cache/answer-cache.js'
export type { LayerName, LayerStatus } from './cache/layer.js'
export { MemoryLayer } from './cache/memory-layer.js'
export { RedisLayer } from './cache/redis-layer.js'
export { CORRECTION_FIELDS } from './corrections.js'
export { COUNT_FIELDS } from './count.js'
export { COVERAGE_FIELDS } from './coverage.js'
export { arrowOpening } from './encodings/arrow-schema.js'
export { rowFields } from './event-fields.js'
export { type Encoding, type Field, isText } from './field.js'
export type { OpenGaps } from './gaps.js'
export { Headroom } from './headroom.js'
export { type LimitBounds, type LimitStatus, QueryLimits } from './limits.js'
export { MARKET_SNAPSHOT_FIELDS } from './market-snapshot.js'
export { QUALITY_FIELDS } from './quality.js'
export { QUARANTINE_FIELDS } from './quarantine.js'
export {
  type AsofRequest,
  BAR_SOURCES,
  type BarSource,
  type BarsRequest,
  CORRECTION_STATES,
  type CorrectionsRequest,
  DEFAULT_LIMIT,
  FILLS,
  type Fill,
  type LatestRequest,
  MARKET_TABLES,
  MAX_LIMIT,
  type MarketSnapshotRequest,
  type MarketTable,
  type Order,
  PREVAILING,
  PRINTS,
  type Prevailing,
  type Prints,
  parseAge,
  parseAsOf,
  parseFields,
  parseInterval,
  parseNames,
  parseRange,
  parseSymbols,
  parseTimeZone,
  type QuarantineRequest,
  REFUSED_KINDS,
  type RowsRequest,
  SECONDS_PER_DAY,
  SESSION_PARTS,
  type Selection,
  type SessionPart,
  type VwapRequest,
} from './request.js'
export { QueryRouter, type QueryRouterOptions } from './router.js'
export { RowData } from './row-data.js'
export { SNAPSHOT_FIELDS } from './snapshots.js'
export { type SqlRequest, SqlRouter } from './sql.js'
export { MAX_SQL_BYTES, type SqlArguments } from './sql-statement.js'
export { SYMBOL_FIELDS } from './symbols.js'
export { TABLE_QUALITY_FIELDS } from './table-quality.js'
export { VWAP_FIELDS, VWAP_INTERVAL_FIELDS } from './vwap.js'
