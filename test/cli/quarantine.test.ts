import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { systemClock, TRADES } from '#core'
import { EmbeddedLog, EmbeddedRegistry } from '#ingest'
import { avroSchema } from '../../src/ingest/avro-schema.js'
import { encodeRecords } from '../support/road.js'
import { FROM_SOURCE, runTicklake, TicklakeServer } from '../support/ticklake-process.js'
import { projectRoot } from '../support/tracked-files.js'

const SETTINGS = { TICKLAKE_REGISTRY_UNKNOWN_WAIT_MS: '0' }
const PROGRAM = { program: FROM_SOURCE, settings: SETTINGS }
/** Our own form of a trade, under a name of the producer's. */
const SCHEMA = JSON.stringify({ ...Object(avroSchema(TRADES)), namespace: 'foreign' })
const MICROS_2024 = 1_704_067_200_000_000n

const LINES = [
  'time,symbol,price,size',
  '2024-01-02T00:00:01Z,BHP,1.5,1',
  '2024-01-02T00:00:02Z,BHP,free,1',
  '2024-01-02T00:00:03Z,CBA,2.5,1',
  '2024-01-02T00:00:04Z,CBA,"2,5",1',
]

let folder: string
let data: string
let server: TicklakeServer
/** A schema id that nobody has registered when its record comes. */
let unknownId: number

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ticklake-quarantine-'))
  data = join(folder, 'data')
  const file = join(folder, 'some trades.csv')
  await writeFile(file, Buffer.concat([Buffer.from(`${LINES.join('\n')}\n`), Buffer.from([0xff, 0x0a])]))
  await runTicklake(['load', file, '--format', 'csv-trades', '--exchange', 'X', '--data', data], PROGRAM)
  await produceForeign()
  server = await TicklakeServer.start(data, PROGRAM)
})
afterAll(async () => {
  await server.stop()
  await rm(folder, { recursive: true })
})

/** What a foreign producer writes: a trade in a schema that it has not registered yet, one that can't be true, and junk. */
async function produceForeign(): Promise<void> {
  const log = new EmbeddedLog(join(data, 'log'), systemClock)
  await log.start()
  try {
    const registry = new EmbeddedRegistry(log.store)
    const known = await registry.register(`${TRADES.topic}-value`, JSON.stringify(avroSchema(TRADES)))
    unknownId = await freeId(registry)
    const trade = { symbol: 'WOW', exchange: 'X', price: 100n, size: 1n, exchange_timestamp: MICROS_2024 }
    const [early] = encodeRecords(TRADES, [trade], unknownId)
    const [untrue] = encodeRecords(TRADES, [{ ...trade, price: -1n }], known.id)
    const values = [early!, untrue!, Buffer.from('junk')]
    await log.append({ records: new Map([[TRADES.topic, values.map((value) => ({ key: 'WOW', value }))]]) })
  } finally {
    await log.stop()
  }
}

async function freeId(registry: EmbeddedRegistry): Promise<number> {
  for (let id = 1; ; id++) {
    const isTaken = await registry.byId(id).then(
      () => true,
      () => false,
    )
    if (!isTaken) return id
  }
}

async function quarantine(...words: readonly string[]): Promise<{ stdout: string; stderr: string }> {
  const node = [...FROM_SOURCE, 'quarantine', ...words, '--url', server.url]
  return promisify(execFile)(process.execPath, node, { cwd: projectRoot })
}

async function get(path: string): Promise<readonly Record<string, unknown>[]> {
  // Every list's answer is an envelope of rows.
  const { data } = (await (await fetch(server.url + path)).json()) as { data: Record<string, unknown>[] }
  return data
}

/** As the command asks for it; each process takes seconds to start. */
async function replay(parameters: Readonly<Record<string, string>> = {}): Promise<unknown> {
  const asked = new URLSearchParams({ of: 'trades', ...parameters })
  const response = await fetch(`${server.url}/admin/quarantine/replay?${asked}`, { method: 'POST' })
  return ((await response.json()) as { data: unknown }).data
}

