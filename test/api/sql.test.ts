import { once } from 'node:events'
import { tableFromIPC } from 'apache-arrow'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { systemClock } from '#core'
import { type ApiFixture, openApiFixture } from '../support/api-fixture.js'
import { eventRows } from '../support/event-rows.js'
import { ManualClock } from '../support/manual-clock.js'
import { SeededRandom } from '../support/seeded-random.js'

const clock = new ManualClock()
let api: ApiFixture
beforeEach(async () => {
  api = await openApiFixture(undefined, clock)
})
afterEach(() => api.close())

const LONG = 'SELECT count(*) FROM range(1000000000000) a(x) WHERE x % 7 = 8'

function post(body: object | string, search = '', init: RequestInit = {}): Promise<Response> {
  return fetch(`${api.url}/v1/sql${search}`, {
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...init,
  })
}

async function problemOf(response: Response): Promise<Record<string, unknown>> {
  expect(response.headers.get('content-type')).toMatch('application/problem+json')
  // The tests look into what they expect of it.
  return (await response.json()) as Record<string, unknown>
}

describe('POST /v1/sql', () => {
  test('answers in an envelope that names columns, tables and versions', async () => {
    await api.lake.trades.addCommitted(eventRows(new SeededRandom(1), 40, 0, 'trades'))
    await api.lake.trades.add(eventRows(new SeededRandom(2), 10, 40, 'trades'))
    const response = await post({ sql: 'SELECT count(*) AS n, $a AS a, ? AS b', params: {} })
    expect((await problemOf(response)).detail).toMatch('Mixing named and positional')
    const sql = 'SELECT count(*) AS n, $exact::DECIMAL(18,8) AS d FROM trades'
    const whole = await post({ sql, params: { exact: '0.10' } })
    expect(whole.headers.get('ratelimit-policy')).toBe('"queries";q=110;qu="concurrent-requests"')
    expect(whole.headers.get('ratelimit')).toBe('"queries";r=110')
    const answer = await whole.json()
    expect(answer).toMatchObject({
      data: [{ n: 50, d: '0.1' }],
      complete: true,
      next_page_token: null,
      meta: {
        route: 'hybrid',
        columns: [
          { name: 'n', type: 'BIGINT' },
          { name: 'd', type: 'DECIMAL(18,8)' },
        ],
        tables: [{ table: 'trades', route: 'hybrid', snapshot_id: '1', files_total: 1, rows_scanned: 50 }],
      },
    })
  })

  test('answers as NDJSON and CSV, and says in a header that there is more', async () => {
    const body = { sql: 'SELECT * FROM (VALUES (?, 1), (?, 2)) v("a,b", c)', params: ['x', 'y,z'] }
    expect(await (await post(body, '?format=csv')).text()).toBe('"a,b",c\r\nx,1\r\n"y,z",2\r\n')
    const cut = await post({ ...body, limit: 1 }, '', { headers: { accept: 'application/x-ndjson' } })
    expect(await cut.text()).toBe('{"a,b":"x","c":1}\n')
    expect(cut.headers.get('x-complete')).toBe('false')
  })

  test.each([
    ['application/vnd.apache.arrow.stream', 1, ''],
    ['application/vnd.apache.arrow.stream', 'all', '?format=arrow'],
  ])('answers as %s, limit %s', async (type, limit, search) => {
    await api.lake.trades.addCommitted(eventRows(new SeededRandom(1), 40, 0, 'trades'))
    const body = { sql: 'SELECT price, exchange_timestamp FROM trades ORDER BY log_offset', limit }
    const response = await post(body, search, { headers: { accept: type } })
    expect(response.headers.get('content-type')).toBe(type)
    const table = tableFromIPC(await response.arrayBuffer())
    expect(table.numRows).toBe(limit === 'all' ? 40 : 1)
    expect(table.schema.metadata.get('ticklake.complete')).toBe(response.headers.get('x-complete'))
    expect(response.headers.get('x-complete')).toBe(String(limit === 'all'))
    expect(table.schema.metadata.get('ticklake.receipt')).toBe(response.headers.get('x-receipt'))
  })

  test.each([1, 'all'])('answers as a Parquet file, limit %s', async (limit) => {
    const response = await post({ sql: 'VALUES (1), (2)', limit }, '?format=parquet')
    expect(response.headers.get('content-type')).toBe('application/vnd.apache.parquet')
    expect(response.headers.get('x-complete')).toBe(String(limit === 'all'))
    const bytes = Buffer.from(await response.arrayBuffer())
    expect([bytes.subarray(0, 4).toString(), bytes.subarray(-4).toString()]).toEqual(['PAR1', 'PAR1'])
  })

  test('tells what is wrong, and where', async () => {
    const response = await post({ sql: 'SELECT symbol,\n  nope FROM trades' })
    expect(response.status).toBe(400)
    expect(await problemOf(response)).toMatchObject({
      field: 'sql',
      position: { offset: 17, line: 2, column: 3 },
    })
    for (const [body, field] of [
      ['SELECT 1', 'body'],
      [{ sql: '' }, 'sql'],
      [{ sql: 'SELECT $a', params: { a: 0.1 } }, 'params'],
      [{ sql: 'SELECT 1', limit: 50_001 }, 'limit'],
      [{ sql: 'SELECT 1', limit: 'most' }, 'limit'],
      [{ sql: 'SELECT 1', timeout_ms: 0 }, 'timeout_ms'],
      [{ sql: 'SELECT 1', timeout_ms: 300_001 }, 'timeout_ms'],
      [{ sql: 'SELECT 1', rows: 1 }, 'body'],
    ] as const) {
      expect(await problemOf(await post(body))).toMatchObject({ status: 400, field })
    }
    expect((await fetch(`${api.url}/v1/sql`)).status).toBe(405)
  })

  test('ends a statement whose time is over', async () => {
    const { reached, letGo } = api.lake.holdQueries()
    const answer = post({ sql: LONG, timeout_ms: 50 })
    const signal = await reached
    clock.advance(50)
    letGo()
    expect((await answer).status).toBe(504)
    expect(signal?.aborted).toBe(true)
  })

  test('ends a statement whose client leaves', async () => {
    const { reached, letGo } = api.lake.holdQueries()
    const controller = new AbortController()
    const answer = post({ sql: 'SELECT count(*) FROM trades' }, '', { signal: controller.signal })
    const left = expect(answer).rejects.toThrow()
    const signal = await reached
    if (!signal) throw new Error('a statement has a signal')
    const aborted = once(signal, 'abort')
    controller.abort()
    await aborted
    letGo()
    await left
    await api.lake.trades.unpinned()
  })

  test('is refused when too many wait', async () => {
    const controller = new AbortController()
    const answers = Array.from({ length: 110 }, () => post({ sql: LONG }, '', { signal: controller.signal }))
    const ended = Promise.allSettled(answers)
    const refused = await Promise.race(answers.map((answer) => answer.then((response) => response)))
    expect(refused.status).toBe(429)
    expect(refused.headers.get('retry-after')).toBe('1')
    controller.abort()
    await ended
  })
})

