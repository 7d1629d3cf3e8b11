import { readFileSync } from 'node:fs'

const SAMPLE_EVERY_MS = 50

/** Watches this process's anonymous resident memory: the log's mapped file is not in it. Linux only, else 0. */
export class AnonymousMemory {
  #peakBytes = 0
  readonly #timer = setInterval(() => this.#sample(), SAMPLE_EVERY_MS)

  stop(): number {
    clearInterval(this.#timer)
    this.#sample()
    return this.#peakBytes
  }

  #sample(): void {
    this.#peakBytes = Math.max(this.#peakBytes, residentBytes())
  }
}

function residentBytes(): number {
  if (process.platform !== 'linux') return 0
  const status = readFileSync('/proc/self/status', 'utf8')
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024
}
