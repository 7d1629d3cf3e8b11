import { Redis } from 'ioredis'
import { Breaker, type Logger } from '#core'
import { type CachedRows, packRows, unpackRows } from './cached-rows.js'
import type { CacheLayer, LayerStatus } from './layer.js'

export interface RedisLayerOptions {
  /** redis:// or rediss://, with user, password and database where it needs them. */
  readonly url: string
  /** A command that takes longer has failed. */
  readonly timeoutMs: number
  /** Bytes of one entry; a larger one is not kept. */
  readonly maxEntryBytes: number
  readonly ttlMs: number
  /** A whole number in [1, 2^48). */
  readonly random: { id(): number }
  readonly logger: Logger
}

/** Before every key, so that others may share the Redis. */
const PREFIX = 'ticklake:rows:'
/** How long a Redis that has failed repeatedly is left alone. */
const RESET_MS = 1_000
/** How long to wait before the next attempt to connect, at most. */
const MAX_RECONNECT_MS = 2_000
/** Values on their way; while there are more, the next are not kept. */
const MAX_WRITING_BYTES = 32 * 1024 * 1024
/** Keys of a step of a walk over all. */
const SCAN_COUNT = 1_000
/** Entries made at one time do not end at one time: the last tenth of their life is drawn. */
const TTL_JITTER = 0.1

/** L1: rows that other processes and later ones find again. A Redis that is down, slow or full is a cache that misses. */
export class RedisLayer implements CacheLayer {
  readonly name = 'redis'
  readonly breaker: Breaker
  readonly #redis: Redis
  readonly #options: RedisLayerOptions
  #hits = 0
  #misses = 0
  #refused = 0
  #writingBytes = 0
  /** Why there is no connection; it is made anew again and again. */
  #connectionFailure: string | null = null
  /** Of a full Redis, which still answers. */
  #fullFailure: string | null = null

  constructor(options: RedisLayerOptions) {
    const { url, timeoutMs, logger } = options
    this.#options = options
    this.breaker = new Breaker({ name: 'redis', at: withoutPassword(url), timeoutMs, resetMs: RESET_MS })
    this.#redis = new Redis(url, {
      // What can't be asked now is a miss: nothing waits for a connection, and nothing is asked twice.
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      connectTimeout: timeoutMs * 10,
      retryStrategy: (attempt) => Math.min(100 * 2 ** Math.min(attempt, 10), MAX_RECONNECT_MS),
    })
    this.#redis.on('error', (error: Error) => {
      this.#connectionFailure = error.message
      logger.debug('redis', { error: error.message })
    })
    this.#redis.on('ready', () => {
      this.#connectionFailure = null
    })
  }

  async get(key: string): Promise<CachedRows | undefined> {
    try {
      if (!this.#isConnected) return this.#missed()
      const packed = await this.breaker.run(() => this.#redis.getBuffer(PREFIX + key))
      if (packed) {
        const rows = unpackRows(packed)
        this.#hits++
        return rows
      }
    } catch {
      // Down, slow, or what lies there is none of ours: a miss. The breaker remembers why.
    }
    return this.#missed()
  }

  set(key: string, rows: CachedRows): void {
    const { maxEntryBytes, ttlMs, random } = this.#options
    const size = rows.bytes.byteLength
    if (!this.#isConnected || size > maxEntryBytes || this.#writingBytes + size > MAX_WRITING_BYTES) {
      this.#refused++
      return
    }
    const share = (random.id() % 1000) / 1000
    const livesMs = Math.round(ttlMs * (1 - TTL_JITTER * share))
    this.#writingBytes += size
    void this.breaker
      .run(() => this.#write(PREFIX + key, packRows(rows), livesMs))
      // Not kept: the next who asks reads the tables again. The breaker remembers why.
      .catch(() => this.#refused++)
      .finally(() => {
        this.#writingBytes -= size
      })
  }

  /** A Redis that has no room for a value works all the same: what it has can be had. */
  async #write(key: string, packed: Buffer, livesMs: number): Promise<void> {
    try {
      await this.#redis.set(key, packed, 'PX', livesMs)
      this.#fullFailure = null
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('OOM')) throw error
      this.#fullFailure = error.message
      this.#refused++
    }
  }

  get #isConnected(): boolean {
    return this.#redis.status === 'ready'
  }

  #missed(): undefined {
    this.#misses++
    return undefined
  }

  /** `unavailable` when it does not answer. */
  async clear(): Promise<number> {
    let cursor = '0'
    let count = 0
    do {
      const step = () => this.#redis.scan(cursor, 'MATCH', `${PREFIX}*`, 'COUNT', SCAN_COUNT)
      const [next, keys] = await this.breaker.run(step)
      if (keys.length > 0) count += await this.breaker.run(() => this.#redis.unlink(...keys))
      cursor = next
    } while (cursor !== '0')
    return count
  }

  status(): LayerStatus {
    return {
      layer: this.name,
      hits: this.#hits,
      misses: this.#misses,
      entries: null,
      bytes: null,
      refused: this.#refused,
      failure: this.#connectionFailure ?? this.breaker.failure ?? this.#fullFailure,
    }
  }

  stop(): void {
    this.breaker.stop()
    this.#redis.disconnect()
  }
}

function withoutPassword(url: string): string {
  const { protocol, host, pathname } = new URL(url)
  return `${protocol}//${host}${pathname}`
}
