import { describe, expect, test } from 'vitest'
import { type Answer, RowData } from '#query'
import { TimeLimit } from '../../src/api/time-limit.js'
import { ManualClock } from '../support/manual-clock.js'
import { NOTHING_READ } from '../support/nothing-read.js'

const BOUNDS = { timeoutMs: 30_000, maxTimeoutMs: 300_000 }
const REST = {
  fields: [],
  columns: null,
  single: false,
  complete: true,
  nextPageToken: null,
  meta: NOTHING_READ,
}

/** An answer of two parts and a third that never comes, whose query ends with its signal. */
function halted(signal: AbortSignal): Answer {
  async function* parts(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('a')
    yield Buffer.from('b')
    await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
  }
  return { encoding: 'ndjson', data: RowData.streamed(parts(), async () => {}), ...REST }
}

describe('a time limit', () => {
  test('ends a query that gives no answer for so long', async () => {
    const clock = new ManualClock()
    const time = new TimeLimit(100, BOUNDS, clock)
    const answer = time.answer(
      new Promise((_, reject) => time.signal.addEventListener('abort', () => reject(time.signal.reason))),
    )
    clock.advance(99)
    expect(time.signal.aborted).toBe(false)
    clock.advance(1)
    await expect(answer).rejects.toMatchObject({ code: 'timeout' })
  })

  test('ends a stream that gives no more for so long; what its reader takes does not count', async () => {
    const clock = new ManualClock()
    const time = new TimeLimit(100, BOUNDS, clock)
    const { data } = await time.answer(Promise.resolve(halted(time.signal)))
    const parts = data[Symbol.asyncIterator]()
    for (const part of ['a', 'b']) {
      clock.advance(1_000)
      expect(String((await parts.next()).value)).toBe(part)
    }
    clock.advance(1_000)
    const last = parts.next()
    clock.advance(99)
    expect(time.signal.aborted).toBe(false)
    clock.advance(1)
    await expect(last).rejects.toMatchObject({ code: 'timeout' })
  })

  test('leaves what is not streamed as it is', async () => {
    const answer: Answer = { encoding: 'ndjson', data: RowData.of([Buffer.from('a')]), ...REST }
    expect(await new TimeLimit(100, BOUNDS, new ManualClock()).answer(Promise.resolve(answer))).toBe(answer)
  })
})
