import { MemoryLog } from '../../../src/ingest/log/memory.js'
import { MemoryStore } from '../../../src/ingest/log/memory-store.js'
import { describeStoredLog } from '../../contract/stored-log.js'

describeStoredLog('MemoryLog', async (clock, retention) => {
  const store = new MemoryStore()
  let log = new MemoryLog(clock, retention, store)
  await log.start()
  return {
    log,
    reopen: async () => {
      await log.stop()
      log = new MemoryLog(clock, retention, store)
      await log.start()
      return log
    },
  }
})
