import { rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { describe, expect, test } from 'vitest'
import { EmptyEngine } from '#engine'
import { type Answer, SqlRouter } from '#query'
import { localPath, type RollupTable, type Snapshot } from '#storage'
import { queryLimits } from '../support/query-limits.js'
import { RolledLake, RUN, SHIPPED } from '../support/rolled-lake.js'
import { withTexts } from '../support/text-router.js'

const SEEDS = [1, 2]
const STEPS = 14

/** One of somebody's own, with another key, bucket and choice of values. */
const OWN = {
  name: 'sizes_by_venue',
  source: 'trades',
  bucketSeconds: 900,
  keys: ['exchange'],
  columns: [
    { name: 'largest', aggregate: 'max', value: 'size' },
    { name: 'latest', aggregate: 'last', value: 'size' },
    { name: 'sizes', aggregate: 'count', value: 'size' },
  ],
} as const
const ROLLUPS = [...SHIPPED, OWN]

/** The same buckets by other SQL over the rows; both are of one version, for a statement has one of each source. */
const BY_HAND: Readonly<Record<string, string>> = {
  bars_1m: bars('1 minute'),
  bars_1h: bars('1 hour'),
  sizes_by_venue: `SELECT exchange, time_bucket(INTERVAL '15 minutes', exchange_timestamp, TIMESTAMPTZ '1970-01-01 00:00:00Z') AS bucket_start,
    max(CASE WHEN price IS NOT NULL THEN size END) AS largest, count(CASE WHEN price IS NOT NULL THEN size END) AS sizes
    FROM trades WHERE exchange_timestamp IS NOT NULL GROUP BY ALL`,
  quote_bars_1m: `SELECT exchange, symbol, time_bucket(INTERVAL '1 minute', exchange_timestamp, TIMESTAMPTZ '1970-01-01 00:00:00Z') AS bucket_start,
    max(nullif(bid_price, 0)) AS bid_high, count(nullif(ask_price, 0)) AS ask_count,
    sum(nullif(ask_price, 0)::DECIMAL(19,8) - nullif(bid_price, 0)::DECIMAL(19,8)) AS spread_sum
    FROM quotes WHERE exchange_timestamp IS NOT NULL GROUP BY ALL`,
}

function bars(interval: string): string {
  return `SELECT exchange, symbol, time_bucket(INTERVAL '${interval}', exchange_timestamp, TIMESTAMPTZ '1970-01-01 00:00:00Z') AS bucket_start,
    max(price) AS high, min(price) AS low, sum(CASE WHEN price IS NOT NULL THEN size END) AS volume,
    sum(price::DECIMAL(19,8) * size::DECIMAL(19,8)) AS notional, count(price) AS trade_count
    FROM trades WHERE exchange_timestamp IS NOT NULL GROUP BY ALL`
}

const COLUMNS: Readonly<Record<string, string>> = {
  bars_1m: 'exchange, symbol, bucket_start, high, low, volume, notional, trade_count',
  bars_1h: 'exchange, symbol, bucket_start, high, low, volume, notional, trade_count',
  sizes_by_venue: 'exchange, bucket_start, largest, sizes',
  quote_bars_1m: 'exchange, symbol, bucket_start, bid_high, ask_count, spread_sum',
}

function differing(name: string): string {
  return `WITH rolled AS (SELECT ${COLUMNS[name]} FROM ${name}), made AS (SELECT ${COLUMNS[name]} FROM (${BY_HAND[name]}) AS b)
    SELECT (SELECT count(*) FROM (SELECT * FROM rolled EXCEPT ALL SELECT * FROM made) AS a) AS more,
      (SELECT count(*) FROM (SELECT * FROM made EXCEPT ALL SELECT * FROM rolled) AS b) AS fewer, (SELECT count(*) FROM rolled) AS there`
}

class AskedLake {
  readonly lake: RolledLake
  readonly #reader: EmptyEngine

  constructor(lake: RolledLake, reader: EmptyEngine) {
    this.lake = lake
    this.#reader = reader
  }

  async rows(sql: string, isRolled: boolean, snapshot?: Snapshot) {
    const { warehouse, engine, clock } = this.lake
    const rollups = warehouse.rollups.map((rollup: RollupTable) => ({
      definition: rollup.definition,
      pin: isRolled ? rollup.pin.bind(rollup) : async () => null,
    }))
    const options = { tables: warehouse.readable, rollups, engine, reader: this.#reader, clock }
    const router = new SqlRouter({ ...options, limits: queryLimits(), tempDirectory: tmpdir() })
    const asOf = snapshot && ({ kind: 'snapshot', snapshotId: snapshot.snapshotId } as const)
    const request = { sql, parameters: {}, limit: 50_000, ...(asOf && { asOf }) }
    const answer: Answer = await router.answer(request, { encoding: 'ndjson' })
    return withTexts(answer)
  }
}

describe('rollups in SQL', () => {
  test.each(SEEDS)(
    'are what the rows of their source make at the same version, whatever happens to these: seed %i [inv 8]',
    async (seed) => {
      const lake = await RolledLake.open(seed, ROLLUPS)
      const reader = await EmptyEngine.open()
      const asked = new AskedLake(lake, reader)
      const { random } = lake
      const seen = { states: 0, buckets: 0 }
      try {
        await lake.fill(120)
        for (let step = 0; step < STEPS; step++) {
          const rollup = random.pick(lake.warehouse.rollups)
          const { name, source } = rollup.definition
          await random.pick([
            () => lake.append(source, 1 + random.below(60)),
            () => lake.flush(source),
            () => lake.flush(source),
            () => lake.correct(source),
            () => lake.foreign(source, 1 + random.below(20)),
            () => lake.drop(source),
            () => lake.compact(random.pick([source, name])),
            () => rollup.backfill(RUN),
            () => lake.settled(),
            () => lake.restart(ROLLUPS),
          ])()
          const { snapshots } = lake.table(source).metadata()
          const snapshot = random.oneIn(4) ? random.pick(snapshots) : undefined
          const everything = `SELECT * FROM ${name}`
          const rolled = await asked.rows(everything, true, snapshot)
          const raw = await asked.rows(everything, false, snapshot)
          expect(rolled.rows.toSorted()).toEqual(raw.rows.toSorted())
          expect(rolled.meta.receipt).toBe(raw.meta.receipt)
          expect(rolled.meta.sql).toEqual(raw.meta.sql)
          const [counted] = (await asked.rows(differing(name), true, snapshot)).rows
          expect(JSON.parse(counted!)).toEqual({ more: 0, fewer: 0, there: rolled.rows.length })
          seen.buckets += rolled.rows.length
          if (rolled.meta.filesTotal > raw.meta.filesTotal) seen.states++
        }
        // Otherwise the same rows were read twice.
        expect(seen.states).toBeGreaterThan(0)
        expect(seen.buckets).toBeGreaterThan(0)
      } finally {
        reader.close()
        await lake.close()
      }
    },
  )

  test('are read with their source at one version, which is let go', async () => {
    const lake = await RolledLake.open(7)
    const reader = await EmptyEngine.open()
    try {
      await lake.append('trades', 50)
      await lake.flush('trades')
      await lake.settled()
      await lake.append('trades', 50)
      const asked = new AskedLake(lake, reader)
      const sql =
        'SELECT (SELECT sum(trade_count) FROM bars_1h) AS rolled, (SELECT count(price) FROM trades) AS rows'
      const { rows, meta } = await asked.rows(sql, true)
      const { rolled, rows: counted } = JSON.parse(rows[0]!)
      expect(Number(rolled)).toBe(counted)
      expect(meta.tables?.map(({ table, route }) => [table, route])).toEqual([
        ['trades', 'hybrid'],
        ['bars_1h', 'hybrid'],
      ])
      const [ofTrades, ofBars] = meta.tables ?? []
      expect(ofBars?.receipt).toBe(ofTrades?.receipt)
    } finally {
      reader.close()
      await lake.close()
    }
  })

  test('have the rows that were committed while they could not follow [inv 8]', async () => {
    const lake = await RolledLake.open(9, ROLLUPS)
    const reader = await EmptyEngine.open()
    try {
      const asked = new AskedLake(lake, reader)
      await lake.append('trades', 80)
      await lake.flush('trades')
      await lake.settled()
      await lake.backfilled()
      const rollup = lake.rollup('bars_1m')
      const had = rollup.status().sourceSnapshotId
      // A file where its files were to be, until the commit is over.
      const folder = localPath(`${rollup.head.metadata.location}/data`)
      await rename(folder, `${folder}-away`)
      await writeFile(folder, '')
      await lake.append('trades', 80)
      await lake.flush('trades')
      await lake.settled()
      await rm(folder)
      await rename(`${folder}-away`, folder)
      expect(rollup.status()).toMatchObject({ sourceSnapshotId: had, isCurrent: false })
      const [counted] = (await asked.rows(differing('bars_1m'), true)).rows
      expect(JSON.parse(counted!)).toMatchObject({ more: 0, fewer: 0 })
      const sum = 'SELECT (SELECT sum(trade_count) FROM bars_1m) = (SELECT count(price) FROM trades) AS same'
      expect((await asked.rows(sum, true)).rows).toEqual(['{"same":true}'])
    } finally {
      reader.close()
      await lake.close()
    }
  })

  test('are there before they have anything, and have the columns that they will have', async () => {
    const lake = await RolledLake.open(8)
    const reader = await EmptyEngine.open()
    try {
      const { rows, meta } = await new AskedLake(lake, reader).rows('SELECT * FROM bars_1m', true)
      expect(rows).toEqual([])
      const { layout } = lake.rollup('bars_1m')
      expect(meta.sql?.columns.map(({ name }) => name)).toEqual(layout.columns.map(({ name }) => name))
    } finally {
      reader.close()
      await lake.close()
    }
  })
})
