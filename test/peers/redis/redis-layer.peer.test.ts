import { setImmediate } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { createLogger } from '#core'
import { AnswerCache, RedisLayer } from '#query'
import { NOTHING } from '../../../src/query/scan.js'
import { SeededRandom } from '../../support/seeded-random.js'
import { RedisServer } from '../redis-server.js'
import { told } from '../told.js'

const logger = createLogger({ level: 'silent', format: 'text' })
const ROWS = { bytes: Buffer.from('{"price":"1"}'), columns: null, rowCount: 1, end: null, hasMore: false }
const TIMEOUT_MS = 200

const ending: (() => void | Promise<void>)[] = []
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end()
})

async function startRedis(settings: readonly string[] = []): Promise<RedisServer> {
  const server = await RedisServer.start(told('TICKLAKE_TEST_REDIS'), settings)
  ending.push(() => server.stop())
  return server
}

function layerOf(url: string, maxEntryBytes = 2 ** 20): RedisLayer {
  const random = new SeededRandom(1)
  const layer = new RedisLayer({ url, timeoutMs: TIMEOUT_MS, maxEntryBytes, ttlMs: 60_000, random, logger })
  ending.push(() => layer.stop())
  return layer
}

/** Keeps rows until they are found: a connection takes a moment, and what is kept is on its way for another. */
async function keep(layer: RedisLayer, key: string): Promise<void> {
  while ((await layer.get(key)) === undefined) {
    layer.set(key, ROWS)
    // A layer that is not asked misses at once: what it waits for must have its turn.
    await setImmediate()
  }
}

/** Asks until the layer says of itself what it should. */
async function until(layer: RedisLayer, isSo: (failure: string | null) => boolean): Promise<void> {
  while (!isSo(layer.status().failure)) {
    layer.set('asked', ROWS)
    await layer.get('asked')
    await setImmediate()
  }
}

test('rows are found again, whole, by another process', async () => {
  const server = await startRedis()
  await keep(layerOf(server.url), 'key')
  const other = layerOf(server.url)
  await keep(other, 'another key')
  expect(await other.get('key')).toEqual(ROWS)
  expect(await other.get('no key')).toBeUndefined()
  expect(await other.clear()).toBe(2)
  expect(await other.get('key')).toBeUndefined()
})

test('a Redis that is gone misses, at once after some time, and hits again when it is back', async () => {
  const server = await startRedis()
  const layer = layerOf(server.url)
  await keep(layer, 'key')
  await server.kill()
  await until(layer, (failure) => failure !== null)
  expect(await layer.get('key')).toBeUndefined()
  await server.begin()
  await keep(layer, 'key')
  expect(layer.status().failure).toBeNull()
})

test('a Redis that is frozen misses, and is not asked again and again', async () => {
  const server = await startRedis()
  const layer = layerOf(server.url)
  await keep(layer, 'key')
  server.suspend()
  ending.push(() => server.resume())
  while (layer.breaker.state !== 'open') expect(await layer.get('key')).toBeUndefined()
  expect(layer.status().failure).toContain('does not answer')
  server.resume()
  await keep(layer, 'key')
})

test('a Redis that is full still gives what it has', async () => {
  const server = await startRedis(['--maxmemory', '2mb', '--maxmemory-policy', 'noeviction'])
  const layer = layerOf(server.url)
  await keep(layer, 'key')
  const large = { ...ROWS, bytes: Buffer.alloc(500_000, 'x') }
  for (let n = 0; layer.status().failure === null; n++) {
    layer.set(`large ${n}`, large)
    await layer.get('key')
    await setImmediate()
  }
  expect(layer.status().failure).toMatch(/^OOM/)
  expect(await layer.get('key')).toEqual(ROWS)
  expect(layer.breaker.state).toBe('closed')
})

test('a password that it does not take is told', async () => {
  const server = await startRedis(['--requirepass', 'secret'])
  const wrong = layerOf(server.url)
  await until(wrong, (failure) => failure?.includes('NOAUTH') ?? false)
  const right = layerOf(server.url.replace('redis://', 'redis://:secret@'))
  await keep(right, 'key')
})

test('what is there and cannot be read is a miss', async () => {
  const server = await startRedis()
  const layer = layerOf(server.url)
  await keep(layer, 'key')
  const { Redis } = await import('ioredis')
  const bare = new Redis(server.url)
  await bare.set('ticklake:rows:key', 'nonsense')
  bare.disconnect()
  expect(await layer.get('key')).toBeUndefined()
})

test('answers are right whatever becomes of it while they are given', async () => {
  const server = await startRedis()
  const cache = new AnswerCache([layerOf(server.url)])
  const seen = new Set<string>()
  const ask = async (count: number) => {
    for (let n = 0; n < count; n++) {
      const key = `answer ${n % 7}`
      const bytes = Buffer.from(key)
      const { rows } = await cache.get(
        key,
        async () => ({ rows: { ...ROWS, bytes }, scan: NOTHING }),
        undefined,
      )
      seen.add(`${key} is ${rows.bytes.toString()}`)
    }
  }
  await ask(50)
  server.suspend()
  await ask(20)
  server.resume()
  await ask(50)
  await server.kill()
  await ask(50)
  await server.begin()
  await ask(50)
  expect([...seen].sort()).toEqual(Array.from({ length: 7 }, (_, n) => `answer ${n} is answer ${n}`))
})
