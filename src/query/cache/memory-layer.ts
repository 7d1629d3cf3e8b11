import { LRUCache } from 'lru-cache'
import type { Clock } from '#core'
import type { CachedRows } from './cached-rows.js'
import type { CacheLayer, LayerStatus } from './layer.js'

export interface MemoryLayerOptions {
  /** Bytes of all entries. */
  readonly maxBytes: number
  /** Bytes of one; a larger one is not kept. */
  readonly maxEntryBytes: number
  readonly ttlMs: number
  readonly clock: Clock
}

/** What an entry costs beside its bytes: key, head and bookkeeping, about. */
const ENTRY_BYTES = 500

/** L2: the newest rows in this process' memory. */
export class MemoryLayer implements CacheLayer {
  readonly name = 'memory'
  readonly #entries: LRUCache<string, CachedRows>
  readonly #maxEntryBytes: number
  #hits = 0
  #misses = 0
  #refused = 0

  constructor({ maxBytes, maxEntryBytes, ttlMs, clock }: MemoryLayerOptions) {
    this.#maxEntryBytes = maxEntryBytes
    this.#entries = new LRUCache({
      maxSize: maxBytes,
      maxEntrySize: maxEntryBytes + ENTRY_BYTES,
      sizeCalculation: ({ bytes }) => bytes.byteLength + ENTRY_BYTES,
      ttl: ttlMs,
      perf: { now: () => clock.monotonicMs() },
    })
  }

  get(key: string): CachedRows | undefined {
    const rows = this.#entries.get(key)
    if (rows) this.#hits++
    else this.#misses++
    return rows
  }

  set(key: string, rows: CachedRows): void {
    if (rows.bytes.byteLength > this.#maxEntryBytes) this.#refused++
    else this.#entries.set(key, { ...rows, bytes: alone(rows.bytes) })
  }

  async clear(): Promise<number> {
    const { size } = this.#entries
    this.#entries.clear()
    return size
  }

  status(): LayerStatus {
    return {
      layer: this.name,
      hits: this.#hits,
      misses: this.#misses,
      entries: this.#entries.size,
      bytes: this.#entries.calculatedSize,
      refused: this.#refused,
      failure: null,
    }
  }

  stop(): void {
    this.#entries.clear()
  }
}

/** Few bytes are a view of a buffer that many share, and would keep all of it. */
function alone(bytes: Uint8Array): Uint8Array {
  return bytes.buffer.byteLength === bytes.byteLength ? bytes : new Uint8Array(bytes)
}
