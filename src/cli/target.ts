import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { loadConfig } from '#config'
import { createLogger, invalid, systemClock, systemRandom, TicklakeError } from '#core'
import { Lake } from './lake.js'
import { LakeClient } from './lake-client.js'
import { aborted } from './stop-signal.js'

/** Where a command finds its lake. */
export interface Target {
  /** A server. */
  readonly url?: string
  /** A data folder, opened in this process. */
  readonly data?: string
}

/**
 * Uses the lake that the options name: the server at `url`; the folder `data`, for as long as it takes; with neither,
 * the server that answers at the configured host and port.
 */
export async function withLake(
  target: Target,
  signal: AbortSignal,
  use: (client: LakeClient) => Promise<void>,
): Promise<void> {
  if (target.data !== undefined) {
    // Asking must not make an empty lake where a path is mistyped.
    if (!existsSync(join(target.data, 'warehouse'))) {
      throw invalid('--data', target.data, 'a data folder: `ticklake serve` and `ticklake load` make one')
    }
    return withOwnLake(target.data, signal, (lake) => use(new LakeClient(lake.url)))
  }
  await use(await findServer(target.url))
}

/** Opens a data folder in this process, reads what its log holds, and closes it again, whatever happens. */
export async function withOwnLake(
  data: string,
  signal: AbortSignal,
  use: (lake: Lake) => Promise<void>,
): Promise<void> {
  const config = loadConfig({ data, port: '0' })
  const logger = createLogger({ ...config.logging, level: 'warn' })
  const lake = await Lake.start(config, { clock: systemClock, random: systemRandom, logger }).catch(
    sayHowToAsk,
  )
  try {
    await Promise.race([lake.caughtUp, aborted(signal)])
    signal.throwIfAborted()
    await use(lake)
  } finally {
    await lake.stop()
  }
}

/** The server at the URL, or at the configured host and port; an error says how to start one. */
export async function findServer(url: string | undefined): Promise<LakeClient> {
  const config = loadConfig({})
  const client = new LakeClient(url ?? `http://${config.host}:${config.port}`)
  if (await client.isThere()) return client
  throw new TicklakeError(
    'unavailable',
    `no server answers at ${client.url}: start one with \`ticklake serve\`, name another with --url, or open a folder with --data`,
  )
}

function sayHowToAsk(error: unknown): never {
  if (!(error instanceof TicklakeError) || error.code !== 'locked') throw error
  throw new TicklakeError('locked', `${error.message}; ask that process with --url, or stop it first`, {
    cause: error,
  })
}
