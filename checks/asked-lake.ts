import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { parseExposition } from '../test/support/exposition.js'
import type { TicklakeServer } from '../test/support/ticklake-process.js'

export interface Asked {
  readonly status: number
  readonly retryAfter: string | null
  readonly ms: number
  /** The size of what came, or what a problem says. */
  readonly detail: string
}

/** A server that is asked too much of, and looked at from outside. */
export class AskedLake {
  readonly #server: TicklakeServer
  readonly #temp: string

  constructor(server: TicklakeServer, data: string) {
    this.#server = server
    this.#temp = join(data, 'ticklake-temp')
  }

  async ask(path: string, signal?: AbortSignal): Promise<Asked> {
    const startedMs = performance.now()
    const response = await fetch(`${this.#server.url}${path}`, { signal: signal ?? null })
    const body = await response.arrayBuffer()
    const ms = Math.round(performance.now() - startedMs)
    const detail = response.ok ? `${mb(body.byteLength)} MB` : JSON.parse(Buffer.from(body).toString()).detail
    return { status: response.status, retryAfter: response.headers.get('retry-after'), ms, detail }
  }

  /** Of all ranks together. */
  async metric(name: 'running' | 'waiting' | 'reserved_bytes'): Promise<number> {
    const metrics = parseExposition(await (await fetch(`${this.#server.url}/metrics`)).text())
    const found = [...metrics].filter(([key]) => key.startsWith(`ticklake_queries_${name}`))
    return found.reduce((sum, [, value]) => sum + value, 0)
  }

  /** Anonymous memory. */
  get memoryBytes(): number {
    const status = readFileSync(`/proc/${this.#server.pid}/status`, 'utf8')
    return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024
  }

  get threads(): number {
    return readdirSync(`/proc/${this.#server.pid}/task`).length
  }

  /** CPU that it has used, user and system. */
  get cpuMs(): number {
    const stat = readFileSync(`/proc/${this.#server.pid}/stat`, 'utf8').replace(/^.*\) /, '')
    const fields = stat.split(' ')
    return (Number(fields[11]) + Number(fields[12])) * 10
  }

  /** Bytes of DuckDB's own files. */
  get spilledBytes(): number {
    const names = readdirSync(this.#temp).filter((name) => name.startsWith('duckdb_temp'))
    const sizes = names.map((name) => statSync(join(this.#temp, name), { throwIfNoEntry: false })?.size ?? 0)
    return sizes.reduce((sum, size) => sum + size, 0)
  }
}

export function mb(bytes: number): number {
  return Math.round(bytes / 1e6)
}
