import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  covers,
  createLogger,
  EMPTY_LEDGER,
  type OffsetVector,
  systemClock,
  TRADES,
  type Version,
} from '#core'
import { Engine, sqlString } from '#engine'
import {
  type Json,
  localPath,
  type PinnedVersion,
  parseTableCommit,
  type StreamTable,
  Warehouse,
} from '#storage'
import { OwnTable } from '../../src/storage/catalog/own-table.js'
import { logRows } from '../support/log-rows.js'
import { MarketRows } from '../support/market-rows.js'
import type { Row } from '../support/row-batch.js'
import { SeededRandom } from '../support/seeded-random.js'

const PARTITION_COUNT = 3
let directory: string
let engine: Engine

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ticklake-table-'))
  engine = await Engine.open({
    memoryLimit: '1GB',
    threads: 2,
    tempDirectory: join(directory, 'tmp'),
    connections: 4,
  })
})

afterEach(async () => {
  await engine.close()
  await rm(directory, { recursive: true })
})

async function openWarehouse(fence: number, rows = 1_000_000): Promise<Warehouse> {
  const warehouse = await Warehouse.open({
    directory,
    engine,
    clock: systemClock,
    random: new SeededRandom(fence),
    logger: createLogger({ level: 'silent', format: 'text' }),
    partitionCount: PARTITION_COUNT,
    flush: { rows, bytes: 2 ** 30, ageMs: 3_600_000 },
    fence,
  })
  await warehouse.start()
  return warehouse
}

function trades(warehouse: Warehouse): StreamTable {
  const table = warehouse.tables.get('trades')
  if (!table) throw new Error('a warehouse has trades')
  return table
}

/** Position, symbol, price and message id of every row of a version, in log order. */
async function read(pinned: PinnedVersion): Promise<readonly string[]> {
  const { files } = await pinned.select({})
  const appended = await pinned.selectAppended({})
  const parquet = (list: typeof files) =>
    `read_parquet([${list.map((file) => sqlString(localPath(file.path))).join(', ')}], hive_partitioning = false)`
  const sides = [
    ...(files.length > 0 ? [`SELECT * FROM ${parquet(files)}`] : []),
    ...(appended.files.length > 0
      ? [`SELECT * FROM ${parquet(appended.files)} WHERE ${appended.where}`]
      : []),
    ...pinned.tail.map((slice) => `SELECT * FROM ${slice.relation}`),
  ]
  if (sides.length === 0) return []
  const { columns } = await engine.query(
    `SELECT log_partition || ':' || log_offset || ' ' || symbol || ' ' || price || ' ' || message_id
     FROM (${sides.join(' UNION ALL ')}) ORDER BY log_partition, log_offset`,
  )
  return (columns[0] ?? []).map(String)
}

function expected(rows: readonly Row[], offsets: OffsetVector): readonly string[] {
  return rows
    .filter((row) => Number(row.log_offset) < (offsets[Number(row.log_partition)] ?? 0))
    .sort(
      (a, b) =>
        Number(a.log_partition) - Number(b.log_partition) || Number(a.log_offset) - Number(b.log_offset),
    )
    .map(
      (row) =>
        `${row.log_partition}:${row.log_offset} ${row.symbol} ${price(row)} ${row.message_id ?? `${row.source}:${row.source_row}`}`,
    )
}

function price({ price: scaled }: Row): string {
  const digits = String(scaled).replace('-', '').padStart(9, '0')
  return `${Number(scaled) < 0 ? '-' : ''}${digits.slice(0, -8)}.${digits.slice(-8)}`
}

