import { afterEach, beforeEach, expect, test } from 'vitest'
import { type ApiFixture, openApiFixture } from '../support/api-fixture.js'
import { eventRows } from '../support/event-rows.js'
import { SeededRandom } from '../support/seeded-random.js'

let api: ApiFixture
beforeEach(async () => {
  api = await openApiFixture()
  await api.lake.trades.addCommitted(eventRows(new SeededRandom(1), 40, 0, 'trades'))
  await api.lake.trades.add(eventRows(new SeededRandom(2), 20, 40, 'trades'))
  await api.lake.quotes.add(eventRows(new SeededRandom(3), 20, 0, 'quotes'))
})
afterEach(() => api.close())

async function get(
  path: string,
): Promise<{ readonly status: number; readonly body: Record<string, unknown> }> {
  const response = await fetch(api.url + path)
  // The tests look into what they expect of it.
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

test('bars of a day are those of trading days, unless a time zone is named', async () => {
  const { body } = await get('/v1/bars?interval=1d')
  expect((await get('/v1/bars?interval=1d&session=all')).body.data).toEqual(body.data)
  // The exchanges of this lake have no calendar: their trading days are those of UTC.
  expect((await get('/v1/bars?interval=1d&tz=UTC')).body.data).toEqual(body.data)
  expect((await get('/v1/bars?interval=1d&tz=Asia/Tokyo')).body.data).not.toEqual(body.data)
})

test('vwap is of a range, or of its intervals as bars have it', async () => {
  const whole = (await get('/v1/vwap?symbols=BHP&exchange=ASX')).body.data as readonly object[]
  expect(whole).toHaveLength(1)
  expect(Object.keys(whole[0]!)).toEqual(
    'symbol,exchange,volume,notional,vwap,count,first_ts,last_ts'.split(','),
  )
  const fields = 'symbol,exchange,ts,ts_ns,volume,notional,vwap,count,final'
  const bars = await get(`/v1/bars?interval=1h&order=desc&fields=${fields}`)
  expect((await get('/v1/vwap?interval=1h&order=desc')).body.data).toEqual(bars.body.data)
})

test('trades come with their quotes, and each table with its version', async () => {
  const { body } = await get('/v1/asof?limit=3&prevailing=before&max_age=30d')
  expect(body.data).toHaveLength(3)
  expect(body.meta).toMatchObject({
    route: 'hybrid',
    snapshot_id: null,
    rows_scanned: 80,
    tables: [
      { table: 'trades', route: 'hybrid', snapshot_id: '1', receipt: expect.any(String) },
      { table: 'quotes', route: 'real-time', snapshot_id: null, receipt: expect.any(String) },
    ],
  })
  const next = await get(`/v1/asof?limit=3&prevailing=before&max_age=30d&page_token=${body.next_page_token}`)
  expect(next.body.data).toHaveLength(3)
  expect((next.body.meta as { receipt: string }).receipt).toBe((body.meta as { receipt: string }).receipt)
})

test('the market at a moment counts what happened at it', async () => {
  const ts = '2014-10-05T00:00:00.000000Z'
  const { body } = await get(
    `/v1/snapshot?at=${ts}&fields=symbol,exchange,trade_ts,trade_ts_ns,price,quote_ts,mid`,
  )
  const rows = body.data as readonly Record<string, string | null>[]
  expect(rows.length).toBeGreaterThan(2)
  for (const row of rows)
    for (const name of ['trade_ts', 'quote_ts']) expect((row[name] ?? ts) <= ts).toBe(true)
  const { symbol, trade_ts_ns: at } = rows.find(({ trade_ts }) => trade_ts !== null)!
  const path = `/v1/snapshot?at=${at}&symbols=${encodeURIComponent(symbol!)}&fields=trade_ts_ns`
  expect((await get(path)).body.data).toContainEqual({ trade_ts_ns: at })
})

test.each([
  ['/v1/bars?session=night', 'session', 'night', /regular, pre, post, all/],
  ['/v1/bars?session=regular&tz=UTC', 'session', 'regular', /without tz/],
  ['/v1/asof?max_age=60d', 'max_age', '60d', /1s to 30d/],
  ['/v1/asof?as_of=17', 'as_of', '17', /a snapshot is of one table/],
  ['/v1/asof?fields=open', 'fields', 'open', /bid_price/],
  ['/v1/snapshot?max_age=1d', 'max_age', '86400s', /with at/],
  ['/v1/snapshot?at=noon', 'at', 'noon', /RFC 3339/],
  ['/v1/bars?fill=zero', 'fill', 'zero', /none, null, prev/],
  ['/v1/vwap?session=regular', 'session', 'regular', /with an interval/],
  ['/v1/vwap?order=desc', 'order', 'desc', /unless an interval/],
  ['/v1/bars?prints=eligible&of=mid', 'prints', 'eligible', /of=trades/],
])('%s names what is wrong', async (path, field, value, expected) => {
  const { status, body } = await get(path)
  expect({ status, field: body.field, value: body.value }).toEqual({ status: 400, field, value })
  expect(body.expected).toMatch(expected)
})
