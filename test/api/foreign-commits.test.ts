import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { formatDecimal, parseDecimal } from '#core'
import { Engine } from '#engine'
import type { Json, TableMetadata } from '#storage'
import { schemaJson } from '../../src/storage/iceberg/schema.js'
import { ForeignEngine, type ForeignTrade } from '../support/foreign-engine.js'
import { IngestFixture } from '../support/ingest-fixture.js'
import { SeededRandom } from '../support/seeded-random.js'

const MICROS = 1_725_000_000_000_000n
const TRADES_PATH = '/namespaces/market_data/tables/trades'
const OFFSETS = 'ticklake.offsets'
/** Each body that is posted is a flush. */
const BODY_ROWS = 20

let folder: string
let engine: Engine
let lake: IngestFixture

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ticklake-foreign-'))
  const own = { memoryLimit: '1GB', threads: 1, tempDirectory: folder, connections: 2 }
  engine = await Engine.open(own)
})

afterAll(async () => {
  engine.close()
  await rm(folder, { recursive: true })
})

beforeEach(async () => {
  lake = await IngestFixture.open({}, { flush: { rows: BODY_ROWS, bytes: 2 ** 30, ageMs: 3_600_000 } })
})

afterEach(() => lake.close())

function engineNamed(name: string, seed: number): ForeignEngine {
  return new ForeignEngine(lake.url, engine, new SeededRandom(seed), name)
}

function trades(random: SeededRandom, symbol: string, count: number): readonly ForeignTrade[] {
  return Array.from({ length: count }, () => ({
    symbol,
    micros: MICROS + BigInt(random.below(86_400_000_000)) + BigInt(random.below(86_400_000_000)),
    price: formatDecimal(random.bigBelow(10n ** 12n) + 1n),
    size: formatDecimal(random.bigBelow(10n ** 12n) + 1n),
  }))
}

/** Posts rows; queries see them at once, files hold them soon. */
async function post(rows: readonly ForeignTrade[]): Promise<void> {
  const body = rows.map(({ symbol, micros, price, size }) => ({
    exchange: 'MADE',
    symbol,
    ts_ns: `${micros}000`,
    price,
    size,
  }))
  const { status, body: answer } = await lake.post('trades', 'application/json', JSON.stringify(body))
  expect([status, answer.accepted]).toEqual([200, rows.length])
}

async function answer(path: string): Promise<Readonly<Record<string, unknown>>> {
  return Object(await (await fetch(lake.url + path)).json())
}

async function countOf(symbol: string): Promise<unknown> {
  return Object((await answer(`/v1/trades/count?symbols=${symbol}`)).data).count
}

/** By symbol, how many rows there are and the sum of their sizes, as daily bars have them. */
async function totals(): Promise<Readonly<Record<string, readonly [number, bigint]>>> {
  const found: Record<string, readonly [number, bigint]> = {}
  const { data } = await answer('/v1/bars?interval=1d&exchange=MADE&limit=10000')
  const bars: readonly { symbol: string; count: number; volume: string }[] = Object(data)
  for (const { symbol, count, volume } of bars) {
    const [rows, size] = found[symbol] ?? [0, 0n]
    found[symbol] = [rows + count, size + parseDecimal('volume', volume)]
  }
  return found
}

function totalsOf(rows: readonly ForeignTrade[]): Readonly<Record<string, readonly [number, bigint]>> {
  const sums: Record<string, readonly [number, bigint]> = {}
  for (const { symbol, size } of rows) {
    const [count, sum] = sums[symbol] ?? [0, 0n]
    sums[symbol] = [count + 1, sum + parseDecimal('size', size)]
  }
  return sums
}

function checkVectors({ snapshots, properties }: TableMetadata): void {
  const covered = (text: string | undefined) => Object.values(JSON.parse(text ?? '{}')).map(Number)
  let before = covered(snapshots[0]?.summary[OFFSETS])
  for (const { summary } of snapshots) {
    const now = covered(summary[OFFSETS])
    expect(now.length).toBeGreaterThan(0)
    expect(now.every((offset, partition) => offset >= before[partition]!)).toBe(true)
    before = now
  }
  expect(snapshots.at(-1)?.summary[OFFSETS]).toBe(properties[OFFSETS])
}

test('rows of another engine, which never were in the log, are on every route at once', async () => {
  const random = new SeededRandom(1)
  const rows = trades(random, 'FOREIGN', 7)
  await post(trades(random, 'OWN', BODY_ROWS))
  await engineNamed('other', 1).append(rows)

  expect(await countOf('FOREIGN')).toBe(7)
  expect((await totals()).FOREIGN).toEqual(totalsOf(rows).FOREIGN)
  const inOrder = [...rows].sort((a, b) => (a.micros < b.micros ? -1 : 1))
  const { data } = await answer('/v1/trades?symbols=FOREIGN&fields=ts_ns,size')
  expect(data).toEqual(inOrder.map(({ micros, size }) => ({ ts_ns: `${micros}000`, size })))
  const latest = await answer('/v1/latest?symbols=FOREIGN&exchange=MADE')
  expect(latest.data).toMatchObject([{ ts_ns: `${inOrder.at(-1)!.micros}000`, size: inOrder.at(-1)!.size }])
  expect((await answer('/v1/symbols')).data).toContainEqual(
    expect.objectContaining({ symbol: 'FOREIGN', count: 7 }),
  )
})

