import type { CachedRows } from './cached-rows.js'

/** How a layer of the cache is doing, since the process began. */
export interface LayerStatus {
  readonly layer: LayerName
  readonly hits: number
  readonly misses: number
  /** Null: not known here. */
  readonly entries: number | null
  readonly bytes: number | null
  /** What was not kept: too large, or no room. */
  readonly refused: number
  /** Why it was not asked or did not answer, most recently; null: it answers. */
  readonly failure: string | null
}

export type LayerName = 'memory' | 'redis'

/**
 * A place where encoded rows are kept under a key that says all they depend on: they never go stale, and what is
 * lost is read again. A layer that does not work misses; it never throws.
 */
export interface CacheLayer {
  readonly name: LayerName
  get(key: string): CachedRows | undefined | Promise<CachedRows | undefined>
  set(key: string, rows: CachedRows): void
  /** Forgets everything, and tells how many entries there were. */
  clear(): Promise<number>
  status(): LayerStatus
  stop(): void
}
