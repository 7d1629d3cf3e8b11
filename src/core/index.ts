export { type AddedColumn, type AddedType, sameColumns } from './added-column.js'
export { assert, unreachable } from './assert.js'
export { Breaker, type BreakerState } from './breaker.js'
export { type Clock, type Random, systemClock, systemRandom } from './clock.js'
export {
  batchColumn,
  batchColumnKinds,
  batchColumnNames,
  CELL_STRING_BYTES,
  type Column,
  type ColumnBatch,
  type StringColumn,
} from './column-batch.js'
export {
  CODE_FORMS,
  type CodeForm,
  type ConditionCode,
  type ConditionTable,
  PRINT_USES,
  type PrintUse,
} from './condition-table.js'
export { CORRECTED_COLUMNS, CORRECTION_ACTIONS, CORRECTIONS } from './correction.js'
export { formatDecimal, parseDecimal, type Scaled } from './decimal.js'
export { diskFull, type ErrorCode, invalid, type TextPosition, TicklakeError } from './errors.js'
export { heapShare } from './heap.js'
export {
  EMPTY_LEDGER,
  type FeedState,
  type FilledGap,
  type InstrumentState,
  instrumentKey,
  type Ledger,
  MAX_INSTRUMENTS,
  type PriceStatistics,
  type RecordMark,
  type SequenceGap,
  type SequenceRun,
} from './ledger.js'
export { createLogger, type Logger, type LoggingOptions } from './logging.js'
export { type Durations, type MetricName, Metrics, type Sample } from './metrics.js'
export { QUARANTINE_REASONS, QualityFlag, type QuarantineReason } from './quality.js'
export { QUARANTINE } from './quarantine.js'
export { QUOTES } from './quote.js'
export { residentShare } from './resident.js'
export { SEQUENCE_GAPS } from './sequence-gaps.js'
export type { Service } from './service.js'
export { type Session, type SessionCalendar, SessionCalendars } from './session-calendar.js'
export {
  type ColumnDefinition,
  type ColumnType,
  DECIMAL_PRECISION,
  DECIMAL_SCALE,
  type LayoutColumn,
  type TableDefinition,
  type TableLayout,
  type TableName,
  type WideDecimal,
} from './table-definition.js'
export {
  dayOfMicros,
  formatDay,
  formatMicros,
  MAX_EVENT_MICROS,
  MICROS_PER_DAY,
  parseTimeNanos,
} from './time.js'
export { localTime, startOfDay, type ZoneOffset, zoneOffset } from './time-zone.js'
export { TRADES } from './trade.js'
export {
  covers,
  formatVector,
  type OffsetVector,
  parseVector,
  sameVector,
  type Version,
  widened,
} from './version.js'
