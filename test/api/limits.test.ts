import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadConfig } from '#config'
import { createLogger, systemClock } from '#core'
import { Lake } from '../../src/cli/lake.js'
import { type ApiFixture, openApiFixture } from '../support/api-fixture.js'
import { eventRows } from '../support/event-rows.js'
import { type Exposition, parseExposition } from '../support/exposition.js'
import { ManualClock } from '../support/manual-clock.js'
import { SeededRandom } from '../support/seeded-random.js'
import { until } from '../support/turns.js'

interface Problem {
  readonly type: string
  readonly detail: string
  readonly field?: string
}

describe('queries at once', () => {
  const clock = new ManualClock()
  let api: ApiFixture
  beforeEach(async () => {
    api = await openApiFixture(undefined, clock, undefined, undefined, undefined, {
      concurrent: 2,
      large: 1,
      streamed: 1,
      maxWaiting: 2,
    })
    await api.lake.trades.add(eventRows(new SeededRandom(7), 40, 0, 'trades'))
  })
  afterEach(() => api.close())

  const ask = (signal?: AbortSignal, query = '') =>
    fetch(`${api.url}/v1/trades?limit=3${query}`, { signal: signal ?? null })
  const counts = () => {
    const { running, waiting } = api.lake.limits.status()
    return [running.small, waiting.small]
  }
  const areThere = (running: number, waiting: number) =>
    until(() => counts().join() === [running, waiting].join())

  test('run, wait, or are refused with a 429 that says when to come back; who waited is answered [inv 13]', async () => {
    const held = api.lake.holdQueries()
    const answers = Array.from({ length: 4 }, () => ask())
    await areThere(2, 2)
    const refused = await ask()
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1'])
    expect(refused.headers.get('ratelimit-policy')).toBe('"queries";q=4;qu="concurrent-requests"')
    expect(refused.headers.get('ratelimit')).toBe('"queries";r=0')
    const problem = (await refused.json()) as Problem
    expect(problem).toMatchObject({
      type: 'urn:ticklake:problem:overloaded',
      detail: '2 queries wait already: try again later',
    })
    held.letGo()
    for (const answer of answers) expect((await answer).status).toBe(200)
    expect(counts()).toEqual([0, 0])
    expect(api.lake.trades.pinCount).toBe(0)
    expect((await ask()).headers.get('ratelimit')).toBe('"queries";r=4')
  })

  test('lose their place in the line when their client leaves, and their version', async () => {
    const held = api.lake.holdQueries()
    const running = [ask(), ask()]
    await areThere(2, 0)
    const controller = new AbortController()
    const left = expect(ask(controller.signal)).rejects.toThrow()
    await areThere(2, 1)
    expect(api.lake.trades.pinCount).toBe(3)
    controller.abort()
    await left
    await areThere(2, 0)
    expect(api.lake.trades.pinCount).toBe(2)
    held.letGo()
    await Promise.all(running)
  })

  test('end when their time is over, running or waiting, with a 504 that says so', async () => {
    const held = api.lake.holdQueries()
    const slow = ask(undefined, '&timeout_ms=2000')
    const signal = await held.reached
    const other = ask()
    await areThere(2, 0)
    const waiting = ask(undefined, '&timeout_ms=1000')
    await areThere(2, 1)
    clock.advance(1_000)
    const late = await waiting
    expect([late.status, await late.json()]).toMatchObject([
      504,
      {
        type: 'urn:ticklake:problem:timeout',
        detail:
          'the query was ended after 1000 ms: ask for less, or raise timeout_ms; it had not had its turn yet',
      },
    ])
    expect([signal?.aborted, ...counts()]).toEqual([false, 2, 0])
    clock.advance(1_000)
    expect(signal?.aborted).toBe(true)
    held.letGo()
    const ended = await slow
    expect([ended.status, await ended.json()]).toMatchObject([
      504,
      { detail: 'the query was ended after 2000 ms: ask for less, or raise timeout_ms' },
    ])
    expect((await other).status).toBe(200)
    expect(api.lake.trades.pinCount).toBe(0)
  })

  test.each(['0', '-1', '300001', 'soon', '1.5', ''])('have no time of %j', async (given) => {
    const response = await ask(undefined, `&timeout_ms=${given}`)
    const problem = (await response.json()) as Problem
    expect([response.status, problem.field]).toEqual([400, 'timeout_ms'])
  })
})

