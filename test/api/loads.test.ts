import { readdirSync, readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { FileLoader } from '#api'
import { TicklakeError } from '#core'
import type { LoadRequest } from '#ingest'
import { type ApiFixture, openApiFixture } from '../support/api-fixture.js'
import type { LakeFixture } from '../support/lake-fixture.js'

/** Puts a trade for each line into the tail; each load waits for `gate`. */
class LineLoader implements FileLoader {
  readonly requests: LoadRequest[] = []
  gate: Promise<void> = Promise.resolve()
  readonly #lake: LakeFixture

  constructor(lake: LakeFixture) {
    this.#lake = lake
  }

  async load(request: LoadRequest, _onProgress?: undefined, signal?: AbortSignal) {
    this.requests.push(request)
    await this.gate
    signal?.throwIfAborted()
    if (request.format === 'none')
      throw new TicklakeError('invalid_input', 'format: "none" is not known', { field: 'format' })
    if (request.format === 'bug') throw new TypeError('inside knowledge')
    const lines = readFileSync(request.path, 'utf8').split('\n')
    await this.#lake.trades.add(
      lines.map((line, index) => ({
        symbol: line,
        exchange: request.exchange ?? 'X',
        exchange_timestamp: 0n,
        log_partition: 0,
        log_offset: BigInt(index),
      })),
    )
    return {
      sourceId: 'abc',
      alreadyLoaded: false,
      rowsRead: lines.length,
      accepted: lines.length,
      quarantined: 0,
      quarantineReasons: {},
      skipped: 0,
      seconds: 0.5,
      end: new Map([['market-data.trades', [lines.length]]]),
    }
  }
}

let api: ApiFixture
let loader: LineLoader
beforeEach(async () => {
  api = await openApiFixture((lake) => {
    loader = new LineLoader(lake)
    return loader
  })
})
afterEach(async () => {
  await api.loads.stop()
  expect(readdirSync(api.lake.directory).filter((name) => name.startsWith('upload-'))).toEqual([])
  await api.close()
})

async function post(query: string, body = 'BHP\nCBA') {
  const response = await fetch(`${api.url}/v1/loads?${query}`, { method: 'POST', body })
  return {
    response,
    body: (await response.json()) as { data: Record<string, unknown> } & Record<string, unknown>,
  }
}

async function state(id: unknown): Promise<unknown> {
  const response = await fetch(`${api.url}/v1/loads/${id}`)
  return ((await response.json()) as { data: { state: unknown } }).data.state
}

describe('a load', () => {
  test('that is waited for is committed when it is answered', async () => {
    const { response, body } = await post(
      'format=lines&file_name=dir/a.csv&exchange=ASX&again=true&wait=true',
    )
    expect(response.status).toBe(200)
    expect(body.data).toMatchObject({
      state: 'done',
      file_name: 'a.csv',
      rows_read: 2,
      accepted: 2,
      rows_per_second: 4,
      source_id: 'abc',
      snapshot_id: '1',
      snapshot_ids: { trades: '1' },
      error: null,
    })
    expect(loader.requests).toMatchObject([
      { fileName: 'a.csv', format: 'lines', exchange: 'ASX', again: true },
    ])
    const count = await fetch(`${api.url}/v1/trades/count?exchange=ASX`)
    expect(await count.json()).toMatchObject({ data: { count: 2 }, meta: { route: 'historical' } })
  })

  test('is taken with 202 and can be asked for; two run, the third is in line', async () => {
    let open = () => {}
    loader.gate = new Promise((resolve) => {
      open = resolve
    })
    const jobs = [await post('format=lines'), await post('format=lines'), await post('format=lines')]
    expect(jobs.map(({ response }) => response.status)).toEqual([202, 202, 202])
    const ids = jobs.map(({ body }) => body.data.id)
    expect(jobs[0]!.response.headers.get('location')).toBe(`/v1/loads/${ids[0]}`)
    expect(await Promise.all(ids.map(state))).toEqual(['running', 'running', 'queued'])
    open()
    for (const id of ids) await api.loads.get(String(id)).ended
    expect(await Promise.all(ids.map(state))).toEqual(['done', 'done', 'done'])
  })

  test('that fails says why', async () => {
    const waited = await post('format=none&wait=true')
    expect(waited.response.status).toBe(400)
    expect(waited.body).toMatchObject({ field: 'format', detail: 'format: "none" is not known' })
    const { body } = await post('format=bug')
    const id = String(body.data.id)
    await api.loads.get(id).ended
    const text = await (await fetch(`${api.url}/v1/loads/${id}`)).text()
    expect(JSON.parse(text).data).toMatchObject({ state: 'failed', error: { status: 500 } })
    expect(text).not.toContain('inside knowledge')
  })

  test('may bring SQL of its own, or name a format, and nothing else', async () => {
    const long = `format_sql=${'SELECT+1'.padEnd(100_000, '+')}&wait=true`
    expect((await post(long)).response.status).toBe(200)
    expect((await post('format_sql=SELECT+1&wait=true')).response.status).toBe(200)
    expect(loader.requests[1]!.format).toEqual({ name: 'of your own', sql: 'SELECT 1' })
    for (const query of [
      '',
      'format=a&format_sql=b',
      'format=/etc/x.sql',
      'format=a&date=1.1.2014',
      'format=a&wait=1',
      'format=a&frmat=b',
    ]) {
      expect((await post(query)).response.status, query).toBe(400)
    }
    expect((await post('format=lines', '')).body).toMatchObject({ status: 400, field: 'body' })
    expect(loader.requests).toHaveLength(2)
  })

  test('beyond a hundred in line is a 429', async () => {
    for (let place = 0; place < 102; place++) api.loads.enter()
    const { response, body } = await post('format=lines')
    expect(response.status).toBe(429)
    expect(body.type).toBe('urn:ticklake:problem:overloaded')
    expect(response.headers.get('retry-after')).toBe('1')
    api.loads.leave()
    expect((await post('format=lines&wait=true')).response.status).toBe(200)
  })

  test('is interrupted by a stop', async () => {
    let open = () => {}
    loader.gate = new Promise((resolve) => {
      open = resolve
    })
    const jobs = [await post('format=lines'), await post('format=lines'), await post('format=lines')]
    const stopped = api.loads.stop()
    open()
    await stopped
    const ended = jobs.map(({ body }) => api.loads.get(String(body.data.id)))
    expect(ended.map((job) => [job.state, job.error?.message.split(':')[0]])).toEqual(
      Array.from({ length: 3 }, () => ['failed', 'the server is stopping']),
    )
  })
})
