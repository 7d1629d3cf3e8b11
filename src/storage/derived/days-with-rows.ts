import { MICROS_PER_DAY, type TableLayout } from '#core'
import type { FileEngine } from '#engine'
import { fileColumns } from '../file-columns.js'
import { daysOf } from '../file-days.js'
import { currentSchema, type TableMetadata } from '../iceberg/metadata.js'
import { parquetRelation } from '../parquet-relation.js'
import type { ReadableFile, UnnumberedFiles } from '../unnumbered-files.js'

/** A table whose files are looked at. */
export interface DayTable {
  readonly layout: TableLayout
  readonly metadata: TableMetadata
}

/** The UTC days (from 1970-01-01) that rows of files are of: by their bounds where these name one day, else by their rows. */
export async function daysWithRows(
  engine: FileEngine,
  unnumbered: UnnumberedFiles,
  { layout, metadata }: DayTable,
  files: readonly ReadableFile[],
): Promise<ReadonlySet<number>> {
  const days = new Set<number>()
  const others: ReadableFile[] = []
  for (const file of files) {
    const span = daysOf(layout, file)
    if (span !== null && span.first === span.last) days.add(span.first)
    else others.push(file)
  }
  if (others.length === 0) return days
  const { partitionColumn } = layout
  const columns = fileColumns(layout, currentSchema(metadata)).filter(({ name }) => name === partitionColumn)
  const relation = parquetRelation(await unnumbered.named(metadata, others), columns)
  const result = await engine.read(
    `SELECT DISTINCT ${dayOf(partitionColumn)} FROM ${relation} WHERE ${partitionColumn} IS NOT NULL`,
  )
  for (const day of result.columns[0] ?? []) days.add(Number(day))
  return days
}

/** SQL: the UTC day of a timestamptz column. */
export function dayOf(column: string): string {
  const micros = `epoch_us(${column})`
  const start = `(${micros} - ((${micros} % ${MICROS_PER_DAY}) + ${MICROS_PER_DAY}) % ${MICROS_PER_DAY})`
  return `CAST(${start} // ${MICROS_PER_DAY} AS INTEGER)`
}
