import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { spawnGuarded } from './guarded.js'

const REMEMBERED_LINES = 30
const READY_WITHIN_MS = 60_000
const STOPPED_WITHIN_MS = 20_000

export interface ServerProcessOptions {
  readonly file: string
  readonly args: readonly string[]
  readonly cwd: string
  /** What the server prints, on either stream, when it takes connections. */
  readonly ready: RegExp
}

/** A server in a process of its own, which never outlives us. */
export class ServerProcess {
  /** What matched `ready`. */
  readonly ready: RegExpExecArray
  readonly #child: ChildProcess
  readonly #closed: Promise<unknown>

  private constructor(ready: RegExpExecArray, child: ChildProcess, closed: Promise<unknown>) {
    this.ready = ready
    this.#child = child
    this.#closed = closed
  }

  /** Resolves when the server is ready. Throws with the last that it said when it ends before, or takes too long. */
  static async start({ file, args, cwd, ready }: ServerProcessOptions): Promise<ServerProcess> {
    const child = await spawnGuarded(file, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
    const closed = once(child, 'close')
    const lines: string[] = []
    const found = await new Promise<RegExpExecArray | string>((resolve) => {
      const late = setTimeout(() => resolve(`not ready after ${READY_WITHIN_MS / 1000} s`), READY_WITHIN_MS)
      const settle = (outcome: RegExpExecArray | string) => {
        clearTimeout(late)
        resolve(outcome)
      }
      for (const stream of [child.stdout!, child.stderr!]) {
        // Read to the end, or the server would stop at a full pipe.
        createInterface({ input: stream }).on('line', (line) => {
          lines.push(line)
          if (lines.length > REMEMBERED_LINES) lines.shift()
          const match = ready.exec(line)
          if (match !== null) settle(match)
        })
      }
      child.once('close', (code, signal) => settle(`ended with ${code ?? signal} before it was ready`))
    })
    if (typeof found !== 'string') return new ServerProcess(found, child, closed)
    child.kill('SIGKILL')
    await closed
    throw new Error(`${file} ${found}:\n${lines.join('\n')}`)
  }

  /** Asks it to end and waits until it has; kills it when it takes too long. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM')
    const late = setTimeout(() => this.#child.kill('SIGKILL'), STOPPED_WITHIN_MS)
    await this.#closed
    clearTimeout(late)
  }

  /** It answers nothing any more, and its connections stay open: as behind a network that fails. */
  suspend(): void {
    this.#child.kill('SIGSTOP')
  }

  resume(): void {
    this.#child.kill('SIGCONT')
  }

  /** Ends it at once, as a crash would. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#closed
  }
}
