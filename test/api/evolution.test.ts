import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { IngestFixture } from '../support/ingest-fixture.js'
import { FROM_SOURCE, runTicklake } from '../support/ticklake-process.js'

let lake: IngestFixture

const trade = (second: number) =>
  JSON.stringify([
    {
      symbol: 'BHP',
      exchange: 'ASX',
      ts: `2024-03-10T10:00:0${second}Z`,
      price: '1.5',
      size: second,
      message_id: `m-${second}`,
    },
  ])

/** A table with a committed row, and another one that was committed later. */
beforeAll(async () => {
  lake = await IngestFixture.open()
  await lake.post('trades', 'application/json', trade(1))
  await lake.rows('/v1/trades', 1)
  await lake.restart()
  await ask('POST', '/refs/first', { type: 'tag' })
  await lake.post('trades', 'application/json', trade(2))
  await lake.rows('/v1/trades', 2)
})
afterAll(() => lake.close())

interface Asked {
  readonly status: number
  /** `data` of an answer, or the problem. */
  readonly body: unknown
}

async function ask(method: string, path: string, body?: unknown, table = 'trades'): Promise<Asked> {
  return get(`/admin/tables/${table}${path}`, {
    method,
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
}

async function get(path: string, init: RequestInit = {}): Promise<Asked> {
  const response = await fetch(lake.url + path, init)
  const text = await response.text()
  const answer = text === '' ? null : (JSON.parse(text) as Record<string, unknown>)
  return { status: response.status, body: answer && 'data' in answer ? answer.data : answer }
}

describe('a table changes in metadata alone', () => {
  test('its schema: a new column can be asked for at once, and comes in no answer that does not ask for it', async () => {
    const changes = [
      { change: 'add', name: 'feed', type: 'string', doc: 'where it came from' },
      { change: 'add', name: 'latency', type: 'decimal(9, 3)', position: { at: 'first' } },
    ]
    const { status, body } = await ask('POST', '/schema', { changes })
    expect(status).toBe(200)
    expect(body).toMatchObject({
      schema_id: 1,
      columns: expect.arrayContaining([
        { id: 19, name: 'feed', type: 'string', required: false, doc: 'where it came from' },
        { id: 20, name: 'latency', type: 'decimal(9, 3)', required: false, doc: null },
      ]),
    })
    expect(await ask('GET', '/schema')).toEqual({ status, body })
    expect(await get('/v1/trades?fields=message_id,feed,latency')).toMatchObject({
      body: [
        { message_id: 'm-1', feed: null, latency: null },
        { message_id: 'm-2', feed: null, latency: null },
      ],
    })
    expect((await get('/v1/latest?fields=feed,symbol')).body).toEqual([{ feed: null, symbol: 'BHP' }])
    const [row] = (await get('/v1/trades')).body as readonly object[]
    expect(Object.keys(row!)).not.toContain('feed')
    expect(await get('/v1/trades?fields=symbol,fee')).toMatchObject({
      status: 400,
      body: { field: 'fields', value: 'fee', expected: expect.stringContaining('feed, ') },
    })
  })

  test('its partition spec and its sort order', async () => {
    const add = { change: 'add', column: 'symbol', transform: 'bucket[4]' }
    expect(await ask('POST', '/partition-spec', { changes: [add] })).toEqual({
      status: 200,
      body: {
        spec_id: 1,
        fields: [
          { name: 'exchange_timestamp_day', column: 'exchange_timestamp', transform: 'day' },
          { name: 'symbol_bucket_4', column: 'symbol', transform: 'bucket[4]' },
        ],
      },
    })
    expect(
      await ask('POST', '/sort-order', { by: [{ column: 'exchange_timestamp', direction: 'desc' }] }),
    ).toEqual({
      status: 200,
      body: {
        order_id: 2,
        fields: [
          {
            column: 'exchange_timestamp',
            transform: 'identity',
            direction: 'desc',
            null_order: 'nulls-last',
          },
        ],
      },
    })
    expect((await get('/v1/trades?fields=message_id')).body).toHaveLength(2)
  })

  test.each<[path: string, body: unknown, status: number, problem: object]>([
    ['/schema', '{', 400, { field: 'body', expected: 'JSON' }],
    ['/schema', {}, 400, { field: 'changes', expected: 'a list of changes' }],
    [
      '/schema',
      { changes: [{ change: 'grow' }] },
      400,
      { field: 'changes.0.change', value: '"grow"', expected: expect.stringContaining('add, drop') },
    ],
    [
      '/schema',
      { changes: [{ change: 'add', name: 'x', type: 7 }] },
      400,
      { field: 'changes.0.type', value: '7', expected: expect.stringContaining('a type such as') },
    ],
    [
      '/schema',
      { changes: [{ change: 'drop', name: 'price' }] },
      400,
      { detail: expect.stringContaining('which ingest writes, cannot be dropped') },
    ],
    ['/schema', { changes: [{ change: 'drop', name: 'pric' }] }, 400, { field: 'column', value: 'pric' }],
    [
      '/partition-spec',
      { changes: [{ change: 'remove', name: 'x' }] },
      400,
      { field: 'partition field', value: 'x' },
    ],
    [
      '/sort-order',
      { by: [{ column: 'symbol', direction: 'up' }] },
      400,
      { field: 'by.0.direction', value: '"up"', expected: 'asc or desc' },
    ],
    ['/refs/1st', { type: 'tag' }, 400, { field: 'name', value: '1st' }],
    ['/refs/late', { type: 'tag', as_of: '17' }, 410, {}],
  ])('POST %s %j is refused: %i', async (path, body, status, problem) => {
    expect(await ask('POST', path, body)).toMatchObject({ status, body: problem })
  })

  test('a table or a method that is not there says what is', async () => {
    expect(await ask('GET', '/schema', undefined, 'orders')).toMatchObject({
      status: 404,
      body: { detail: expect.stringContaining('there are trades, quotes') },
    })
    expect(await ask('PUT', '/schema', {})).toMatchObject({
      status: 405,
      body: { detail: expect.stringContaining('GET, POST') },
    })
    expect(await get('/admin/tables/trades/schema?x=1')).toMatchObject({ status: 400 })
  })
})

describe('a tag', () => {
  test('is made, asked for, and dropped', async () => {
    const made = await ask('GET', '/refs/first')
    expect(made).toMatchObject({ status: 200, body: { name: 'first', type: 'tag', max_ref_age_ms: null } })
    const again = await ask('POST', '/refs/first', { type: 'tag', as_of: 'first' })
    expect(again).toEqual(made)
    const { snapshot_id } = made.body as { snapshot_id: string }
    for (const asOf of ['first', snapshot_id]) {
      const rows = [{ message_id: 'm-1' }]
      expect((await get(`/v1/trades?fields=message_id&as_of=${asOf}`)).body).toEqual(rows)
      expect((await get(`/v1/trades/count?as_of=${asOf}`)).body).toEqual({ count: 1 })
      for (const path of ['bars', 'latest', 'symbols', 'coverage', 'quality']) {
        const answer = await get(`/v1/${path}?as_of=${asOf}`)
        expect([path, answer.status, (answer.body as readonly object[]).length]).toEqual([path, 200, 1])
      }
    }
    expect(await get('/v1/quarantine?as_of=first')).toMatchObject({ status: 404 })
    expect(await get('/v1/quality/tables?as_of=first')).toMatchObject({
      status: 400,
      body: { field: 'as_of' },
    })
    expect(await get('/v1/trades?as_of=2024-03-10T10')).toMatchObject({
      status: 400,
      body: { field: 'as_of' },
    })
    expect(await ask('POST', '/refs/second', { type: 'branch', as_of: 'first' })).toMatchObject({
      status: 200,
    })
    expect(await ask('POST', '/refs/second', { type: 'tag' })).toMatchObject({ status: 409 })
    expect((await ask('GET', '/refs')).body).toMatchObject([
      { name: 'first' },
      { name: 'main' },
      { name: 'second' },
    ])
    expect(await ask('DELETE', '/refs/second')).toEqual({ status: 204, body: null })
    expect(await ask('DELETE', '/refs/second')).toMatchObject({ status: 404 })
    expect(await ask('DELETE', '/refs/main')).toMatchObject({ status: 400 })
  })
})

test('the command line does the same', async () => {
  const run = (...words: readonly string[]) =>
    runTicklake([...words, '--url', lake.url], { program: FROM_SOURCE })
  expect(
    await run('admin', 'schema', 'quotes', '--add', 'feed:int', '--widen', 'feed:long', '--first', 'feed'),
  ).toMatch(/^id +name.*\n.*\n19 +feed +long/)
  expect(await run('admin', 'tag', 'trades', 'cli', '--as-of', 'first')).toContain('cli')
  expect(await run('query', 'trades', '--as-of', 'cli', '--output', 'ndjson', '--fields', 'message_id')).toBe(
    '{"message_id":"m-1"}\n',
  )
  await expect(run('admin', 'branch', 'trades', 'cli', '--drop')).rejects.toThrow('it is a tag')
  expect(await run('admin', 'tag', 'trades', 'cli', '--drop')).toBe('the tag cli is gone\n')
  await expect(run('admin', 'schema', 'quotes', '--add', 'x')).rejects.toThrow('ended with 2')
}, 120_000)