describe('a statement that is streamed', () => {
  beforeEach(async () => {
    await api.close()
    // A connection that was cut holds up the stop until some time has passed.
    api = await openApiFixture(undefined, systemClock)
  })

  test.each(['arrow', 'ndjson'])(
    'breaks the connection where it fails beyond its first rows, as %s',
    async (format) => {
      await api.lake.trades.add(eventRows(new SeededRandom(1), 100, 0, 'trades'))
      const sql = `SELECT t.symbol, (CASE WHEN g < 24000 THEN '1' ELSE 'x' END)::INTEGER AS i FROM range(25000) r(g), trades t`
      const response = await post({ sql, limit: 'all' }, `?format=${format}`)
      expect(response.status).toBe(200)
      await expect(response.arrayBuffer()).rejects.toThrow('terminated')
      await api.lake.trades.unpinned()
    },
  )

  test.each(['arrow', 'json'])(
    'lets go of its versions and its place when the reader of a stream leaves, as %s',
    async (format) => {
      await api.lake.trades.add(eventRows(new SeededRandom(1), 100, 0, 'trades'))
      // One more than may be streamed at a time.
      for (let reader = 0; reader < 5; reader++) {
        const controller = new AbortController()
        const body = { sql: 'SELECT t.* FROM trades t, range(100000)', limit: 'all' }
        const response = await post(body, `?format=${format}`, { signal: controller.signal })
        expect(response.status).toBe(200)
        await response.body?.getReader().read()
        controller.abort()
        await api.lake.trades.unpinned()
      }
    },
  )
})
