import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Engine, textsOf } from '#engine'
import { until } from '../support/turns.js'

let engine: Engine
beforeEach(async () => {
  engine = await Engine.open({
    memoryLimit: '256MB',
    threads: 1,
    tempDirectory: tmpdir(),
    connections: 1,
  })
})
afterEach(() => engine.close())

/** It would take hours. */
const ENDLESS = 'SELECT count(*)::BIGINT AS rows FROM range(1_000_000_000_000) t(i) WHERE i % 3 = $rest'

describe('a statement that fails beyond its first rows is an error, and no shorter result', () => {
  const failing = "SELECT (CASE WHEN i < 900000 THEN '1' ELSE 'x' END)::BIGINT AS n FROM range(1000000) t(i)"

  test.each(['rows', 'stream'] as const)('%s', async (how) => {
    const read = async () => {
      for await (const _ of engine[how](failing));
    }
    await expect(read()).rejects.toThrow(/Could not convert string 'x'/)
    expect((await engine.query("SELECT 'still there' AS text")).columns).toEqual([['still there']])
  })
})

describe('an abort ends a statement with its reason, whenever it comes', () => {
  const asked = {
    'a query': (signal: AbortSignal) => engine.query(ENDLESS, { rest: 1 }, signal),
    'a query by chunks': (signal: AbortSignal) => engine.rows(ENDLESS, { rest: 1 }, signal).next(),
    'a stream': (signal: AbortSignal) => engine.stream(ENDLESS, { rest: 1 }, signal).next(),
    'an export': (signal: AbortSignal) => {
      const sql = `SELECT {'rows': rows} AS row, '' AS key FROM (${ENDLESS})`
      const path = join(tmpdir(), 'ticklake-test-never-written.parquet')
      return engine.exportParquet({ sql, parameters: { rest: 1 }, limit: 1, path }, signal)
    },
  }

  test.each(Object.entries(asked))('%s', async (_, ask) => {
    // In the same turn; in the next ones, while DuckDB parses and plans; and while it computes.
    for (const turns of [0, 1, 2, 3, 5, 10, 1_000]) {
      const controller = new AbortController()
      const reason = new Error('the client left')
      const asking = ask(controller.signal)
      const ended = expect(asking).rejects.toBe(reason)
      for (let turn = 0; turn < turns; turn++) await nextTurn()
      controller.abort(reason)
      await ended
    }
    expect((await engine.query("SELECT 'still there' AS text")).columns).toEqual([['still there']])
  })
})

test('a statement spills so much and no more, and leaves nothing behind', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'ticklake-spill-'))
  const bounds = { memoryLimit: '60MB', spillLimit: '10MB', threads: 1, connections: 1 }
  const bounded = await Engine.open({ ...bounds, tempDirectory: directory })
  const sorted = (count: number) =>
    bounded.run(
      `COPY (SELECT i, md5(i::VARCHAR) AS text FROM range(${count}) t(i) ORDER BY text) TO '${join(directory, 'sorted.parquet')}'`,
    )
  await expect(sorted(3_000_000)).rejects.toThrow(/^Out of Memory Error: .*max_temp_directory_size/s)
  await sorted(1_000)
  const { columns } = await bounded.query('SELECT count(*)::INTEGER FROM duckdb_temporary_files()')
  expect(columns).toEqual([[0]])
  await bounded.close()
  await rm(directory, { recursive: true })
})

test('queries have as many connections as they are, and as many are kept as was said', async () => {
  const connections = async () => {
    const { columns } = await engine.query('SELECT count::INTEGER FROM duckdb_connection_count()')
    return Number(columns[0]?.[0])
  }
  const before = await connections()
  const texts = await Promise.all(Array.from({ length: 5 }, (_, i) => engine.query(`SELECT ${i} AS value`)))
  expect(texts.map(({ columns }) => columns[0]?.[0])).toEqual([0, 1, 2, 3, 4])
  expect(await connections()).toBe(before)
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

  test('has a connection of its own, and DuckDB lets go of it when its reader leaves', async () => {
    const before = await heldBytes()
    const stream = engine.stream(SORTED)
    await stream.next()
    expect(await heldBytes()).toBeGreaterThan(before + 1_000_000)
    await stream.return(undefined)
    expect(await heldBytes()).toBeLessThan(before + 1_000_000)
  })

  test('is ended when too much is dropped that DuckDB keeps for it, and one that began later is not [inv 13]', async () => {
    const table = 'CREATE TABLE dropped AS SELECT random() AS x FROM range(1_000_000)'
    const dropped = async (bytes: number) => {
      await engine.run(table)
      engine.drop('dropped', bytes)
      await engine.dropped()
    }
    const before = await heldBytes()
    const [old, young] = [engine.stream(SORTED), engine.stream(SORTED)]
    await old.next()
    await dropped(200 * 2 ** 20)
    await young.next()
    expect(await heldBytes()).toBeGreaterThan(before + 8_000_000)
    // Nobody reads on: what the old one held is let go all the same.
    await dropped(100 * 2 ** 20)
    expect(await young.next()).toMatchObject({ done: false })
    await young.return(undefined)
    await until(async () => (await heldBytes()) < before + 1_000_000)
    const read = async () => {
      for await (const _ of old);
    }
    await expect(read()).rejects.toMatchObject({
      code: 'timeout',
      message: expect.stringMatching(/so slowly that 256 MiB/),
    })
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
