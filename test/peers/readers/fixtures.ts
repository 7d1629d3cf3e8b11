import { join } from 'node:path'
import {
  createLogger,
  dayOfMicros,
  EMPTY_LEDGER,
  systemClock,
  type TableDefinition,
  type TableLayout,
} from '#core'
import type { Engine } from '#engine'
import { type LogRows, localPath, type PinnedVersion, type StreamTable, Warehouse } from '#storage'
import { withoutThird } from '../../support/deleted-rows.js'
import { MarketRows } from '../../support/market-rows.js'
import { batchOfRows, long, type Row } from '../../support/row-batch.js'
import { SeededRandom } from '../../support/seeded-random.js'

const PARTITION_COUNT = 3

export interface FixtureOptions {
  readonly name: string
  readonly snapshotCount: number
  readonly rowsPerSnapshot: number
  /** Days that the rows of one snapshot fall on. */
  readonly daysPerSnapshot: number
  readonly extremes: boolean
  /** Columns that predicates ask for; null: all. */
  readonly swept: readonly string[] | null
  /** Every third row is deleted, by delete files of this kind. Default: none is. */
  readonly deletes?: 'by position' | 'by value'
}

export const FEW = ['symbol', 'exchange_timestamp', 'received_at']

export const FIXTURES: readonly FixtureOptions[] = [
  { name: 'empty', snapshotCount: 0, rowsPerSnapshot: 0, daysPerSnapshot: 0, extremes: false, swept: [] },
  {
    name: '1-snapshot',
    snapshotCount: 1,
    rowsPerSnapshot: 800,
    daysPerSnapshot: 4,
    extremes: false,
    swept: null,
  },
  {
    name: '2-snapshots',
    snapshotCount: 2,
    rowsPerSnapshot: 400,
    daysPerSnapshot: 3,
    extremes: false,
    swept: FEW,
  },
  {
    name: 'extremes',
    snapshotCount: 2,
    rowsPerSnapshot: 400,
    daysPerSnapshot: 3,
    extremes: true,
    swept: null,
  },
  {
    name: 'deleted-by-position',
    snapshotCount: 2,
    rowsPerSnapshot: 400,
    daysPerSnapshot: 3,
    extremes: false,
    swept: FEW,
    deletes: 'by position',
  },
  {
    name: 'deleted-by-value',
    snapshotCount: 2,
    rowsPerSnapshot: 400,
    daysPerSnapshot: 3,
    extremes: false,
    swept: FEW,
    deletes: 'by value',
  },
]

/** One table of a fixture and the rows that it holds. */
export interface FixtureTable {
  /** "2-snapshots/trades" */
  readonly name: string
  readonly definition: TableLayout
  readonly rows: readonly Row[]
  /** The newest version. All of it is committed. */
  readonly pinned: Pick<PinnedVersion, 'columns' | 'tail' | 'select' | 'release'>
  /** Local path of the table's folder. */
  readonly path: string
  /** The state that is asked for; null: the newest. */
  readonly snapshotId: bigint | null
}

/** Writes the three tables of a fixture into a data folder of its own, one snapshot after the other. */
export async function writeFixture(
  directory: string,
  engine: Engine,
  fixture: FixtureOptions,
  seed: number,
): Promise<readonly FixtureTable[]> {
  const warehouse = await Warehouse.open({
    directory: join(directory, fixture.name),
    engine,
    clock: systemClock,
    random: new SeededRandom(seed),
    logger: createLogger({ level: 'warn', format: 'text' }),
    partitionCount: PARTITION_COUNT,
    flush: { rows: 1_000_000, bytes: 2 ** 30, ageMs: 3_600_000 },
    fence: 1,
  })
  await warehouse.start()
  const tables = await Promise.all(
    [...warehouse.tables.values()].map(async (table): Promise<FixtureTable> => {
      const { definition } = table
      const filled = await fill(table, fixture, seed)
      const head = warehouse.compactables.get(definition.name)!.head
      const rows = fixture.deletes ? await withoutThird(engine, head, filled, fixture.deletes) : filled
      const pinned = table.pin()
      const path = localPath(head.metadata.location)
      return { name: `${fixture.name}/${definition.name}`, definition, rows, pinned, path, snapshotId: null }
    }),
  )
  await warehouse.stop()
  return tables
}

async function fill(table: StreamTable, fixture: FixtureOptions, seed: number): Promise<readonly Row[]> {
  const { definition } = table
  const days = Array.from({ length: fixture.daysPerSnapshot }, (_, index) => 19_943 + index)
  // The first days before 1970 as well: day numbers and microseconds are negative there.
  const market = new MarketRows(definition, {
    seed,
    partitionCount: PARTITION_COUNT,
    days: fixture.daysPerSnapshot > 1 ? [-1, 0, ...days.slice(2)] : days,
    extremes: fixture.extremes,
  })
  const rows: Row[] = []
  for (let snapshot = 0; snapshot < fixture.snapshotCount; snapshot++) {
    const taken = market.take(fixture.rowsPerSnapshot)
    rows.push(...taken)
    await table.append(logRows(definition, taken), market.next, false)
    await table.flush()
  }
  return rows.map((row) => asStored(row))
}

function logRows(definition: TableDefinition, rows: readonly Row[]): LogRows {
  const days = new Set(rows.map((row) => dayOfMicros(long(row[definition.partitionColumn]))))
  return { batch: batchOfRows(definition, rows), days, watermarks: new Map(), ledger: EMPTY_LEDGER }
}

/** A loaded row without a message id of its own is named by its source and its row there. */
function asStored({ source_row: sourceRow, ...row }: Row): Row {
  if (sourceRow === undefined) return row
  return { ...row, message_id: row.message_id ?? `${String(row.source)}:${String(sourceRow)}` }
}
