import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import express from 'express'
import {
  type ColumnDefinition,
  createLogger,
  dayOfMicros,
  EMPTY_LEDGER,
  formatDecimal,
  MICROS_PER_DAY,
  systemClock,
  TRADES,
} from '#core'
import { type Engine, sqlString } from '#engine'
import { duckdbType, type Evolution, fileColumns, localPath, Warehouse } from '#storage'
import { ICEBERG_ROOT } from '../../../src/api/iceberg-routes.js'
import { icebergRouter } from '../../../src/api/iceberg-server.js'
import { currentSchema } from '../../../src/storage/iceberg/metadata.js'
import { prepareFiles } from '../../../src/storage/prepare.js'
import type { TableHead } from '../../../src/storage/table-head.js'
import { withoutThird } from '../../support/deleted-rows.js'
import { ForeignCommit } from '../../support/foreign-commit.js'
import { maintenanceOf } from '../../support/maintained.js'
import { MarketRows } from '../../support/market-rows.js'
import { batchOfRows, long, type Row } from '../../support/row-batch.js'
import { SeededRandom } from '../../support/seeded-random.js'
import type { FixtureTable } from './fixtures.js'

export const LONG_LIFE = 'long-life'
/** Of its newest state; of earlier ones the name says which. */
const SNAPSHOTS = 500
const FIRST_DAY = 19_943
const DAYS = [FIRST_DAY, FIRST_DAY + 1, FIRST_DAY + 2]
/** No partition of a log: the positions of foreign rows serve to tell them apart. */
const FOREIGN_PARTITION = 99
const RENAMED: Readonly<Record<string, string>> = { venue: 'place', conditions: 'sale_conditions' }
const WIDENED = 'exchange_nanos'
const ADDED: readonly ColumnDefinition[] = (['depth', 'feed'] as const).map((name, index) => ({
  id: TRADES.columns.length + 1 + index,
  name,
  type: name === 'depth' ? 'long' : 'string',
  required: false,
  origin: 'record',
  doc: name,
}))

/** The states of a table that has seen everything. */
export interface LongLife {
  readonly tables: readonly FixtureTable[]
  /** Where the REST catalog is, that other engines may ask until it is closed. */
  readonly catalog: string
  close(): Promise<void>
}

/**
 * A table of trades that lives for 500 snapshots: columns are added, dropped, renamed, moved and widened, its partitions
 * become hours, then buckets and exchanges too, another engine appends and deletes by position and by value under ids of
 * 63 bits, and a part of it, then all, is compacted.
 */