describe('a stream table', () => {
  test('shows every row exactly once at every version, while rows come in and segments are flushed [inv 1]', async () => {
    const seed = 20_261_123
    console.log(`seed ${seed}`)
    const random = new SeededRandom(seed)
    const warehouse = await openWarehouse(1, 400)
    const table = trades(warehouse)
    const market = new MarketRows(TRADES, {
      seed,
      partitionCount: PARTITION_COUNT,
      days: [19_000, 19_001, -1],
    })
    const rows: Row[] = []
    const versions: Version[] = []
    const checkNow = async () => {
      const pinned = table.pin()
      versions.push(pinned.version)
      const taken = [...rows]
      expect(await read(pinned)).toEqual(expected(taken, pinned.version.offsets))
      pinned.release()
    }
    const checks: Promise<void>[] = []
    for (let step = 0; step < 120; step++) {
      const taken = market.take(random.below(60))
      rows.push(...taken)
      await table.append(taken.length > 0 ? logRows(TRADES, taken) : null, market.next, random.oneIn(2))
      if (random.oneIn(3)) checks.push(checkNow())
      if (random.oneIn(15)) await table.flush()
      await new Promise((resolve) => setImmediate(resolve))
    }
    await Promise.all(checks)
    await table.flush()
    const pinned = table.pin()
    expect(pinned.tail).toEqual([])
    expect(await read(pinned)).toEqual(expected(rows, market.next))
    pinned.release()

    // Every version that was ever answered from gives the same rows from Iceberg alone, after a restart too.
    expect(versions.every(({ offsets }, index) => covers(offsets, versions[index - 1]?.offsets ?? []))).toBe(
      true,
    )
    expect(new Set(versions.map((version) => version.snapshotId)).size).toBeGreaterThan(3)
    await warehouse.stop()
    const again = await openWarehouse(2)
    for (const version of versions) {
      const held = trades(again).pinAt(version)
      expect(await read(held)).toEqual(expected(rows, version.offsets))
      held.release()
    }
    await again.stop()
  })

  test('writes a segment anew whose partition spec another engine removes before its commit; no row is lost', async () => {
    const warehouse = await openWarehouse(1)
    const table = trades(warehouse)
    const { head } = warehouse.compactables.get('trades')!
    const foreign = new OwnTable(head, TRADES)
    const committed = (...updates: readonly Json[]) =>
      foreign.commit(parseTableCommit({ requirements: [], updates }, 'body'))
    const fields = [{ 'source-id': 3, name: 'by_hour', transform: 'hour' }]
    await committed({ action: 'add-spec', spec: { fields } }, { action: 'set-default-spec', 'spec-id': -1 })
    const market = new MarketRows(TRADES, { seed: 5, partitionCount: PARTITION_COUNT, days: [19_000] })
    const rows = market.take(20)
    const { next } = market
    await table.append(logRows(TRADES, rows), next, false)
    // In turn: something that takes its time, the removal, and then what is flushed meanwhile.
    let goOn = () => {}
    const gate = new Promise<void>((resolve) => {
      goOn = resolve
    })
    const slow = head.commit({
      id: () => 'slow',
      isApplied: ({ properties }) => properties.slow !== undefined,
      apply: async (base) => {
        await gate
        return { ...base, properties: { ...base.properties, slow: 'yes' } }
      },
    })
    const removed = committed(
      { action: 'set-default-spec', 'spec-id': 0 },
      { action: 'remove-partition-specs', 'spec-ids': [1] },
    )
    const flushed = table.flush()
    flushed.catch(() => {})
    while (table.status().flushes.writeMs === 0) await new Promise((resolve) => setImmediate(resolve))
    goOn()
    await Promise.all([slow, removed])
    await expect(flushed).rejects.toMatchObject({ code: 'gone' })
    await table.flush()
    expect(table.committedOffsets()).toEqual(next)
    expect(await read(table.pin())).toEqual(expected(rows, next))
    expect(head.metadata.partitionSpecs.map(({ specId }) => specId)).toEqual([0])
    await warehouse.stop()
  })

  test('leaves no file of a segment whose ledger cannot be written', async () => {
    const warehouse = await openWarehouse(1)
    const table = trades(warehouse)
    const folder = localPath(table.metadata().location)
    // Nobody else gives a file this name: what is tested is that it can't be written.
    await writeFile(join(folder, 'metadata/ledger-000001-000000.json.gz'), '')
    const market = new MarketRows(TRADES, {
      seed: 1,
      partitionCount: PARTITION_COUNT,
      days: [19_000, 19_001],
    })
    const feeds = [{ partition: 0, exchange: 'ASX', newestMicros: 1 }]
    const rows = { ...logRows(TRADES, market.take(50)), ledger: { ...EMPTY_LEDGER, feeds } }
    await table.append(rows, market.next, false)
    await expect(table.flush()).rejects.toMatchObject({ code: 'conflict' })
    const left = await readdir(join(folder, 'data'), { recursive: true })
    expect(left.filter((name) => name.endsWith('.parquet'))).toEqual([])
    await warehouse.stop()
  })

  test('keeps a segment for as long as somebody reads it, and drops it then', async () => {
    const warehouse = await openWarehouse(1)
    const table = trades(warehouse)
    const market = new MarketRows(TRADES, { seed: 1, partitionCount: PARTITION_COUNT, days: [19_000] })
    await table.append(logRows(TRADES, market.take(100)), market.next, false)
    await table.visible(market.next, new AbortController().signal)
    const pinned = table.pin()
    await table.flush()
    expect(await read(pinned)).toHaveLength(100)
    pinned.release()
    await warehouse.stop()
    const left = await engine.query(
      `SELECT count(*)::INTEGER FROM duckdb_tables() WHERE table_name LIKE 'tail_trades%'`,
    )
    expect(left.columns[0]).toEqual([0])
  })

  test('carries the position vector in summary and property, and a vector without rows commits too [inv 2]', async () => {
    const warehouse = await openWarehouse(1)
    const table = trades(warehouse)
    await table.append(null, [5, 0, 7], false)
    await table.flush()
    const { snapshots, properties } = table.metadata()
    expect(snapshots.at(-1)?.summary['ticklake.offsets']).toBe('{"0":5,"1":0,"2":7}')
    expect(properties['ticklake.offsets']).toBe('{"0":5,"1":0,"2":7}')
    expect(table.committedOffsets()).toEqual([5, 0, 7])
    await warehouse.stop()
  })

  test('remembers the newest event time by exchange across a restart', async () => {
    const warehouse = await openWarehouse(1)
    const market = new MarketRows(TRADES, { seed: 3, partitionCount: PARTITION_COUNT, days: [19_000] })
    const rows = logRows(TRADES, market.take(50))
    await trades(warehouse).append(rows, market.next, false)
    await warehouse.stop()
    const again = await openWarehouse(2)
    const pinned = trades(again).pin()
    expect(pinned.watermarks).toEqual(rows.watermarks)
    pinned.release()
    await again.stop()
  })
})
