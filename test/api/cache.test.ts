import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type ApiFixture, openApiFixture } from '../support/api-fixture.js'
import { eventRows } from '../support/event-rows.js'
import { SeededRandom } from '../support/seeded-random.js'

let api: ApiFixture
beforeEach(async () => {
  api = await openApiFixture()
  await api.lake.trades.addCommitted(eventRows(new SeededRandom(1), 40, 0, 'trades'))
})
afterEach(() => api.close())

const get = (path: string, headers: Readonly<Record<string, string>> = {}) =>
  fetch(`${api.url}${path}`, { headers })

/** The data of an answer, whatever their form. */
async function dataOf(answer: Response): Promise<Readonly<Record<string, unknown>>> {
  expect(answer.status).toBe(200)
  // A test says what it expects of them.
  return ((await answer.json()) as { data: Readonly<Record<string, unknown>> }).data
}

describe('an answer with a tag', () => {
  test.each(['/v1/trades', '/v1/bars?format=csv', '/v1/latest?format=arrow', '/v1/symbols'])(
    'is not sent again to whoever has it, until a row comes [inv 7]: %s',
    async (path) => {
      const first = await get(path)
      const tag = first.headers.get('etag')
      expect(tag).toMatch(/^W\/"[\w-]+"$/)
      expect(first.headers.get('cache-control')).toBe('no-cache')
      const again = await get(path, { 'if-none-match': `"other", ${tag}` })
      expect([again.status, await again.text()]).toEqual([304, ''])
      await api.lake.trades.add(eventRows(new SeededRandom(2), 1, 100, 'trades'))
      const later = await get(path, { 'if-none-match': tag! })
      expect(later.status).toBe(200)
      expect(later.headers.get('etag')).not.toBe(tag)
    },
  )

  test('has another one in another format, and none where more decides than rows', async () => {
    const tags = await Promise.all(
      ['', '?format=csv', '?limit=1', '?order=desc'].map(async (query) =>
        (await get(`/v1/trades${query}`)).headers.get('etag'),
      ),
    )
    expect(new Set(tags).size).toBe(4)
    expect((await get('/v1/quality')).headers.get('etag')).toBeNull()
    expect((await get('/v1/trades?limit=all')).headers.get('etag')).toBeNull()
  })
})

describe('a plan', () => {
  test('tells what would be read, and reads nothing', async () => {
    const plan = await dataOf(await get('/v1/trades?symbols=BHP&explain=true&format=csv'))
    expect(plan).toMatchObject({
      table: 'trades',
      route: 'historical',
      files_total: 1,
      files_read: 1,
      parts: [{ from: null, to: null, rows: 40, tail_rows: 0, cache_key: expect.any(String) }],
      estimate: { files: 1, rows: 40 },
    })
    expect(api.lake.trades.pinCount).toBe(0)
  })

  test('has an estimate that can be asked for alone', async () => {
    const body = JSON.stringify({ path: '/v1/bars', query: { symbols: 'BHP', interval: '5m' } })
    const answer = await fetch(`${api.url}/v1/estimate`, { method: 'POST', body })
    expect(await dataOf(answer)).toMatchObject({ files: 1, rows: 40, predicted_ms: expect.any(Number) })
  })

  test.each([
    [{ path: '/v1/nothing' }, 'path', /\/v1\/trades/],
    [{ path: '/v1/bars', query: { interval: '2d' } }, 'interval', /1s to 1d/],
    [{ path: '/v1/bars', query: { symbol: 'BHP' } }, 'symbol', /symbols/],
    [{ path: '/v1/bars', more: 1 }, 'body', /more/],
  ])('of what cannot be asked is refused: %j', async (body, field, expected) => {
    const answer = await fetch(`${api.url}/v1/estimate`, { method: 'POST', body: JSON.stringify(body) })
    expect(answer.status).toBe(400)
    expect(await answer.json()).toMatchObject({ field, expected: expect.stringMatching(expected) })
  })
})
