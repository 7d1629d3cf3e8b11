import { afterEach } from 'vitest'
import { describeLog } from '../../contract/log.js'
import { kafkaOptions, startLog, stopAll } from './kafka-fixture.js'

afterEach(stopAll)

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
