import {
  BUCKET_COLUMN,
  mergedStates,
  type PinnedVersion,
  type RollupDefinition,
  type RollupTable,
  type RollupView,
  sourceColumns,
  statesOfRows,
} from '#storage'
import { whereAll } from './conditions.js'
import { selectList } from './field.js'
import { planRolled, type RolledScan } from './rolled-scan.js'
import { isEmpty, NOTHING, planScan, relation, type Scan } from './scan.js'
import { inRanges } from './time-ranges.js'

/** A table that a statement reads, at a version that is held, until it is released. */
export interface HeldTable {
  readonly table: string
  /** Of a rollup: of its source. */
  readonly pinned: PinnedVersion
  /** All that is read of it. */
  readonly scan: Scan
  /** A SELECT of its rows, and one of the same columns without rows. */
  readonly rows: string
  readonly noRows: string
  release(): void
}

/** As much of a rollup as SQL needs. */
export type SqlRollup = Pick<RollupTable, 'definition' | 'pin'>

const ALL = { symbols: null, exchange: null, startNanos: null, endNanos: null }

/** All rows of a table. */
export async function heldTable(table: string, pinned: PinnedVersion): Promise<HeldTable> {
  const scan = await planScan(pinned, {})
  const names = scan.columns.map(({ name }) => name)
  const select = (of: Scan) => `SELECT ${selectList(names)} FROM ${relation(of, names)}`
  const noRows = select({ ...NOTHING, columns: scan.columns })
  return { table, pinned, scan, rows: select(scan), noRows, release: () => {} }
}

/**
 * All buckets of a rollup, one row each, as the rows of this version of its source make them, whatever the rollup has of
 * these: its states are merged with those of the rows that it has not, or not rightly, and of the tail. Where it has
 * nothing (before it has begun, or of a past that it does not know), all of them are made of rows.
 */
export async function heldRollup(rollup: SqlRollup, pinned: PinnedVersion): Promise<HeldTable> {
  const { definition } = rollup
  const scan = await planScan(pinned, {})
  const view = await rollup.pin(pinned)
  const rolled = view && (await planned(pinned, view, definition, scan))
  return {
    table: definition.name,
    pinned,
    scan: rolled?.scan ?? scan,
    rows: rolled
      ? mergedRows(definition, rolled)
      : statesOfRows(definition, `(${rowsOf(definition, scan, [])})`),
    noRows: statesOfRows(
      definition,
      relation({ ...NOTHING, columns: scan.columns }, sourceColumns(definition)),
    ),
    release: () => view?.release(),
  }
}

async function planned(
  pinned: PinnedVersion,
  view: RollupView,
  definition: RollupDefinition,
  rows: Scan,
): Promise<RolledScan | null> {
  try {
    return await planRolled(pinned, view, definition, ALL, rows)
  } catch (error) {
    view.release()
    throw error
  }
}

/** Each row of the version is in one of these parts, once (`RolledScan`). */
function mergedRows(definition: RollupDefinition, rolled: RolledScan): string {
  const time = 'exchange_timestamp'
  const parts: readonly [Scan, readonly string[]][] = [
    [rolled.committed, [inRanges(time, rolled.raw)]],
    [rolled.since, [inRanges(time, rolled.rolled)]],
    [rolled.live, []],
  ]
  const rows = parts.flatMap(([scan, where]) => (isEmpty(scan) ? [] : [rowsOf(definition, scan, where)]))
  const names = rolled.states.columns.map(({ name }) => name)
  const states = [
    `SELECT ${selectList(names)} FROM ${relation(rolled.states, names)} ${whereAll([inRanges(BUCKET_COLUMN, rolled.rolled)])}`,
    ...(rows.length === 0 ? [] : [statesOfRows(definition, `(${rows.join(' UNION ALL ')})`)]),
  ]
  return mergedStates(definition, `(${states.join(' UNION ALL ')})`)
}

/** A row without a time is in no bucket. */
function rowsOf(definition: RollupDefinition, scan: Scan, where: readonly string[]): string {
  const names = sourceColumns(definition)
  const conditions = whereAll(['exchange_timestamp IS NOT NULL', ...where])
  return `SELECT ${selectList(names)} FROM ${relation(scan, names)} ${conditions}`
}
