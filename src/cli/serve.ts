import { loadConfig } from '#config'
import { createLogger, systemClock, systemRandom } from '#core'
import { Lake } from './lake.js'
import { aborted } from './stop-signal.js'

export interface ServeOptions {
  readonly data?: string
  readonly host?: string
  readonly port?: string
}

/** Serves a data folder until the signal aborts; then stops taking, flushes, commits and closes. */
export async function serve(options: ServeOptions, signal: AbortSignal): Promise<void> {
  const config = loadConfig(options)
  const logger = createLogger(config.logging)
  const lake = await Lake.start(config, { clock: systemClock, random: systemRandom, logger })
  logger.info('serving', { url: lake.url, data: config.data, pid: process.pid })
  try {
    await Promise.race([lake.caughtUp, aborted(signal)])
    if (lake.isEmpty) {
      logger.info(
        'the data folder is empty: load a file with `ticklake load FILE --format NAME`, or see `ticklake demo`',
      )
    } else if (!signal.aborted) {
      logger.info('the tables have caught up with the log')
    }
    await aborted(signal)
    logger.info('stopping: what is in memory is being committed')
  } finally {
    await lake.stop()
  }
  logger.info('stopped')
}
