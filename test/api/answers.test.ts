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

test.each([
  ['/v1/bars?session=night', 'session', 'night', /regular, pre, post, all/],
  ['/v1/bars?session=regular&tz=UTC', 'session', 'regular', /without tz/],
  ['/v1/bars?prints=eligible&of=mid', 'prints', 'eligible', /of=trades/],
])('%s names what is wrong', async (path, field, value, expected) => {
  const { status, body } = await get(path)
  expect({ status, field: body.field, value: body.value }).toEqual({ status: 400, field, value })
  expect(body.expected).toMatch(expected)
})
