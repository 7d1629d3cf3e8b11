import type { Clock } from '#core'
import { LmdbStore } from './lmdb-store.js'
import { type Retention, StoredLog } from './stored-log.js'

/** The durable log of a single process, in a folder of its own; nothing else to install or run. */
export class EmbeddedLog extends StoredLog {
  constructor(folder: string, clock: Clock, retention: Retention = {}) {
    super(new LmdbStore(folder), clock, retention)
  }
}
