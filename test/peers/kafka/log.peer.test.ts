import { afterEach } from 'vitest'
import { describeLog } from '../../contract/log.js'
import { kafkaOptions, startLog, stopLogs } from './kafka-fixture.js'

afterEach(stopLogs)

describeLog('KafkaLog', async () => {
  const options = kafkaOptions()
  let log = await startLog(options)
  return {
    log,
    reopen: async () => {
      await log.stop()
      log = await startLog(options)
      return log
    },
  }
})
