import { CORRECTIONS, type OffsetVector, parseDecimal } from '#core'
import { type SqlValue, sqlString, type TableEngine } from '#engine'
import { type PinnedVersion, parquetRelation } from '#storage'
import type { CellValue, EventValues } from './posting/event-row.js'

/** A correction that was neither made nor refused so far. */
export interface PendingCorrection {
  readonly partition: number
  readonly offset: number
  readonly receivedAtMicros: number
  /** Its values by column. */
  readonly values: EventValues
  /** One of the same sender and name came before. */
  readonly isRepeated: boolean
}

/** So many are made in one commit. */
const MAX_CORRECTIONS = 1_000

/**
 * The oldest corrections of a table that come after a position and were not refused, in the order of the log. What names no
 * table at all is among those of `ofUnknown`: somebody has to refuse it.
 */
export async function pendingCorrections(
  engine: TableEngine,
  pinned: PinnedVersion,
  { isMine, from }: { readonly isMine: string; readonly from: OffsetVector },
): Promise<readonly PendingCorrection[]> {
  const all = await everyCorrection(pinned)
  if (all === null) return []
  const after = from.map(
    (offset, partition) => `(c.log_partition = ${partition} AND c.log_offset >= ${offset})`,
  )
  const cells = CORRECTIONS.columns.map(({ name, type }) => {
    if (type === 'timestamptz') return `epoch_us(c.${name})`
    return type === 'decimal' ? `c.${name}::VARCHAR` : `c.${name}`
  })
  const { columns, rowCount } = await engine.read(
    `WITH every AS (SELECT * FROM ${all})
     SELECT ${cells.join(', ')}, EXISTS (
       SELECT 1 FROM every AS e WHERE e.correction_id = c.correction_id AND e.source = c.source
         AND e.action <> 'refused' AND e.log_partition = c.log_partition AND e.log_offset < c.log_offset)
     FROM every AS c
     WHERE c.action <> 'refused' AND ${isMine} AND (${after.join(' OR ')}) AND NOT EXISTS (
       SELECT 1 FROM every AS r WHERE r.action = 'refused' AND r.target_table = ${sqlString(CORRECTIONS.name)}
         AND r.target_partition = c.log_partition AND r.target_offset = c.log_offset)
     ORDER BY c.log_partition, c.log_offset LIMIT ${MAX_CORRECTIONS}`,
  )
  return Array.from({ length: rowCount }, (_, row) => {
    const values = new Map(
      CORRECTIONS.columns.map(({ name, type }, at) => [name, cell(name, type, columns[at]?.[row] ?? null)]),
    )
    return {
      partition: Number(values.get('log_partition')),
      offset: Number(values.get('log_offset')),
      receivedAtMicros: Number(values.get('received_at')),
      values,
      isRepeated: columns[CORRECTIONS.columns.length]?.[row] === true,
    }
  })
}

/** All rows of a version; null when there are none. */
async function everyCorrection(pinned: PinnedVersion): Promise<string | null> {
  const { files } = await pinned.select({})
  const parts = [
    ...pinned.tail.map(({ relation }) => relation),
    ...(files.length > 0 ? [parquetRelation(files, pinned.columns)] : []),
  ]
  const names = CORRECTIONS.columns.map(({ name }) => name).join(', ')
  if (parts.length === 0) return null
  return `(${parts.map((part) => `SELECT ${names} FROM ${part}`).join(' UNION ALL ')})`
}

function cell(name: string, type: string, value: SqlValue): CellValue {
  if (type === 'decimal' && typeof value === 'string') return parseDecimal(name, value)
  return typeof value === 'boolean' ? null : value
}
