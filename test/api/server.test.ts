import { once } from 'node:events'
import { request as httpRequest } from 'node:http'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type ApiFixture, openApiFixture } from '../support/api-fixture.js'
import { eventRows } from '../support/event-rows.js'
import { parseExposition } from '../support/exposition.js'
import { ManualClock } from '../support/manual-clock.js'
import { SeededRandom } from '../support/seeded-random.js'

let api: ApiFixture
beforeEach(async () => {
  api = await openApiFixture()
})
afterEach(() => api.close())

interface Envelope {
  readonly data: readonly Record<string, unknown>[]
  readonly complete: boolean
  readonly next_page_token: string | null
  readonly meta: Record<string, unknown>
}

async function getJson(path: string): Promise<Envelope> {
  const response = await fetch(api.url + path)
  expect(response.status, path).toBe(200)
  // The tests below look into what they expect of it.
  return (await response.json()) as Envelope
}

async function getProblem(path: string, init: RequestInit = {}): Promise<Record<string, unknown>> {
  const response = await fetch(api.url + path, init)
  expect(response.headers.get('content-type')).toMatch('application/problem+json')
  const problem = (await response.json()) as Record<string, unknown>
  expect(problem.status).toBe(response.status)
  expect(problem.request_id).toBe(response.headers.get('x-request-id'))
  return problem
}

async function fill(): Promise<void> {
  await api.lake.trades.addCommitted(eventRows(new SeededRandom(1), 40, 0, 'trades'))
  await api.lake.trades.add(eventRows(new SeededRandom(2), 20, 40, 'trades'))
  await api.lake.quotes.add(eventRows(new SeededRandom(3), 20, 0, 'quotes'))
}

describe('a list', () => {
  test('comes in the envelope, page by page from one version', async () => {
    await fill()
    const whole = await getJson('/v1/trades?symbols=BHP,CBA')
    expect(whole).toMatchObject({ complete: true, next_page_token: null })
    expect(whole.meta).toMatchObject({
      route: 'hybrid',
      snapshot_id: '1',
      engine: 'duckdb',
      cache: 'none',
      rollup: null,
      files_total: 1,
      files_read: 1,
      rows_scanned: 60,
      bytes_read: expect.any(Number),
      elapsed_ms: expect.any(Number),
      receipt: expect.any(String),
    })
    const joined: unknown[] = []
    let token = ''
    do {
      const page = await getJson(`/v1/trades?symbols=BHP,CBA&limit=7${token}`)
      joined.push(...page.data)
      expect(page.meta.receipt).toBe(whole.meta.receipt)
      token = page.next_page_token === null ? '' : `&page_token=${page.next_page_token}`
      await api.lake.trades.add(eventRows(new SeededRandom(4), 2, 1000, 'trades'))
    } while (token !== '')
    expect(joined).toEqual(whole.data)
  })

  test('comes as NDJSON and CSV too, with token and receipt as headers', async () => {
    await fill()
    const json = await getJson('/v1/trades?limit=5&fields=symbol,ts_ns,price')
    const ndjson = await fetch(`${api.url}/v1/trades?limit=5&fields=symbol,ts_ns,price`, {
      headers: { accept: 'application/x-ndjson' },
    })
    expect(ndjson.headers.get('content-type')).toBe('application/x-ndjson; charset=utf-8')
    expect(ndjson.headers.get('x-next-page-token')).toBe(json.next_page_token)
    expect(ndjson.headers.get('x-complete')).toBe('true')
    expect(ndjson.headers.get('x-receipt')).toBe(json.meta.receipt)
    const lines = (await ndjson.text()).split('\n')
    expect(lines.pop()).toBe('')
    expect(lines.map((line) => JSON.parse(line))).toEqual(json.data)
    const csv = await (
      await fetch(`${api.url}/v1/trades?limit=5&fields=symbol,ts_ns,price&format=csv`)
    ).text()
    const records = json.data.map((row) => `${row.symbol},${row.ts_ns},${row.price}\r\n`)
    expect(csv).toBe(`symbol,ts_ns,price\r\n${records.join('')}`)
  })

  test('of more rows than a chunk is whole', async () => {
    const rows = Array.from({ length: 2_001 }, (_, index) => ({
      ...eventRows(new SeededRandom(1), 1, 0, 'trades')[0]!,
      log_partition: 0,
      log_offset: BigInt(index),
    }))
    await api.lake.trades.add(rows)
    for (const limit of [999, 1_000, 1_001, 2_000, 2_001]) {
      expect((await getJson(`/v1/trades?limit=${limit}`)).data).toHaveLength(limit)
    }
  })

  test('is there for bars, latest, symbols and snapshots', async () => {
    await fill()
    const bars = await getJson('/v1/bars?interval=1d&tz=Australia/Sydney&of=mid&order=desc')
    expect(Object.keys(bars.data[0]!)).toEqual(
      'symbol,exchange,ts,ts_ns,open,high,low,close,volume,notional,vwap,count,final'.split(','),
    )
    expect((await getJson('/v1/latest?of=quotes&symbols=BHP&exchange=ASX')).data).toHaveLength(1)
    expect((await getJson('/v1/symbols')).data).toHaveLength(6)
    expect((await getJson('/v1/snapshots?table=trades')).data).toMatchObject([
      { snapshot_id: '1', offsets: [1], current: true },
    ])
    expect(await getJson('/v1/trades/count')).toMatchObject({ data: { count: 60 }, complete: true })
    expect(await getJson('/v1/quotes/count?symbols=NONE')).toMatchObject({ data: { count: 0 } })
    expect((await getJson('/v1/trades?symbols=NONE')).data).toEqual([])
  })
})

