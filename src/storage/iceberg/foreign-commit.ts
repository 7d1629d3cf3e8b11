import type { TableLayout } from '#core'
import { checkNames } from './column-names.js'
import { asRequest } from './json.js'
import { currentSchema, currentSnapshot, MAIN, type TableMetadata } from './metadata.js'
import { nameMapping } from './name-mapping.js'
import { OVERWRITTEN_KEY } from './overwritten.js'
import { OWN_ROWS_KEY } from './own-rows.js'
import { isDayOnly } from './partition.js'
import { refused } from './refusal.js'
import { icebergSchema } from './schema.js'
import { checkReadable } from './schema-rules.js'
import { OFFSETS_KEY, type Snapshot, type Summary, ticklakeKeys } from './snapshot.js'
import { columnsOf, isWidening, sameType, typeName } from './types.js'

/** Foreign engines must not delete files under our readers, whatever they think of it. */
const GC_KEY = 'gc.enabled'

/**
 * What another engine's commit (`base` became `next`) makes of a table that a log fills: its new snapshots carry our keys
 * forward from their parents, so that ingest goes on where it is. `invalid_input`, with the reason, for what would break
 * that: main taken back to an older position or away, our properties or the location changed, a column that ingest
 * writes dropped or made what it does not write, a name taken that queries have for another column; and for a name mapping
 * that no reader could read. Pure.
 */
export function foreignCommit(base: TableMetadata, next: TableMetadata, layout: TableLayout): TableMetadata {
  if (next === base) return base
  checkProperties(base, next)
  asRequest(() => nameMapping(next))
  // Not while the updates were made: they may have taken main away, and put it back afterwards.
  if (base.currentSnapshotId !== null) checkReadable(base, currentSchema(next))
  checkColumns(next, layout)
  checkNames(base, next, layout)
  checkDays(base, next, layout)
  if (next.location !== base.location) {
    throw refused(
      `the files of ${layout.name} lie at ${base.location}: a table that a log fills does not move`,
    )
  }
  const table = { ...next, snapshots: carriedForward(base, next) }
  checkPosition(base, table, layout)
  return table
}

/** The snapshots, each new one with the ticklake.* keys of its parent in place of whatever it came with. */
function carriedForward(base: TableMetadata, next: TableMetadata): readonly Snapshot[] {
  const summaries = new Map<bigint, Summary>(base.snapshots.map((one) => [one.snapshotId, one.summary]))
  // The first snapshot of all begins at the position that the table was made with.
  const beginning = base.snapshots.length === 0 ? ticklakeKeys(base.properties) : {}
  return next.snapshots.map((snapshot) => {
    if (summaries.has(snapshot.snapshotId)) return snapshot
    const { parentSnapshotId: parent } = snapshot
    const ours = parent === null ? beginning : ticklakeKeys(summaries.get(parent) ?? {})
    const forged = ticklakeKeys(snapshot.summary)
    const theirs = Object.entries(snapshot.summary).filter(([key]) => !Object.hasOwn(forged, key))
    // Whose rows it took away only its files tell; and rows that it brings are not ours.
    const { [OVERWRITTEN_KEY]: _, [OWN_ROWS_KEY]: __, ...carried } = ours
    const summary = { ...Object.fromEntries(theirs), ...carried }
    summaries.set(snapshot.snapshotId, summary)
    return { ...snapshot, summary }
  })
}

/** What is current must be as far in the log as the table: rows that are no longer there would not be read again. */
function checkPosition(base: TableMetadata, next: TableMetadata, { name }: TableLayout): void {
  if (base.currentSnapshotId === next.currentSnapshotId) return
  const current = currentSnapshot(next)
  if (!current) throw refused(`${name} is filled from a log: its ${MAIN} cannot be taken away`)
  const [carried, position] = [current.summary[OFFSETS_KEY], base.properties[OFFSETS_KEY]]
  if (carried === position) return
  throw refused(
    `${MAIN} of ${name} would go to snapshot ${current.snapshotId}, which has the log up to ${carried ?? 'nowhere'}, ` +
      `while the table has it up to ${position}: the rows between would be lost. Build on the current snapshot`,
  )
}

function checkProperties(base: TableMetadata, next: TableMetadata): void {
  const kept = { ...ticklakeKeys(base.properties), ...only(base.properties, GC_KEY) }
  const there = { ...ticklakeKeys(next.properties), ...only(next.properties, GC_KEY) }
  for (const key of new Set([...Object.keys(kept), ...Object.keys(there)])) {
    if (kept[key] === there[key]) continue
    throw refused(`the property ${key} belongs to ticklake and stays ${kept[key] ?? 'unset'}`)
  }
}

/** Refuses a schema without a column that ingest writes, or with another type than it writes. */
export function checkColumns(next: TableMetadata, layout: TableLayout): void {
  const columns = columnsOf(currentSchema(next), 'schema')
  for (const written of columnsOf(icebergSchema(layout), layout.name)) {
    const column = columns.find(({ id }) => id === written.id)
    const what = `the column ${written.name} of ${layout.name}, which ingest writes`
    if (!column) throw refused(`${what}, cannot be dropped`)
    if (!sameType(written.type, column.type) && !isWidening(written.type, column.type)) {
      throw refused(`${what} as ${typeName(written.type)}, cannot become ${typeName(column.type)}`)
    }
    if (column.required) throw refused(`${what}, cannot become required`)
  }
  const required = columns.find((column) => column.required)
  if (required) {
    throw refused(
      `the column ${required.name} of ${layout.name} cannot be required: ingest writes rows without it`,
    )
  }
}

/** A flush that cannot follow the default spec writes by days: their spec stays. */
export function checkDays(base: TableMetadata, next: TableMetadata, layout: TableLayout): void {
  const hasDays = ({ partitionSpecs }: TableMetadata) =>
    partitionSpecs.some((spec) => isDayOnly(layout, spec))
  if (!hasDays(base) || hasDays(next)) return
  const what = `the partition spec of ${layout.name} by day of ${layout.partitionColumn}`
  throw refused(`${what} stays: ingest writes by it what it cannot write by another one`)
}

function only(all: Summary, key: string): Summary {
  return all[key] === undefined ? {} : { [key]: all[key] }
}
