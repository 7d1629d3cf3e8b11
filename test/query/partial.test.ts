import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type ErrorCode, TicklakeError, TRADES } from '#core'
import type { QueryEngine } from '#query'
import { BARS, ROWS } from '../support/request-defaults.js'
import { Road } from '../support/road.js'
import type { Row } from '../support/row-batch.js'
import type { TextAnswer, TextRouter } from '../support/text-router.js'

const DAY_MICROS = 86_400_000_000n
const FIRST_MICROS = 16_139n * DAY_MICROS
const JSON_ROWS = { encoding: 'json' } as const

let road: Road
beforeEach(async () => {
  road = await Road.open()
  // Three days in files, and one in the tail, with late rows in it.
  await produce([0, 1, 3])
  await road.tables.get('trades')?.flush()
  await produce([2, 3])
})
afterEach(() => road.close())

async function produce(days: readonly number[]): Promise<void> {
  const rows = days.flatMap((day) =>
    [0n, 1n, 2n].map((hour): Row => {
      const micros = FIRST_MICROS + BigInt(day) * DAY_MICROS + hour * 3_600_000_000n
      return { symbol: 'AAA', exchange: 'ASX', exchange_timestamp: micros, price: 10n ** 8n, size: 10n ** 8n }
    }),
  )
  await road.produce(TRADES, rows)
  await road.settle()
}

/** A router for whose `count`-th reading there is no time any more. */
function lateAt(count: number): { readonly router: TextRouter; readonly signal: AbortSignal } {
  const late = new AbortController()
  const router = failingAt(count, (signal) => {
    late.abort(new TicklakeError('timeout', 'it takes too long'))
    signal?.throwIfAborted()
  })
  return { router, signal: late.signal }
}

/** A router before whose `count`-th reading something is done. */
function failingAt(count: number, fail: (signal: AbortSignal | undefined) => void): TextRouter {
  let readings = 0
  const engine: QueryEngine = {
    ...otherwise(),
    rows: async function* (sql, parameters, signal) {
      if (++readings === count) fail(signal)
      yield* road.engine.rows(sql, parameters, signal)
    },
  }
  return road.routerWith({ engine })
}

const lists: readonly [
  string,
  (router: TextRouter, page: object, signal?: AbortSignal) => Promise<TextAnswer>,
][] = (['asc', 'desc'] as const).flatMap((order) => [
  [
    `rows, ${order}`,
    (router, page, signal) =>
      router.rows({ ...ROWS, order, ...page }, { ...JSON_ROWS, ...(signal && { signal }) }),
  ],
  [
    `bars, ${order}`,
    (router, page, signal) =>
      router.bars({ ...BARS, order, ...page }, { ...JSON_ROWS, ...(signal && { signal }) }),
  ],
])

describe('an answer for which there is not enough time', () => {
  test.each(lists)('says what it covers, and goes on there: %s [inv 11]', async (name, ask) => {
    const whole = await ask(road.router, {})
    expect(whole.complete).toBe(true)
    // Newest first, what has no time comes before all: nothing is read there.
    const { router, signal } = lateAt(name === 'rows, desc' ? 3 : 2)
    const partial = await ask(router, {}, signal)
    expect(partial.complete).toBe(false)
    expect(partial.rows.length).toBeGreaterThan(0)
    expect(partial.rows.length).toBeLessThan(whole.rows.length)
    expect(partial.covered).toEqual(coveredBy(partial, whole))
    expect(partial.reason).toBe('it takes too long')
    const rest = await ask(road.router, { pageToken: partial.nextPageToken })
    expect([...partial.rows, ...rest.rows]).toEqual(whole.rows)
    expect(rest.complete).toBe(true)
  })

  test.each(lists)('is none when nothing was read in time: %s', async (_, ask) => {
    const { router, signal } = lateAt(1)
    await expect(ask(router, {}, signal)).rejects.toMatchObject({ code: 'timeout' })
  })

  test.each(lists)('is none when the client has left: %s', async (_, ask) => {
    const left = new AbortController()
    const engine: QueryEngine = {
      ...otherwise(),
      rows: async function* (sql, parameters, signal) {
        yield* road.engine.rows(sql, parameters, signal)
        left.abort(new Error('the client has left'))
      },
    }
    await expect(ask(road.routerWith({ engine }), {}, left.signal)).rejects.toThrow('the client has left')
  })
})

describe('an answer of which a part can not be read', () => {
  const fails = (code: ErrorCode) => () => {
    throw new TicklakeError(code, `it is ${code}`)
  }

  test.each(['overloaded', 'unavailable'] as const)('now says why and goes on there: %s', async (code) => {
    const whole = await road.router.rows(ROWS, JSON_ROWS)
    const partial = await failingAt(2, fails(code)).rows(ROWS, JSON_ROWS)
    expect(partial).toMatchObject({ complete: false, reason: `it is ${code}` })
    const rest = await road.router.rows({ ...ROWS, pageToken: partial.nextPageToken }, JSON_ROWS)
    expect([...partial.rows, ...rest.rows]).toEqual(whole.rows)
  })

  test('at any time is none: too_large', async () => {
    const router = failingAt(2, fails('too_large'))
    await expect(router.rows(ROWS, JSON_ROWS)).rejects.toMatchObject({ code: 'too_large' })
  })
})

/** What is not about pages is as it is. */
function otherwise(): Omit<QueryEngine, 'rows'> {
  return {
    query: (sql, parameters, signal) => road.engine.query(sql, parameters, signal),
    stream: (sql, parameters, signal) => road.engine.stream(sql, parameters, signal),
    exportParquet: (request, signal) => road.engine.exportParquet(request, signal),
  }
}

/** From midnight to midnight: the days of the rows that are there, up to the day of the first that is not. */
function coveredBy(partial: TextAnswer, whole: TextAnswer) {
  const dayOf = (text: string | undefined) => BigInt(JSON.parse(text ?? '{}').ts_ns) / (DAY_MICROS * 1000n)
  const [last, next] = [dayOf(partial.rows.at(-1)), dayOf(whole.rows[partial.rows.length])]
  const isAscending = next > last
  const border = (isAscending ? next : last) * DAY_MICROS * 1000n
  return isAscending ? { startNanos: null, endNanos: border } : { startNanos: border, endNanos: null }
}