describe('bad input', () => {
  const cases: readonly (readonly [string, string, string, RegExp])[] = [
    ['/v1/trades?limit=0', 'limit', '0', /from 1 to 50000/],
    ['/v1/trades?limit=50001', 'limit', '50001', /from 1 to 50000/],
    ['/v1/trades?limit=x', 'limit', 'x', /from 1 to 50000/],
    ['/v1/trades?symbol=BHP', 'symbol', 'BHP', /symbols, exchange, start/],
    ['/v1/trades?symbols=A,,B', 'symbols', 'A,,B', /BHP,CBA/],
    ['/v1/trades?limit=1&limit=2', 'limit', '1 and 2', /once/],
    ['/v1/trades?start=yesterday', 'start', 'yesterday', /RFC 3339/],
    ['/v1/trades?start=2024-01-02&end=2024-01-02', 'end', '2024-01-02', /after start/],
    ['/v1/trades?order=up', 'order', 'up', /asc, desc/],
    ['/v1/trades?fields=symbol,bid_price', 'fields', 'bid_price', /ts_ns/],
    ['/v1/trades?format=xml', 'format', 'xml', /ndjson/],
    ['/v1/trades?page_token=abc', 'page_token', 'abc', /next_page_token/],
    ['/v1/bars?interval=2d', 'interval', '2d', /1s to 1d/],
    ['/v1/bars?interval=1M', 'interval', '1M', /1s to 1d/],
    ['/v1/bars?tz=Mars/Olympus', 'tz', 'Mars/Olympus', /IANA/],
    ['/v1/bars?of=last', 'of', 'last', /trades, bid, ask, mid/],
    ['/v1/latest?of=quotes&fields=price', 'fields', 'price', /bid_price/],
    ['/v1/quarantine?reason=ugly', 'reason', 'ugly', /not_positive, negative/],
    ['/v1/quarantine?of=bars', 'of', 'bars', /trades, quotes/],
    ['/v1/quarantine?fields=price', 'fields', 'price', /original_base64/],
    ['/v1/snapshots?table=orders', 'table', 'orders', /trades, quotes, quarantine/],
  ]

  test.each(cases)(
    '%s names the field, the value and what would be right',
    async (path, field, value, expected) => {
      const problem = await getProblem(path)
      expect(problem).toMatchObject({ status: 400, type: 'urn:ticklake:problem:invalid_input', field, value })
      expect(problem.expected).toMatch(expected)
    },
  )

  test('of an unknown route, table or load is a 404', async () => {
    expect(await getProblem('/v1/nothing')).toMatchObject({ status: 404 })
    expect(await getProblem('/admin/tables/orders')).toMatchObject({ status: 404 })
    expect(await getProblem('/v1/loads/none')).toMatchObject({ status: 404 })
  })

  test.each([
    ['DELETE', '/v1/trades', 'GET, HEAD'],
    ['POST', '/v1/bars', 'GET, HEAD'],
    ['PUT', '/admin/tables/trades', 'GET, HEAD'],
    ['DELETE', '/v1/loads/some', 'GET, HEAD'],
    ['POST', '/', 'GET, HEAD'],
    ['GET', '/v1/loads', 'POST'],
    ['GET', '/admin/quarantine/replay', 'POST'],
  ])('%s %s is a 405 that names the methods there are', async (method, path, allowed) => {
    const response = await fetch(api.url + path, { method })
    expect(response.headers.get('allow')).toBe(allowed)
    expect(await response.json()).toMatchObject({ status: 405, title: 'Method not allowed' })
  })

  test('in Accept is a 406', async () => {
    expect(await getProblem('/v1/trades', { headers: { accept: 'image/png' } })).toMatchObject({
      status: 406,
    })
  })
})

