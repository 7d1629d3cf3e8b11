import type { Scan } from '../scan.js'
import type { CachedRows } from './cached-rows.js'
import type { CacheLayer, LayerName, LayerStatus } from './layer.js'

/** Rows that were read from the tables, and what was read for them. */
export interface FreshRows {
  readonly rows: CachedRows
  readonly scan: Scan
}

/** Rows, and where they came from. */
export type FoundRows =
  | (FreshRows & { readonly layer: null })
  | { readonly rows: CachedRows; readonly layer: LayerName }

/** A reading that several wait for: what was read is told to all of them. */
interface Flight {
  readonly fresh: Promise<FreshRows>
  readonly ended: AbortController
  waiting: number
}

/** What nobody waits for any more is not read any further. */
const NOBODY_WAITS = new DOMException('nobody waits for these rows any more', 'AbortError')

/**
 * Encoded rows, by a key that names all they depend on. Each layer is asked in turn, the nearest first; what a farther
 * one has, or the tables, goes into those before it. Who asks for what is being read waits for it.
 */
export class AnswerCache {
  readonly #layers: readonly CacheLayer[]
  readonly #flights = new Map<string, Flight>()

  constructor(layers: readonly CacheLayer[]) {
    this.#layers = layers
  }

  /**
   * The rows of a key; `read` reads them from the tables. Its signal is aborted when the last of those who wait has
   * left. A reading that failed fails who began it; the others read for themselves.
   */
  async get(
    key: string,
    read: (signal: AbortSignal) => Promise<FreshRows>,
    signal: AbortSignal | undefined,
  ): Promise<FoundRows> {
    for (const [index, layer] of this.#layers.entries()) {
      const rows = await layer.get(key)
      if (!rows) continue
      for (const nearer of this.#layers.slice(0, index)) nearer.set(key, rows)
      return { rows, layer: layer.name }
    }
    signal?.throwIfAborted()
    const flight = this.#flights.get(key)
    if (!flight) return { ...(await this.#wait(this.#begin(key, read), signal)), layer: null }
    try {
      return { ...(await this.#wait(flight, signal)), layer: null }
    } catch {
      signal?.throwIfAborted()
      return { ...(await this.#wait(this.#begin(key, read), signal)), layer: null }
    }
  }

  status(): readonly LayerStatus[] {
    return this.#layers.map((layer) => layer.status())
  }

  /** Forgets everything; how many entries each layer had. */
  async clear(): Promise<readonly { readonly layer: LayerName; readonly entries: number }[]> {
    return Promise.all(
      this.#layers.map(async (layer) => ({ layer: layer.name, entries: await layer.clear() })),
    )
  }

  stop(): void {
    for (const layer of this.#layers) layer.stop()
  }

  #begin(key: string, read: (signal: AbortSignal) => Promise<FreshRows>): Flight {
    const ended = new AbortController()
    const fresh = read(ended.signal).then((read) => {
      for (const layer of this.#layers) layer.set(key, read.rows)
      return read
    })
    const flight = { fresh, ended, waiting: 0 }
    this.#flights.set(key, flight)
    const land = () => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key)
    }
    fresh.then(land, land)
    return flight
  }

  async #wait(flight: Flight, signal: AbortSignal | undefined): Promise<FreshRows> {
    flight.waiting++
    try {
      return await Promise.race([flight.fresh, ...(signal ? [leaving(signal)] : [])])
    } finally {
      flight.waiting--
      if (flight.waiting === 0) flight.ended.abort(NOBODY_WAITS)
    }
  }
}

/** Rejects when whoever asked has left; settles with nothing else. */
function leaving(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}
