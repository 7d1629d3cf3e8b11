import type { Clock } from '#core'
import { MemoryStore } from './memory-store.js'
import { type Retention, StoredLog } from './stored-log.js'

/** A log that lasts as long as its store: started again on the same store, it finds everything again. */
export class MemoryLog extends StoredLog {
  constructor(clock: Clock, retention: Retention = {}, store = new MemoryStore()) {
    super(store, clock, retention)
  }
}