describe('the server', () => {
  test('answers 503 with Retry-After until it is ready, and says so', async () => {
    api.setReady(false)
    const response = await fetch(`${api.url}/v1/trades`)
    expect(response.status).toBe(503)
    expect(response.headers.get('retry-after')).toBe('1')
    const ready = await fetch(`${api.url}/health/ready`)
    expect(ready.status).toBe(503)
    expect(ready.headers.get('retry-after')).toBe('1')
    expect(await ready.json()).toMatchObject({
      detail: 'the tables have not caught up with the log yet',
      pressure: 'normal',
      tables: [],
      breakers: [],
    })
    expect((await fetch(`${api.url}/health/live`)).status).toBe(200)
    api.setReady(true)
    expect((await fetch(`${api.url}/health/ready`)).status).toBe(200)
  })

  test('says what has failed: a reader, a flush, a service outside', async () => {
    const failure = new Error('offsets 5 to 9 are no longer kept')
    const status = {
      table: 'trades',
      lagRecords: 7,
      lagMs: 1500,
      rows: 3,
      duplicates: 0,
      refusals: [],
      failure,
      stalled: null,
    } as const
    api.vitals.consumers.push({ status: () => status })
    const outage = { name: 'schema registry', state: 'open', failure: 'connect ECONNREFUSED' } as const
    api.vitals.breakers.push(outage)
    api.setReady(false)
    const why = 'the log is not read into trades any more, until a restart: offsets 5 to 9 are no longer kept'
    expect(await getProblem('/v1/trades')).toMatchObject({ status: 503, detail: why })
    expect(await getProblem('/health/ready')).toMatchObject({
      status: 503,
      detail: why,
      tables: [{ table: 'trades', lag_records: 7, lag_seconds: 1.5, failure: failure.message }],
      breakers: [outage],
    })
    const metrics = parseExposition(await (await fetch(`${api.url}/metrics`)).text())
    expect(metrics.get('ticklake_consumer_failed{table="trades"}')).toBe(1)
    expect(metrics.get('ticklake_lag_seconds{table="trades"}')).toBe(1.5)
    expect(metrics.get('ticklake_breaker{name="schema registry",state="open"}')).toBe(1)
    expect(metrics.get('ticklake_breaker{name="schema registry",state="closed"}')).toBe(0)
  })

  test('says what it waits for', async () => {
    const stalled = new Error('schema registry does not answer')
    const status = {
      table: 'trades',
      lagRecords: 7,
      lagMs: 1500,
      rows: 3,
      duplicates: 0,
      refusals: [],
      failure: null,
      stalled,
    } as const
    api.vitals.consumers.push({ status: () => status })
    api.setReady(false)
    expect(await getProblem('/health/ready')).toMatchObject({
      detail: 'the tables have not caught up with the log yet: trades waits: schema registry does not answer',
      tables: [{ table: 'trades', failure: null, stalled: stalled.message }],
    })
    const metrics = parseExposition(await (await fetch(`${api.url}/metrics`)).text())
    expect(metrics.get('ticklake_consumer_stalled{table="trades"}')).toBe(1)
  })

  test('keeps a request id that it is given, and makes one otherwise', async () => {
    const given = await fetch(`${api.url}/health/live`, { headers: { 'x-request-id': 'abc-1' } })
    expect(given.headers.get('x-request-id')).toBe('abc-1')
    const odd = await fetch(`${api.url}/health/live`, { headers: { 'x-request-id': 'a b' } })
    expect(odd.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
  })

  test('refuses a Host that is not this machine', async () => {
    const { port } = new URL(api.url)
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const headers = { host: 'evil.example' }
      httpRequest({ host: '127.0.0.1', port, path: '/v1/symbols', headers }, (answer) => {
        answer.resume()
        resolve(answer.statusCode)
      })
        .on('error', reject)
        .end()
    })
    expect(status).toBe(421)
    expect((await fetch(`http://localhost:${port}/health/live`)).status).toBe(200)
  })

  test('refuses what a page of a foreign site has a browser send', async () => {
    const send = (origin: string) =>
      fetch(`${api.url}/v1/loads?format=csv-trades`, { method: 'POST', body: 'x', headers: { origin } })
    for (const origin of ['https://evil.example', 'http://127.0.0.1.evil.example', 'null']) {
      expect((await send(origin)).status, origin).toBe(403)
    }
    for (const origin of [api.url, 'http://localhost:3000', 'http://[::1]']) {
      expect((await send(origin)).status, origin).toBe(202)
    }
  })

  test("a path that cannot be decoded is the client's mistake", async () => {
    expect(await getProblem('/admin/tables/%ff')).toMatchObject({ status: 400 })
    expect(await getProblem('/v1/loads/%zz')).toMatchObject({ status: 400 })
  })

  test('documents what it answers', async () => {
    // The document is compared with what the routes do.
    const document = (await (await fetch(`${api.url}/openapi.json`)).json()) as {
      openapi: string
      paths: Record<string, { get?: { parameters?: { name: string; required?: boolean }[] } }>
    }
    expect(document.openapi).toBe('3.1.0')
    for (const [path, { get }] of Object.entries(document.paths)) {
      if (!get || path.includes('{')) continue
      expect((await fetch(api.url + path)).status, path).toBe(200)
    }
    const names = document.paths['/v1/bars']!.get!.parameters!.map((parameter) => parameter.name)
    expect(names).toEqual(
      expect.arrayContaining(['symbols', 'interval', 'tz', 'of', 'limit', 'page_token', 'format']),
    )
    expect(document.paths['/v1/bars']!.get!.parameters!.some((parameter) => parameter.required)).toBe(false)
    const docs = await fetch(`${api.url}/docs/`)
    expect(await docs.text()).toContain('swagger-ui')
    expect((await fetch(`${api.url}/docs/swagger-ui-bundle.js`)).status).toBe(200)
    expect(await (await fetch(api.url)).text()).toContain('/openapi.json')
  })

  test('describes every parameter and every field', async () => {
    const document: unknown = await (await fetch(`${api.url}/openapi.json`)).json()
    expect(undescribed(document, '')).toEqual([])
  })

  test('describes its tables', async () => {
    await fill()
    const { data } = await getJson('/admin/tables')
    expect(data.map((table) => [table.table, table.rows, table.files])).toEqual([
      ['trades', 60, 1],
      ['quotes', 20, 0],
      ['quarantine', 0, 0],
      ['corrections', 0, 0],
    ])
    const trades = await getJson('/admin/tables/trades')
    expect(trades.data).toMatchObject({
      rows_in_tail: 20,
      snapshot_id: '1',
      partitions: [{ files: 1, rows: 40 }],
    })
    expect(api.lake.trades.pinCount).toBe(0)
  })

  test('finishes what runs before it stops, and may be stopped twice', async () => {
    await fill()
    const queries = api.lake.holdQueries()
    const running = fetch(`${api.url}/v1/trades?limit=3`)
    await queries.reached
    const stopped = Promise.all([api.server.stop(), api.server.stop()])
    await expect(fetch(`${api.url}/health/live`)).rejects.toThrow()
    queries.letGo()
    expect(((await (await running).json()) as Envelope).data).toHaveLength(3)
    await stopped
  })

  test('waits only so long for a client that does not go on', async () => {
    const clock = new ManualClock()
    const stalled = await openApiFixture(undefined, clock)
    const { port } = new URL(stalled.url)
    const upload = httpRequest({ host: '127.0.0.1', port, path: '/v1/loads?format=a', method: 'POST' })
    const broken = once(upload, 'error')
    upload.write('the first half')
    // Answered behind it: the upload has begun.
    await fetch(`${stalled.url}/health/live`)
    const stopped = stalled.server.stop()
    clock.advance(5_000)
    await stopped
    await broken
    await stalled.close()
  })

  test('ends the query of a client that leaves, and releases its version', async () => {
    await fill()
    const queries = api.lake.holdQueries()
    const controller = new AbortController()
    const left = fetch(`${api.url}/v1/trades`, { signal: controller.signal })
    const signal = await queries.reached
    expect(api.lake.trades.pinCount).toBe(1)
    const aborted = new Promise((resolve) => signal?.addEventListener('abort', resolve))
    controller.abort()
    await expect(left).rejects.toThrow()
    await aborted
    queries.letGo()
    await api.lake.trades.unpinned()
  })
})

/** Where an OpenAPI document has a parameter or a member of a schema without a description of its own or behind it. */
function undescribed(node: unknown, path: string): readonly string[] {
  if (typeof node !== 'object' || node === null) return []
  return Object.entries(node).flatMap(([key, value]) => {
    const here = `${path}/${key}`
    const needsOne = path.endsWith('/properties') || path.endsWith('/parameters')
    // The envelope's `data` and `meta` are described by what they hold.
    const hasOne = /"(description|[$]ref)":/.test(JSON.stringify(value))
    return [...(needsOne && !hasOne ? [here] : []), ...undescribed(value, here)]
  })
}
