import { assert, type TableLayout } from '#core'
import type { FileEngine, SqlValue } from '#engine'
import { type Divider, dividerOf } from './divider.js'
import type { FileColumn } from './file-columns.js'
import { isDayOnly, type PartitionField, type PartitionSpec } from './iceberg/partition.js'
import type { Schema } from './iceberg/schema.js'
import type { Value } from './iceberg/values.js'
import type { SettledRows } from './settled-rows.js'

/** Some of the rows, all of one partition. */
export interface RowPartition {
  /** In the order of the spec's fields. */
  readonly values: readonly (Value | null)[]
  /** Below the table's data folder; empty when nothing is partitioned. */
  readonly folder: string
  /** SQL that is true of these rows, and of no others; null when it is of all. */
  readonly where: string | null
}

/** A column may be divided by so many distinct keys (values, or days or hours) at once. */
const MAX_KEYS = 50_000

/**
 * The partitions of rows of these columns under a spec, or null when it takes more than `limit` of them, more keys than
 * are looked at, or a transform that is not known. Only a spec that is the day of the layout's own column needs no look
 * at the rows.
 */
export async function partitionsOf(
  engine: FileEngine,
  layout: TableLayout,
  columns: readonly FileColumn[],
  { schema, spec }: { readonly schema: Schema; readonly spec: PartitionSpec },
  rows: SettledRows,
  limit: number,
): Promise<readonly RowPartition[] | null> {
  const dividers = spec.fields.map((field) => dividerOf(columns, schema, field))
  if (rows.days !== null && isDayOnly(layout, spec)) return daysOf(dividers[0]!, rows.days)
  if (dividers.some((divider) => divider === null)) return null
  return divided(
    engine,
    dividers.filter((divider) => divider !== null),
    rows,
    limit,
  )
}

/** The first field of a spec by which ticklake cannot part rows of these columns; null: it can by all. */
export function unwrittenField(
  columns: readonly FileColumn[],
  schema: Schema,
  { fields }: PartitionSpec,
): PartitionField | null {
  return fields.find((field) => dividerOf(columns, schema, field) === null) ?? null
}

async function divided(
  engine: FileEngine,
  dividers: readonly Divider[],
  { relation }: SettledRows,
  limit: number,
): Promise<readonly RowPartition[] | null> {
  if (dividers.length === 0) return [{ values: [], folder: '', where: null }]
  const keys = dividers.map(({ keySql }, index) => `${keySql} AS key_${index}`)
  const { columns, rowCount } = await engine.read(
    `SELECT DISTINCT ${keys.join(', ')} FROM ${relation} LIMIT ${MAX_KEYS + 1}`,
  )
  if (rowCount > MAX_KEYS) return null
  const partitions = new Map<string, (Value | null)[]>()
  // Of each field, the keys by the partition value that they have: buckets have many.
  const keysOf = dividers.map(() => new Map<string, Set<SqlValue>>())
  for (let row = 0; row < rowCount; row++) {
    const values = dividers.map((divider, index) => {
      const key = columns[index]![row]!
      const value = divider.value(key)
      const known = keysOf[index]!.get(textOf(value))
      if (known) known.add(key)
      else keysOf[index]!.set(textOf(value), new Set([key]))
      return value
    })
    partitions.set(JSON.stringify(values.map(textOf)), values)
    if (partitions.size > limit) return null
  }
  // In an order that does not hang on how DuckDB found them.
  const ordered = [...partitions].sort(([a], [b]) => (a < b ? -1 : 1))
  return ordered.map(([, values]) => ({
    values,
    folder: dividers.map((divider, index) => divider.folder(values[index]!)).join('/'),
    where:
      partitions.size === 1
        ? null
        : dividers
            .map((divider, index) =>
              divider.where(values[index]!, keysOf[index]!.get(textOf(values[index]!))!),
            )
            .join(' AND '),
  }))
}

function daysOf(divider: Divider | null, days: ReadonlySet<number>): readonly RowPartition[] {
  assert(divider !== null, 'a timestamptz has days')
  return [...days]
    .sort((a, b) => a - b)
    .map((day) => ({
      values: [day],
      folder: divider.folder(day),
      where: days.size === 1 ? null : divider.where(day, new Set()),
    }))
}

/** Tells values of one field apart. */
function textOf(value: Value | null): string {
  if (value === null) return ''
  return value instanceof Uint8Array ? `x${Buffer.from(value).toString('hex')}` : `v${value}`
}