test('what would break ingest or its readers is refused with the reason, and changes nothing', async () => {
  const other = engineNamed('other', 2)
  const random = new SeededRandom(2)
  await post(trades(random, 'OWN', BODY_ROWS))
  await other.append(trades(random, 'FOREIGN', 3))
  await post(trades(random, 'OWN', BODY_ROWS))
  await lake.restart()
  const again = engineNamed('again', 3)
  const base = await again.load('trades')
  const commit = (...updates: readonly Json[]) =>
    again.ask('POST', TRADES_PATH, { requirements: [], updates })
  const refused = async (status: number, why: RegExp, asked: Promise<{ status: number; body: Json }>) => {
    const { status: actual, body } = await asked
    expect([actual, Object(body).error?.message]).toEqual([status, expect.stringMatching(why)])
  }
  const append = await again.appendOf(base, trades(random, 'FOREIGN', 3))
  const [added, set] = Object(append.updates)
  const withList = (list: string) => ({ ...added, snapshot: { ...added.snapshot, 'manifest-list': list } })
  const schema = Object(schemaJson(base.schemas[0]!))
  const withoutPrice = {
    ...schema,
    fields: schema.fields.filter(({ name }: { name: string }) => name !== 'price'),
  }
  const [first] = base.snapshots

  await refused(400, /filled by ticklake and cannot be dropped/, again.ask('DELETE', TRADES_PATH))
  await refused(
    400,
    /cannot be renamed/,
    again.ask('POST', '/tables/rename', {
      source: { namespace: ['market_data'], name: 'trades' },
      destination: { namespace: ['market_data'], name: 'x' },
    }),
  )
  await refused(
    409,
    /already/,
    again.ask('POST', '/namespaces/market_data/tables', { name: 'trades', schema }),
  )
  await refused(
    400,
    /market_data holds the tables of ticklake/,
    again.ask('DELETE', '/namespaces/market_data'),
  )
  await refused(
    400,
    /price of trades, which ingest writes, cannot be dropped/,
    commit({ action: 'add-schema', schema: withoutPrice }, { action: 'set-current-schema', 'schema-id': -1 }),
  )
  await refused(400, /rows between would be lost/, commit({ ...set, 'snapshot-id': first!.snapshotId }))
  await refused(
    400,
    /belongs to ticklake/,
    commit({ action: 'set-properties', updates: { [OFFSETS]: '{"0":0}' } }),
  )
  await refused(400, /belongs to ticklake/, commit({ action: 'remove-properties', removals: ['gc.enabled'] }))
  await refused(400, /not below/, commit(withList('file:///etc/passwd'), set))
  await refused(400, /not below/, commit(withList(`${base.location}/../x.avro`), set))
  await refused(400, /does not exist/, commit(withList(`${base.location}/metadata/none.avro`), set))
  const noList = `${base.location}/metadata/v1.metadata.json`
  await refused(400, /snapshot \d+/, commit(withList(noList), set))
  const gaps = await again.load('sequence_gaps')
  const ofGaps = {
    ...added.snapshot,
    'sequence-number': gaps.lastSequenceNumber + 1,
    'parent-snapshot-id': null,
  }
  await refused(
    400,
    /derived from the other tables/,
    again.ask('POST', '/namespaces/market_data/tables/sequence_gaps', {
      requirements: [],
      updates: [{ action: 'add-snapshot', snapshot: ofGaps }],
    }),
  )
  const tag = {
    action: 'set-snapshot-ref',
    'ref-name': 'mine',
    type: 'tag',
    'snapshot-id': first!.snapshotId,
  }
  expect(await again.load('trades')).toEqual(base)
  expect((await commit(tag)).status).toBe(200)

  await post(trades(random, 'OWN', BODY_ROWS))
  await again.append(trades(random, 'FOREIGN', 4))
  await lake.rows('/v1/trades?symbols=OWN', 3 * BODY_ROWS)
  expect([await countOf('OWN'), await countOf('FOREIGN')]).toEqual([3 * BODY_ROWS, 7])
  checkVectors(await again.load('trades'))
})

test.each([11, 12, 13])(
  'of what two engines append while rows come in from the log, nothing is lost and nothing is there twice: seed %i [inv 3]',
  async (seed) => {
    const random = new SeededRandom(seed)
    const posted = Array.from({ length: 8 }, () => trades(random, 'OWN', BODY_ROWS))
    const appended = ['A', 'B'].map((name) =>
      Array.from({ length: 5 }, () => trades(random, name, 1 + random.below(40))),
    )
    const engines = appended.map((_, index) => engineNamed(`engine-${index}`, seed * 10 + index))
    await Promise.all([
      (async () => {
        for (const rows of posted) await post(rows)
      })(),
      ...appended.map(async (batches, index) => {
        for (const rows of batches) await engines[index]!.append(rows)
      }),
    ])
    const expected = totalsOf([...posted, ...appended.flat()].flat())
    const count = Object.values(expected).reduce((sum, [rows]) => sum + rows, 0)
    await lake.rows('/v1/trades?limit=10000', count)
    expect(await totals()).toEqual(expected)
    await lake.restart()
    expect(await totals()).toEqual(expected)
    const metadata = await engineNamed('reader', seed).load('trades')
    checkVectors(metadata)
    const foreign = metadata.snapshots.filter(({ snapshotId }) => snapshotId > 2n ** 62n)
    expect(foreign).toHaveLength(10)
    const records = metadata.snapshots.at(-1)!.summary['total-records']
    expect(Number(records)).toBe(count)
  },
)