export async function liveLong(directory: string, engine: Engine, seed: number): Promise<LongLife> {
  const warehouse = await Warehouse.open({
    directory: join(directory, LONG_LIFE),
    engine,
    clock: systemClock,
    random: new SeededRandom(seed),
    logger: createLogger({ level: 'warn', format: 'text' }),
    partitionCount: 3,
    flush: { rows: 1_000_000, bytes: 2 ** 30, ageMs: 3_600_000 },
    fence: 1,
  })
  await warehouse.start()
  const table = warehouse.tables.get('trades')!
  const compactable = warehouse.compactables.get('trades')!
  const { head } = compactable
  const market = new MarketRows(TRADES, { seed, partitionCount: 3, days: DAYS, extremes: true })
  const maintenance = maintenanceOf([compactable], systemClock)
  const states: { name: string; snapshotId: bigint; rows: readonly Row[]; isEvolved: boolean }[] = []
  let rows: readonly Row[] = []
  let isEvolved = false

  const feed = async (snapshots: number, rowsEach: number) => {
    for (let count = 0; count < snapshots; count++) {
      const taken = market.take(rowsEach)
      const days = new Set(taken.map((row) => dayOfMicros(long(row.exchange_timestamp))))
      const batch = batchOfRows(TRADES, taken)
      await table.append({ batch, days, watermarks: new Map(), ledger: EMPTY_LEDGER }, market.next, false)
      await table.flush()
      rows = [...rows, ...taken.map(stored)]
    }
  }
  const schema = (...changes: Extract<Evolution, { of: 'schema' }>['changes']) =>
    table.evolve({ of: 'schema', changes })
  const spec = (...changes: Extract<Evolution, { of: 'partition-spec' }>['changes']) =>
    table.evolve({ of: 'partition-spec', changes })
  const remember = (name: string) =>
    states.push({ name, snapshotId: head.metadata.currentSnapshotId!, rows, isEvolved })
  const compact = async (request: { startMicros?: bigint; endMicros?: bigint } = {}) => {
    const { id } = maintenance.take('compact', 'trades', request)
    await maintenance.jobs.ended(id)
    const { error } = maintenance.jobs.get(id)
    if (error) throw error
  }
  const appendForeign = async (count: number, firstDepth: bigint) => {
    const foreign = market.take(count).map(
      (row, index): Row => ({
        ...stored(row),
        log_partition: FOREIGN_PARTITION,
        log_offset: firstDepth + BigInt(index),
        depth: firstDepth + BigInt(index),
        feed: index % 3 === 0 ? null : `${'𝄞'.repeat(17)}${index}`,
      }),
    )
    await appendAsOther(engine, head, foreign, `foreign-${firstDepth}`)
    rows = [...rows, ...foreign]
  }

  await feed(4, 60)
  remember('first')
  await schema(
    { change: 'add', name: 'depth', type: 'int' },
    { change: 'add', name: 'feed', type: 'string' },
    { change: 'add', name: 'scratch', type: 'string' },
    ...Object.entries(RENAMED).map(([name, to]) => ({ change: 'rename', name, to }) as const),
    { change: 'move', name: 'price', position: { at: 'first' } },
  )
  isEvolved = true
  await appendForeign(9, 1n)
  await spec(
    { change: 'remove', name: 'exchange_timestamp_day' },
    { change: 'add', column: 'exchange_timestamp', transform: 'hour' },
  )
  await feed(2, 8)
  await schema(
    { change: 'widen', name: 'depth', type: 'long' },
    { change: 'widen', name: WIDENED, type: 'long' },
    { change: 'drop', name: 'scratch' },
  )
  await spec({ change: 'add', column: 'symbol', transform: 'bucket[4]' })
  await appendForeign(9, 2n ** 40n)
  await spec({ change: 'add', column: 'exchange', transform: 'identity' })
  await feed(2, 8)
  remember('evolved')
  const startMicros = BigInt(FIRST_DAY) * BigInt(MICROS_PER_DAY)
  await compact({ startMicros, endMicros: startMicros + BigInt(MICROS_PER_DAY) })
  remember('partly compacted')
  // Back to days, so that what follows is not thousands of files.
  await spec(
    { change: 'remove', name: 'exchange_timestamp_hour' },
    { change: 'remove', name: 'symbol_bucket_4' },
    { change: 'remove', name: 'exchange' },
    { change: 'add', column: 'exchange_timestamp', transform: 'day' },
  )
  rows = await withoutThird(engine, head, rows, 'by position')
  remember('deleted by position')
  await feed(2, 20)
  rows = await withoutThird(engine, head, rows, 'by value', 1)
  remember('deleted by value')
  await compact()
  await feed(SNAPSHOTS - 2 - head.metadata.snapshots.length, 1)
  await compact()
  rows = await withoutThird(engine, head, rows, 'by position', 2)
  remember('newest')

  const path = localPath(head.metadata.location)
  const tables = await Promise.all(
    states.map(async (state): Promise<FixtureTable> => {
      const asOf = { kind: 'snapshot', snapshotId: state.snapshotId } as const
      const pinned = await table.pinAsOf(asOf, null)
      const renamed = (name: string) => (state.isEvolved ? (RENAMED[name] ?? name) : name)
      const widened = (name: string) => state.isEvolved && name === WIDENED
      const own = TRADES.columns.map(({ name, type, ...column }) => ({
        ...column,
        name: renamed(name),
        type: widened(name) ? 'long' : type,
      }))
      return {
        name: `${LONG_LIFE}/${state.name}`,
        definition: { ...TRADES, columns: state.isEvolved ? [...own, ...ADDED] : own },
        rows: state.rows.map((row) =>
          Object.fromEntries(Object.entries(row).map(([name, value]) => [renamed(name), value])),
        ),
        pinned: {
          ...pinned,
          columns: pinned.columns.map((column) => ({ ...column, name: renamed(column.name) })),
        },
        path,
        snapshotId: state.name === 'newest' ? null : state.snapshotId,
      }
    }),
  )
  const app = express().use(ICEBERG_ROOT, icebergRouter({ catalog: warehouse.catalog, isReadOnly: true }))
  const server = createServer(app).listen(0, '127.0.0.1')
  await once(server, 'listening')
  // Of a server that listens on a port it is an address.
  const { port } = server.address() as AddressInfo
  return {
    tables,
    catalog: `http://127.0.0.1:${port}${ICEBERG_ROOT}`,
    close: async () => {
      server.close()
      server.closeAllConnections()
      for (const { pinned } of tables) pinned.release()
      await warehouse.stop()
    },
  }
}

/** Appends rows in the columns that the table has now, as an engine that knows them all does. */
async function appendAsOther(
  engine: Engine,
  head: TableHead,
  rows: readonly Row[],
  name: string,
): Promise<void> {
  const { metadata, context } = head
  const columns = fileColumns(TRADES, currentSchema(metadata))
  const cell = (value: Row[string] | undefined, column: (typeof columns)[number]) => {
    if (value === null || value === undefined) return `NULL::${duckdbType(column)}`
    if (column.type === 'timestamptz') return `make_timestamptz(${value})`
    if (column.type.startsWith('decimal'))
      return `'${formatDecimal(BigInt(String(value)))}'::${duckdbType(column)}`
    if (column.type === 'string') return sqlString(String(value))
    return `${value}::${duckdbType(column)}`
  }
  const tuples = rows.map((row) => `(${columns.map((column) => cell(row[column.name], column)).join(', ')})`)
  const names = columns.map((column) => column.name).join(', ')
  const { files, specId } = await prepareFiles(
    { layout: TRADES, engine, objects: context.objects, metadata },
    {
      relation: `(SELECT * FROM (VALUES ${tuples.join(', ')}) AS t(${names}))`,
      columns,
      rowCount: rows.length,
      days: null,
    },
    name,
  )
  await head.commit(new ForeignCommit(context, [{ specId, files }], []))
}

/** A loaded row without a message id of its own is named by its source and its row there. */
function stored({ source_row: sourceRow, ...row }: Row): Row {
  return { ...row, message_id: row.message_id ?? `${String(row.source)}:${String(sourceRow)}` }
}
