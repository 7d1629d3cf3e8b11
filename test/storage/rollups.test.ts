import { rm, writeFile } from 'node:fs/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { localPath, ROLLUP_SOURCES, type RollupDefinition } from '#storage'
import { layoutColumns } from '../../src/storage/file-columns.js'
import { currentSchema } from '../../src/storage/iceberg/metadata.js'
import { parquetRelation } from '../../src/storage/parquet-relation.js'
import { prepareFiles } from '../../src/storage/prepare.js'
import { FileIndex } from '../../src/storage/prune.js'
import { Rewrite } from '../../src/storage/rewrite.js'
import { BARS } from '../support/request-defaults.js'
import { LARGEST_DAY, RolledLake, RUN, SHIPPED } from '../support/rolled-lake.js'

const SEED = 7
const MINUTES = { ...BARS, intervalSeconds: 60 }
const JSON_ROWS = { encoding: 'json' } as const
const ALL = [[Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]] as const

let lake: RolledLake

async function openLake(rollups: readonly RollupDefinition[] = SHIPPED): Promise<void> {
  lake = await RolledLake.open(SEED, rollups)
}

/** Bars by the rollups of the lake, which are to be those of the rows. */
async function bars(): Promise<{ rollup: string | null; rows: readonly string[] }> {
  const [rolled, raw] = await Promise.all([
    lake.router(lake.warehouse.rollups).bars(MINUTES, JSON_ROWS),
    lake.router([]).bars(MINUTES, JSON_ROWS),
  ])
  expect(rolled.rows).toEqual(raw.rows)
  expect(raw.rows.length).toBeGreaterThan(0)
  return { rollup: rolled.meta.rollup, rows: rolled.rows }
}

async function commit(rows: number): Promise<void> {
  await lake.append('trades', rows)
  await lake.flush('trades')
  await lake.settled()
}

/** States in the files of bars_1m, and how many buckets they are of. */
async function states(): Promise<{ states: number; buckets: number }> {
  const { head, layout } = lake.rollup('bars_1m')
  const { live } = await new FileIndex(head.context.manifests).liveFiles(
    head.metadata,
    head.metadata.currentSnapshotId,
    [],
  )
  const relation = parquetRelation(
    live.map(({ file }) => file),
    layoutColumns(layout),
  )
  const { columns } = await lake.engine.read(
    `SELECT count(*), count(DISTINCT (exchange, symbol, bucket_start)) FROM ${relation}`,
  )
  return { states: Number(columns[0]?.[0]), buckets: Number(columns[1]?.[0]) }
}