describe('a server whose clients are slow', () => {
  let data: string
  let lake: Lake
  beforeEach(async () => {
    data = await mkdtemp(join(tmpdir(), 'ticklake-limits-'))
  })
  afterEach(async () => {
    await lake.stop()
    await rm(data, { recursive: true })
  })

  async function start(env: Readonly<Record<string, string>>, rows: number): Promise<void> {
    const config = loadConfig({ data, port: '0' }, { env, isTerminal: false, cores: 2 })
    const logger = createLogger({ level: 'silent', format: 'json' })
    lake = await Lake.start(config, { clock: systemClock, random: new SeededRandom(1), logger })
    await lake.caughtUp
    const path = join(data, 'trades.csv')
    const lines = Array.from(
      { length: rows },
      (_, row) => `S${row % 9},X,${1_700_000_000_000 + row},${row + 1}.25,1`,
    )
    await writeFile(path, ['symbol,exchange,time,price,size', ...lines].join('\n'))
    await lake.load({ path, fileName: 'trades.csv', format: 'csv-trades', again: true }).ended
  }

  async function scrape(): Promise<Exposition> {
    return parseExposition(await (await fetch(`${lake.url}/metrics`)).text())
  }
  const waiting = async () => (await scrape()).get('ticklake_queries_waiting{rank="streamed"}')

  /** A client that asks for everything, and reads none of it; what it was answered, once it is. */
  function slowReader() {
    const controller = new AbortController()
    const answer = fetch(`${lake.url}/v1/trades?limit=all`, { signal: controller.signal })
    return { answer, leave: () => controller.abort() }
  }

  test('answers others all the same: readers of whole lists have only their share, and what waits comes when one has left [inv 13]', async () => {
    const env = { TICKLAKE_QUERIES_STREAMED: '1', TICKLAKE_QUERIES_MAX_WAITING: '20' }
    // More than sockets take on the way.
    await start(env, 100_000)
    const first = slowReader()
    expect((await first.answer).status).toBe(200)
    const [second, third] = [slowReader(), slowReader()]
    await until(async () => (await waiting()) === 2)
    const refused = await slowReader().answer
    expect([refused.status, ((await refused.json()) as Problem).detail]).toEqual([
      429,
      '2 answers that are to be streamed wait already: try again later',
    ])
    for (const path of [
      '/v1/trades?symbols=S1',
      '/v1/trades/count?symbols=S1',
      '/v1/bars?symbols=S1',
      '/v1/latest',
    ]) {
      expect((await fetch(`${lake.url}${path}`)).status, path).toBe(200)
    }
    expect((await scrape()).get('ticklake_queries_refused_total{reason="line"}')).toBe(1)
    expect((await scrape()).get('ticklake_queries_reserved_bytes')).toBeGreaterThan(16_000_000)
    third.leave()
    await expect(third.answer).rejects.toThrow()
    first.leave()
    expect((await second.answer).status).toBe(200)
    second.leave()
    await until(async () => (await scrape()).get('ticklake_queries_reserved_bytes') === 0)
    expect((await scrape()).get('ticklake_queries_running{rank="streamed"}')).toBe(0)
  })

  test('with a nearly full disk takes small queries, and answers 503 to others', async () => {
    await start(
      { TICKLAKE_QUERIES_MIN_FREE_DISK_BYTES: String(10 ** 15), TICKLAKE_QUERIES_SMALL_MS: '3' },
      100_000,
    )
    expect((await fetch(`${lake.url}/v1/snapshots`)).status).toBe(200)
    const refused = await fetch(`${lake.url}/v1/bars`)
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1'])
    expect(((await refused.json()) as Problem).detail).toMatch(/^the disk is nearly full: \d+ bytes are free/)
    expect((await scrape()).get('ticklake_queries_refused_total{reason="disk"}')).toBe(1)
  })
})
