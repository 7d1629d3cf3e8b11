import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { setTimeout as after } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** How the program is started: from its sources, or as it was built. */
export const FROM_SOURCE = ['--conditions=source', '--import', 'tsx', `${root}src/main.cts`] as const
export const AS_BUILT = [`${root}dist/main.cjs`] as const

export interface ProcessOptions {
  readonly program: readonly string[]
  /** TICKLAKE_* settings. */
  readonly settings?: Readonly<Record<string, string>>
}

export interface Finished {
  /** Null when a signal ended it. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A ticklake command under way, in a process of its own. */
export class TicklakeProcess {
  readonly finished: Promise<Finished>
  readonly #child: ChildProcess

  constructor(args: readonly string[], { program, settings = {} }: ProcessOptions) {
    const env = { ...process.env, ...settings }
    const child = spawn(process.execPath, [...program, ...args], {
      cwd: root,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const closed = once(child, 'close')
    this.#child = child
    this.finished = Promise.all([text(child.stdout), text(child.stderr), closed]).then(
      ([stdout, stderr]) => ({
        code: child.exitCode,
        stdout,
        stderr,
      }),
    )
  }

  /** Ends it at once, as a crash would. No effect when it has ended. */
  kill(): void {
    this.#child.kill('SIGKILL')
  }
}

/** Runs a command to its end; throws with what it said when it fails. */
export async function runTicklake(args: readonly string[], options: ProcessOptions): Promise<string> {
  const { code, stdout, stderr } = await new TicklakeProcess(args, options).finished
  if (code !== 0) throw new Error(`ticklake ${args.join(' ')} ended with ${code}: ${stderr.trim()}`)
  return stdout
}

/** A server in a process of its own, on a free port. */
export class TicklakeServer {
  readonly url: string
  readonly pid: number
  /** What it has logged, one JSON text each; the last hundred lines. */
  readonly said: readonly string[]
  /** Resolves when the process is gone, however it ended. */
  readonly ended: Promise<void>
  readonly #child: ChildProcess

  private constructor(url: string, said: readonly string[], child: ChildProcess, ended: Promise<void>) {
    this.url = url
    this.pid = child.pid ?? 0
    this.said = said
    this.ended = ended
    this.#child = child
  }

  /** Resolves when the tables have caught up with the log. */
  static async start(data: string, options: ProcessOptions): Promise<TicklakeServer> {
    const server = await TicklakeServer.launch(data, options)
    await server.ready()
    return server
  }

  /** Resolves when it serves; its tables may still be behind the log. */
  static async launch(data: string, { program, settings = {} }: ProcessOptions): Promise<TicklakeServer> {
    const args = [...program, 'serve', '--data', data, '--port', '0']
    const env = {
      ...process.env,
      ...settings,
      TICKLAKE_LOGGING_LEVEL: 'info',
      TICKLAKE_LOGGING_FORMAT: 'json',
    }
    const child = spawn(process.execPath, args, { cwd: root, env, stdio: ['ignore', 'ignore', 'pipe'] })
    const ended = new Promise<void>((resolve) => {
      child.once('exit', () => resolve())
    })
    const said: string[] = []
    const url = await new Promise<string>((resolve, reject) => {
      createInterface({ input: child.stderr }).on('line', (line) => {
        // Read to the end: a full pipe would stop the server.
        said.push(line)
        if (said.length > 100) said.shift()
        if (line.includes('"message":"serving"')) resolve(JSON.parse(line).url)
      })
      void ended.then(() => reject(new Error(`ticklake serve has ended: ${said.join('\n')}`)))
    })
    return new TicklakeServer(url, said, child, ended)
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** Whether SIGKILL has ended it. */
  get wasKilled(): boolean {
    return this.#child.signalCode === 'SIGKILL'
  }

  /** Resolves when the tables have caught up with the log; throws when the process ends before. */
  async ready(): Promise<void> {
    while (!(await fetch(`${this.url}/health/ready`)).ok);
  }

  /** Ends it at once, as a crash would. */
  kill(): void {
    this.#child.kill('SIGKILL')
  }

  /** The text of an answer, and the token of its next page. Throws on a problem. */
  async get(
    path: string,
    parameters: Readonly<Record<string, string>> = {},
  ): Promise<{ body: string; next: string | null }> {
    const { response, body } = await this.#fetch(`${path}?${new URLSearchParams(parameters)}`)
    if (!response.ok) throw new Error(`${path}: ${response.status} ${body}`)
    return { body, next: response.headers.get('x-next-page-token') }
  }

  /** The status and `data` of an answer, or the problem. Sent again for as long as the server is too busy. */
  async post(
    path: string,
    body: object,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<{ readonly status: number; readonly data: unknown }> {
    for (;;) {
      const { response, body: text } = await this.#fetch(path, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      })
      if (response.status === 429 || response.status === 503) continue
      const answer = JSON.parse(text)
      return { status: response.status, data: answer.data ?? answer }
    }
  }

  async drop(path: string): Promise<void> {
    const { response, body } = await this.#fetch(path, { method: 'DELETE' })
    if (!response.ok) throw new Error(`${path}: ${response.status} ${body}`)
  }

  /** Fails as `fetch` does; when the server has ended by itself, with how it ended and what it said before. */
  async #fetch(path: string, init: RequestInit = {}): Promise<{ response: Response; body: string }> {
    try {
      const response = await fetch(`${this.url}${path}`, init)
      return { response, body: await response.text() }
    } catch (error) {
      const isGone = await Promise.race([this.ended.then(() => true), after(1_000).then(() => false)])
      if (!isGone || this.wasKilled) throw error
      const { exitCode, signalCode } = this.#child
      const last = this.said.slice(-10).join('\n')
      throw new Error(`the server has ended (${signalCode ?? exitCode}) before it answered ${path}\n${last}`)
    }
  }

  /** All rows of a list, page after page, one JSON text each. */
  async *rows(path: string, parameters: Readonly<Record<string, string>>): AsyncGenerator<string> {
    const page = { ...parameters, format: 'ndjson', limit: '50000' }
    for (let token: string | null = ''; token !== null; ) {
      const { body, next } = await this.get(path, token === '' ? page : { ...page, page_token: token })
      yield* body.split('\n').filter((line) => line !== '')
      token = next
    }
  }

  /** Asks it to stop and resolves when it has: everything is committed then. */
  async stop(): Promise<void> {
    if (this.isRunning) this.#child.kill('SIGTERM')
    await this.ended
  }
}
