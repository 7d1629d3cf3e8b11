export { Consumer, type ConsumerStatus } from './consumer.js'
export { Corrector, type CorrectorOptions } from './corrector.js'
export { type Inspector, openInspector } from './inspector.js'
export { Loader, type LoadRequest, type LoadResult } from './loader.js'
export { EmbeddedLog } from './log/embedded.js'
export { KafkaLog } from './log/kafka/kafka-log.js'
export type { Log, LogRecord } from './log/log.js'
export type { StateStore } from './log/log-store.js'
export {
  Poster,
  type PosterOptions,
  type PostForm,
  type PostRequest,
  type PostResult,
} from './posting/poster.js'
export { Pressure, type PressureBounds, type PressureState } from './pressure.js'
export { Producer } from './producer.js'
export { ConfluentRegistry } from './registry/confluent.js'
export { EmbeddedRegistry } from './registry/embedded.js'
export type { SchemaRegistry } from './registry/registry.js'
export { type QuarantinedRecord, Replay, type ReplayResult } from './replay.js'
export type { LoadCounts } from './source-load.js'
