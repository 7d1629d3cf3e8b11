import { tmpdir } from 'node:os'
import { describe, expect, test } from 'vitest'
import { TicklakeError } from '#core'
import { Headroom, type LimitBounds, QueryLimits, RowData } from '#query'
import { needOf } from '../../src/query/limits.js'
import { NOTHING, type Scan } from '../../src/query/scan.js'
import { queryLimits } from '../support/query-limits.js'

const BOUNDS: LimitBounds = {
  concurrent: 4,
  large: 2,
  streamed: 1,
  maxWaiting: 4,
  memoryBytes: 800_000_000,
  smallMs: 60,
}

function tailOf(rowCount: number): Scan {
  return { ...NOTHING, tail: [{ relation: 'tail', columns: new Set(), days: new Set(), rowCount }] }
}

const SMALL = needOf(tailOf(100_000))
const LONG = needOf(tailOf(100_000_000), { heldRows: 1 })
const HEAVY = needOf(tailOf(330_000))
const HUGE = needOf(tailOf(100_000_000))
const STREAMED = needOf(tailOf(10), { isStreamed: true })

async function* oneChunk(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('a')
}

/** A reading that lasts until it is let go. */
function latch() {
  let letGo = () => {}
  const gone = new Promise<void>((resolve) => {
    letGo = resolve
  })
  return { gone, letGo }
}

describe('a reading', () => {
  test.each([
    ['small', SMALL],
    ['large, since it takes long', LONG],
    ['large, since it needs much memory', HEAVY],
    ['streamed, however small', STREAMED],
  ])('is %s', async (rank, need) => {
    const limits = queryLimits(BOUNDS)
    await limits.run(need, undefined, async () => {
      const { running } = limits.status()
      expect(Object.entries(running).filter(([, count]) => count === 1)).toEqual([[rank.split(',')[0], 1]])
    })
    expect(limits.status()).toMatchObject({ running: { small: 0, large: 0, streamed: 0 }, reservedBytes: 0 })
  })

  test('that would need all of the memory claims what large ones may have, and comes alone', async () => {
    const limits = queryLimits(BOUNDS)
    const { gone, letGo } = latch()
    const huge = limits.run(HUGE, undefined, () => gone)
    const heavy = limits.run(HEAVY, undefined, async () => limits.status().reservedBytes)
    expect(await limits.run(SMALL, undefined, async () => limits.status())).toMatchObject({
      running: { small: 1, large: 1 },
      waiting: { large: 1 },
      reservedBytes: 400_000_000 + 8_000_000 + 30_000_000,
    })
    letGo()
    await huge
    expect(await heavy).toBe(8_000_000 + 99_000_000)
  })

  test('that fails gives its place back', async () => {
    const limits = queryLimits(BOUNDS)
    const reading = limits.run(LONG, undefined, async () => {
      throw new Error('torn file')
    })
    await expect(reading).rejects.toThrow('torn file')
    expect(limits.status()).toMatchObject({ running: { large: 0 }, reservedBytes: 0, free: 8 })
  })

  test('whose rows are streamed has its place until they are read or closed; of others they are here', async () => {
    const limits = queryLimits(BOUNDS)
    const streamed = () =>
      limits.rows(STREAMED, undefined, async () => ({
        data: RowData.streamed(oneChunk(), async () => {}),
      }))
    const read = await streamed()
    const next = streamed()
    expect(limits.status()).toMatchObject({ running: { streamed: 1 }, waiting: { streamed: 1 } })
    expect((await read.data.bytes()).toString()).toBe('a')
    const closed = await next
    expect(limits.status()).toMatchObject({ running: { streamed: 1 }, waiting: { streamed: 0 } })
    await closed.data.close()
    await limits.rows(SMALL, undefined, async () => ({ data: RowData.of([Buffer.from('b')]) }))
    expect(limits.status().running).toEqual({ small: 0, large: 0, streamed: 0 })
  })

  test('that waits too long says so', async () => {
    const limits = queryLimits(BOUNDS)
    const { gone, letGo } = latch()
    const running = [0, 1].map(() => limits.run(LONG, undefined, () => gone))
    const controller = new AbortController()
    const waiting = limits.run(LONG, controller.signal, async () => {})
    await Promise.resolve()
    controller.abort(new TicklakeError('timeout', 'ended after 10 ms'))
    await expect(waiting).rejects.toMatchObject({
      code: 'timeout',
      message: 'ended after 10 ms; it had not had its turn yet',
    })
    letGo()
    await Promise.all(running)
  })
})

test('memory that would leave none for small readings is refused, with how much would do', () => {
  expect(() => queryLimits({ ...BOUNDS, memoryBytes: 100_000_000 })).toThrow(
    'queries.memoryBytes: "100000000" is not at least 128000000: with less, no query of 4 at once, 2 of them large, could be small',
  )
})

describe('while memory or disk are short', () => {
  const bytes = 10 ** 15
  test.each([
    ['memory', { maxResidentShare: 0.9, minFreeBytes: 0 }, 'memory is short: the process has 95 % of what'],
    ['disk', { maxResidentShare: 1, minFreeBytes: bytes }, 'the disk is nearly full: '],
  ] as const)('(%s) small readings are let in, and no others [inv 13]', async (reason, bounds, message) => {
    const headroom = new Headroom({ residentShare: () => 0.95, directory: tmpdir(), ...bounds })
    const limits = new QueryLimits({ ...BOUNDS, headroom })
    expect(await limits.run(SMALL, undefined, async () => 'read')).toBe('read')
    const refused = limits.run(LONG, undefined, async () => 'read')
    await expect(refused).rejects.toMatchObject({ code: 'unavailable' })
    await expect(refused).rejects.toThrow(message)
    expect(limits.status().refused).toEqual({ line: 0, memory: 0, disk: 0, [reason]: 1 })
  })

  test('and while they are not, all are', async () => {
    const headroom = new Headroom({
      residentShare: () => 0.5,
      maxResidentShare: 0.9,
      directory: tmpdir(),
      minFreeBytes: 1,
    })
    const limits = new QueryLimits({ ...BOUNDS, headroom })
    expect(await limits.run(HUGE, undefined, async () => 'read')).toBe('read')
  })
})
