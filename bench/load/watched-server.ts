import { readFileSync } from 'node:fs'
import { parseExposition } from '../../test/support/exposition.js'
import type { TicklakeServer } from '../../test/support/ticklake-process.js'

const SAMPLE_EVERY_MS = 1000

/** Memory of a process at a moment, bytes: all that is resident, and what of it is not of files. */
export interface MemorySample {
  readonly atMs: number
  readonly resident: number
  readonly anonymous: number
}

/** A server's process, looked at from outside while it works. Linux only. */
export class WatchedServer {
  readonly samples: MemorySample[] = []
  readonly #server: TicklakeServer
  readonly #timer = setInterval(() => this.#sample(), SAMPLE_EVERY_MS)

  constructor(server: TicklakeServer) {
    this.#server = server
    this.#sample()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#sample()
  }

  /** CPU that it has used, user and system, ms. */
  get cpuMs(): number {
    const fields = readFileSync(`/proc/${this.#server.pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ')
    return (Number(fields[11]) + Number(fields[12])) * 10
  }

  /** Its own metrics. Those of the event loop are of the time since the last look. */
  async metrics(): Promise<ReadonlyMap<string, number>> {
    return parseExposition(await (await fetch(`${this.#server.url}/metrics`)).text())
  }

  #sample(): void {
    const status = readFileSync(`/proc/${this.#server.pid}/status`, 'utf8')
    const bytes = (name: string) =>
      Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0) * 1024
    const atMs = performance.timeOrigin + performance.now()
    this.samples.push({ atMs, resident: bytes('VmRSS'), anonymous: bytes('RssAnon') })
  }
}