describe('ticklake quarantine', () => {
  test('list shows what was refused, with its reason', async () => {
    const csv = await quarantine('list', '--reason', 'not_a_number', '--output', 'csv')
    expect(csv.stdout.split('\r\n')).toHaveLength(4)
    expect(csv.stdout).toContain(',some trades.csv,3,market-data.trades,not_a_number,')
    const table = await quarantine('list', '--of', 'trades', '--limit', '5')
    expect(table.stdout).toMatch(/^received_at +source_id +file +line +topic +reason +detail\n─/)
    expect(
      table.stdout.match(/unknown_schema|not_positive|malformed|not_a_number|wrong_column_count/g),
    ).toHaveLength(5)
    expect(table.stderr).toBe('there are more rows: raise --limit (5)\n')
    await expect(quarantine('list', '--reason', 'ugly')).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringContaining('error: --reason: "ugly" is not one of'),
    })
  })

  test('export writes the lines of a file as they were, and records with what is known of them', async () => {
    const target = join(folder, 'refused')
    const { stdout } = await quarantine('export', target)
    const names = (await readdir(target)).sort()
    expect(names).toEqual([
      expect.stringMatching(/^[0-9a-z]{12}-some_trades[.]csv$/),
      expect.stringMatching(/^market-data[.]trades-[0-3][.]ndjson$/),
    ])
    expect(stdout.split('\n').sort()).toEqual([
      '',
      ...names.map((name) => `${join(target, name)}: 3 refused`),
    ])
    const lines = await readFile(join(target, names[0]!))
    expect(lines).toEqual(
      Buffer.concat([Buffer.from(`${LINES[2]}\n${LINES[4]}\n`), Buffer.from([0xff, 0x0a])]),
    )
    const records = (await readFile(join(target, names[1]!), 'utf8')).trim().split('\n')
    expect(records.map((text) => JSON.parse(text))).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          source_id: expect.stringMatching(/^market-data[.]trades[/][0-3]$/),
          reason: 'malformed',
          original_base64: Buffer.from('junk').toString('base64'),
        }),
      ]),
    )
    const [first] = await get('/v1/quarantine?kind=record&limit=1')
    const since = await quarantine('export', join(folder, 'since'), '--start', String(first?.received_at))
    expect(since.stdout).toMatch(/[.]ndjson: 3 refused\n$/)
    expect(since.stdout.split('\n')).toHaveLength(2)
    await expect(quarantine('export', target)).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('is not an empty or new folder'),
    })
  })

  test('replay sends a record once more when it can be right now, once; what can not be stays and is told', async () => {
    const early = await quarantine('replay', '--of', 'trades')
    expect(early.stdout).toMatch(/^0 replayed, 0 replayed before, 3 would be refused again and stay\n/)
    expect(early.stdout).toContain(`unknown_schema: schema id: nobody has registered ${unknownId}\n`)
    expect(early.stderr).toContain('`ticklake quarantine export` writes them to files')
    expect(await get('/v1/trades?symbols=WOW')).toEqual([])

    const registered = await fetch(`${server.url}/schema-registry/subjects/foreign/versions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ schema: SCHEMA }),
    })
    expect(await registered.json()).toEqual({ id: unknownId })

    expect(await replay({ reason: 'malformed' })).toMatchObject({ replayed: 0, already: 0, refused: 1 })
    expect(await replay()).toMatchObject({ replayed: 1, already: 0, refused: 2 })
    expect(await get('/v1/trades?symbols=WOW&fields=symbol,price')).toEqual([
      { symbol: 'WOW', price: '0.000001' },
    ])
    await server.stop()
    server = await TicklakeServer.start(data, PROGRAM)
    const again = await quarantine('replay', '--of', 'trades', '--json')
    expect(JSON.parse(again.stdout)).toMatchObject({ replayed: 0, already: 1, refused: 2 })
    expect(await get('/v1/trades?symbols=WOW')).toHaveLength(1)
    expect(await get('/v1/quarantine')).toHaveLength(6)
    // Received again, as a record of its own.
    expect((await get('/v1/quality/tables'))[0]).toMatchObject({
      ...{ table: 'trades', received: 9, accepted: 3, quarantined: 6, duplicates: 0 },
      quarantined_reasons: {
        malformed: 1,
        not_a_number: 2,
        not_positive: 1,
        unknown_schema: 1,
        wrong_column_count: 1,
      },
    })
  })

  test('replay of a load says how its lines are mended', async () => {
    const [line] = await get('/v1/quarantine?kind=line&limit=1')
    const refused = quarantine('replay', '--of', 'trades', '--source', String(line?.source_id))
    await expect(refused).rejects.toMatchObject({
      code: 2,
      stderr: expect.stringMatching(
        /^error: --source: .*`ticklake quarantine export` writes such lines to files/,
      ),
    })
  })
})