describe('a rollup', () => {
  afterEach(() => lake.close())

  test('follows its source commit by commit, over restarts', async () => {
    await openLake()
    for (let round = 0; round < 3; round++) {
      await commit(50)
      const { state } = lake.rollup('bars_1m')
      expect(state?.source).toBe(lake.table('trades').metadata().currentSnapshotId)
      await lake.backfilled()
      expect(lake.rollup('bars_1m').state).toMatchObject({ pending: [], quarantined: [] })
      expect(await bars()).toMatchObject({ rollup: 'bars_1m' })
      await lake.restart()
    }
  })

  test('that is new is computed from what there is, while more comes in', async () => {
    await openLake([])
    for (let round = 0; round < 4; round++) await commit(50)
    await lake.restart()
    await lake.settled()
    expect(await bars()).toMatchObject({ rollup: null })
    await Promise.all([lake.rollup('bars_1m').backfill(RUN), commit(50), commit(50)])
    await lake.rollup('bars_1m').backfill(RUN)
    expect(await bars()).toMatchObject({ rollup: 'bars_1m' })
  })

  test('has one state of each bucket once it is compacted', async () => {
    await openLake()
    await commit(1)
    await lake.backfilled()
    for (let round = 0; round < 4; round++) await commit(60)
    const before = await states()
    expect(before.states).toBeGreaterThan(before.buckets)
    await lake.compact('bars_1m')
    expect(await states()).toEqual({ states: before.buckets, buckets: before.buckets })
    expect(await bars()).toMatchObject({ rollup: 'bars_1m' })
  })

  test('that is wrong is found by an audit, and its day is read from the rows until it is computed anew', async () => {
    await openLake()
    await commit(80)
    await lake.backfilled()
    const rollup = lake.rollup('bars_1m')
    expect(await rollup.audit()).toEqual({ buckets: 1, differences: 0 })
    await falsify()
    let found = 0
    for (let audit = 0; audit < 60 && found === 0; audit++) found = (await rollup.audit()).differences
    expect(found).toBeGreaterThan(0)
    expect(rollup.status().counts.mismatches).toBe(1)
    expect(rollup.state?.quarantined).toHaveLength(1)
    // Every state of every day is wrong: once all days are found out, no bar comes from it.
    for (let audit = 0; audit < 40; audit++) await rollup.audit()
    expect(await bars()).toMatchObject({ rollup: null })
    await rollup.backfill(RUN, ALL)
    expect(rollup.state).toMatchObject({ pending: [], quarantined: [] })
    expect(await bars()).toMatchObject({ rollup: 'bars_1m' })
  })

  test('leaves days to the rows whose sums do not fit', async () => {
    await openLake()
    await commit(40)
    await lake.backfilled()
    await lake.appendLargest(400)
    await lake.flush('trades')
    await lake.settled()
    await lake.backfilled()
    const { state } = lake.rollup('bars_1m')
    expect(state).toMatchObject({ pending: [], quarantined: [[LARGEST_DAY, LARGEST_DAY]] })
    expect(state?.source).toBe(lake.table('trades').metadata().currentSnapshotId)
    const before = { ...MINUTES, endNanos: BigInt(LARGEST_DAY) * 86_400_000_000_000n }
    const answer = await lake.router(lake.warehouse.rollups).bars(before, JSON_ROWS)
    expect(answer.meta.rollup).toBe('bars_1m')
    await expect(lake.router(lake.warehouse.rollups).bars(MINUTES, JSON_ROWS)).rejects.toMatchObject({
      code: 'invalid_input',
      message: expect.stringContaining('shorter interval'),
    })
  })

  test('that cannot be written harms nobody, and catches up once it can', async () => {
    await openLake()
    // Where its files were to be.
    const folder = localPath(`${lake.rollup('bars_1m').head.metadata.location}/data`)
    await writeFile(folder, '')
    for (let round = 0; round < 3; round++) await commit(40)
    await expect(lake.rollup('bars_1m').backfill(RUN)).rejects.toThrow()
    await commit(40)
    expect(await bars()).toMatchObject({ rollup: null })
    await rm(folder)
    await commit(40)
    await lake.backfilled()
    expect(await bars()).toMatchObject({ rollup: 'bars_1m' })
  })

  test('holds back no snapshot of its source that it has taken in', async () => {
    await openLake()
    for (let round = 0; round < 3; round++) await commit(10)
    const { head } = lake.warehouse.compactables.get('trades')!
    const newest = head.metadata.snapshots.find(
      ({ snapshotId }) => snapshotId === head.metadata.currentSnapshotId,
    )
    expect(head.heldFrom).toBe(newest?.sequenceNumber)
  })

  test('of another definition has another name; no table has that of another', async () => {
    await openLake()
    const [first] = SHIPPED
    const other = { ...first!, bucketSeconds: 30 }
    await expect(lake.restart([other])).rejects.toMatchObject({ code: 'conflict' })
    await expect(lake.start([{ ...first!, name: 'trades' }])).rejects.toMatchObject({ code: 'invalid_input' })
    await lake.start(SHIPPED)
  })
})

test('shipped rollups are of the sources that there are', () => {
  expect(new Set(SHIPPED.map(({ source }) => source))).toEqual(new Set(ROLLUP_SOURCES))
})

/** Makes all states of bars_1m wrong. */
async function falsify(): Promise<void> {
  const { head, layout } = lake.rollup('bars_1m')
  const { metadata, context } = head
  const snapshotId = metadata.currentSnapshotId!
  const { live } = await new FileIndex(context.manifests).liveFiles(metadata, snapshotId, [])
  const removed = live.map(({ file }) => file)
  const rows = parquetRelation(removed, layoutColumns(layout))
  expect(currentSchema(metadata).fields).toHaveLength(layout.columns.length)
  const written = await prepareFiles(
    { layout, engine: lake.engine, objects: context.objects, metadata },
    {
      relation: `(SELECT * REPLACE (CAST(high + 1 AS DECIMAL(18,8)) AS high) FROM ${rows})`,
      rowCount: removed.reduce((sum, { recordCount }) => sum + recordCount, 0),
      days: null,
    },
    head.claimNames().next(),
  )
  await head.commit(new Rewrite(context, { operation: 'overwrite', snapshotId, removed, added: [written] }))
}
