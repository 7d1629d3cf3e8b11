import { tmpdir } from 'node:os'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Engine, textsOf } from '#engine'

let engine: Engine
beforeEach(async () => {
  engine = await Engine.open({
    memoryLimit: '256MB',
    threads: 1,
    tempDirectory: tmpdir(),
    connections: 1,
    maxWaiting: 2,
  })
})
afterEach(() => engine.close())

/** Asks in one turn: the first takes the connection, the next ones wait, before any can have ended. */
function ask(count: number, signal?: AbortSignal) {
  return Array.from({ length: count }, (_, index) => engine.query(`SELECT ${index} AS value`, {}, signal))
}

test('rows of a statement that fails beyond the first of them are an error, and no shorter result', async () => {
  const failing = `SELECT (CASE WHEN i < 900000 THEN '1' ELSE 'x' END)::BIGINT AS n FROM range(1000000) t(i)`
  const read = async () => {
    for await (const _ of engine.rows(failing));
  }
  await expect(read()).rejects.toThrow(/Could not convert string 'x'/)
})

describe('queries that wait for a connection', () => {
  test('are so many and no more: one more is overloaded, and later ones are taken again [inv 13]', async () => {
    const [refused, ...others] = await Promise.allSettled(ask(4).toReversed())
    expect(refused).toMatchObject({ status: 'rejected', reason: { code: 'overloaded' } })
    expect(others.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled'])
    expect((await Promise.all(ask(3))).map(({ columns }) => columns[0]?.[0])).toEqual([0, 1, 2])
  })

  test('leave their place when they are given up', async () => {
    const running = ask(1)
    const controller = new AbortController()
    const waiting = Promise.allSettled(ask(2, controller.signal))
    controller.abort(new Error('left'))
    const next = ask(2)
    expect(await waiting).toMatchObject([{ status: 'rejected' }, { status: 'rejected' }])
    await Promise.all([...running, ...next])
  })

  test('do not hold up statements on their side', async () => {
    const queries = ask(3)
    await engine.run('CREATE TABLE aside (value INTEGER)')
    await Promise.all(queries)
  })
})

describe('a result that is streamed', () => {
  const SORTED = "SELECT i, 'number ' || i AS name FROM range(200_000) t(i) ORDER BY (i * 7919) % 100_003"

  async function heldBytes(): Promise<number> {
    const { columns } = await engine.query('SELECT sum(memory_usage_bytes)::BIGINT FROM duckdb_memory()')
    return Number(columns[0]?.[0])
  }

  test('tells its types also when it has no rows', async () => {
    const chunks = []
    for await (const chunk of engine.stream("SELECT {'a': 1::BIGINT, 'b': 'x'} AS row WHERE false"))
      chunks.push(chunk)
    expect(
      chunks.map(({ rowCount, columns }) => [rowCount, columns.map(({ name, type }) => [name, type.kind])]),
    ).toEqual([
      [
        0,
        [
          ['a', 'long'],
          ['b', 'text'],
        ],
      ],
    ])
  })

  test('takes no connection of the queries, and DuckDB lets go of it when its reader leaves', async () => {
    const before = await heldBytes()
    const stream = engine.stream(SORTED)
    await stream.next()
    // The one connection is free.
    expect(await heldBytes()).toBeGreaterThan(before + 1_000_000)
    await stream.return(undefined)
    expect(await heldBytes()).toBeLessThan(before + 1_000_000)
  })

  test('is ended by an abort, with its reason, while DuckDB still computes its first rows', async () => {
    const controller = new AbortController()
    const reason = new Error('the client left')
    const first = engine
      .stream('SELECT count(*) FROM range(1_000_000_000_000) t(i) WHERE i % 3 = 1', {}, controller.signal)
      .next()
    await engine.query('SELECT 1')
    controller.abort(reason)
    await expect(first).rejects.toBe(reason)
  })

  test('is one of four: one more is overloaded, until one has ended [inv 13]', async () => {
    const streams = Array.from({ length: 4 }, () => engine.stream('SELECT i FROM range(100_000) t(i)'))
    await Promise.all(streams.map((stream) => stream.next()))
    await expect(engine.stream('SELECT 1').next()).rejects.toMatchObject({ code: 'overloaded' })
    await streams[0]?.return(undefined)
    await expect(engine.stream('SELECT 1::BIGINT').next()).resolves.toMatchObject({ done: false })
    await Promise.all(streams.map((stream) => stream.return(undefined)))
  })

  test('gives texts of every length, byte by byte', async () => {
    const lengths = [0, 1, 11, 12, 13, 14, 40, 5_000]
    const sql = `SELECT repeat('é', n % 50) || repeat('x', n) AS text, n FROM (SELECT unnest([${lengths.join(', ')}]) AS n), range(900) ORDER BY n % 7`
    const texts: string[] = []
    const counts: string[] = []
    for await (const { rowCount, columns } of engine.stream(`SELECT text, n::VARCHAR AS n FROM (${sql})`)) {
      texts.push(...textsOf(columns[0]!, rowCount))
      counts.push(...textsOf(columns[1]!, rowCount))
    }
    expect(texts).toHaveLength(lengths.length * 900)
    expect(texts).toEqual(counts.map((n) => 'é'.repeat(Number(n) % 50) + 'x'.repeat(Number(n))))
  })
})
