import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Config, loadConfig } from '#config'
import { createLogger, systemClock, systemRandom } from '#core'
import { Lake } from '../../src/cli/lake.js'

export interface Posted {
  readonly status: number
  readonly headers: Headers
  /** `data` of an answer, or the problem. */
  readonly body: Readonly<Record<string, unknown>>
}

/** The whole system in a folder of its own, to be posted to and asked. */
export class IngestFixture {
  readonly #config: Config
  #lake: Lake

  private constructor(config: Config, lake: Lake) {
    this.#config = config
    this.#lake = lake
  }

  static async open(
    ingest: Partial<Config['ingest']> = {},
    others: Partial<Config> = {},
  ): Promise<IngestFixture> {
    const data = await mkdtemp(join(tmpdir(), 'ticklake-ingest-'))
    const surroundings = { env: {}, isTerminal: false, cores: 2 }
    const config = loadConfig({ data, port: '0' }, surroundings)
    const own = { ...config, ...others, ingest: { ...config.ingest, ...ingest } }
    return new IngestFixture(own, await startLake(own))
  }

  get url(): string {
    return this.#lake.url
  }

  get data(): string {
    return this.#config.data
  }

  async restart(): Promise<void> {
    await this.#lake.stop()
    this.#lake = await startLake(this.#config)
  }

  async close(): Promise<void> {
    await this.#lake.stop()
    await rm(this.#config.data, { recursive: true, force: true })
  }

  /** Posts a body; `path` is what follows /v1/ingest/. */
  async post(
    path: string,
    type: string,
    body: string | Uint8Array<ArrayBuffer>,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Posted> {
    const response = await fetch(`${this.url}/v1/ingest/${path}`, {
      method: 'POST',
      headers: { 'content-type': type, ...headers },
      body,
    })
    // Each answer is an envelope or a problem, both objects.
    const answer = (await response.json()) as { readonly data?: Posted['body'] }
    return { status: response.status, headers: response.headers, body: answer.data ?? answer }
  }

  /** Rows of a list, once there are `count` of them. */
  async rows(path: string, count: number): Promise<readonly Readonly<Record<string, unknown>>[]> {
    for (;;) {
      const response = await fetch(`${this.url}${path}`)
      // A list's answer is an envelope of rows.
      const { data } = (await response.json()) as { data: readonly Readonly<Record<string, unknown>>[] }
      if (data.length >= count) return data
    }
  }
}

async function startLake(config: Config): Promise<Lake> {
  const logger = createLogger({ level: 'silent', format: 'json' })
  const lake = await Lake.start(config, { clock: systemClock, random: systemRandom, logger })
  await lake.caughtUp
  return lake
}
