import { expect, test } from 'vitest'
import { MemoryLayer } from '#query'
import { ManualClock } from '../../support/manual-clock.js'

test('what is kept holds its own bytes, and no larger buffer that they were cut from', () => {
  const clock = new ManualClock()
  const layer = new MemoryLayer({ maxBytes: 1e6, maxEntryBytes: 1e5, ttlMs: 1e6, clock })
  const shared = Buffer.alloc(8_192, 'ab')
  const rest = { columns: null, rowCount: 1, end: null, hasMore: false }
  layer.set('key', { ...rest, bytes: shared.subarray(100, 120) })
  const kept = layer.get('key')
  expect(kept).toMatchObject({ ...rest, bytes: new Uint8Array(shared.subarray(100, 120)) })
  expect(kept?.bytes.buffer.byteLength).toBe(20)
})
