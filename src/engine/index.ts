export type { BatchAppender } from './batch-appender.js'
export { Engine, type EngineOptions } from './engine.js'
export { FencedLock } from './fenced-lock.js'
export type { ColumnStatistics, ParquetFile } from './parquet-file.js'
export { type QueryResult, type SqlParameters, type SqlValue, sqlName, sqlString } from './query-result.js'
export {
  type ResultChunk,
  type ResultColumn,
  Sandbox,
  type SandboxOptions,
  type Variables,
} from './sandbox.js'
