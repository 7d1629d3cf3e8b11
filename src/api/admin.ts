import { z } from 'zod'
import { formatDay, type TableName, TicklakeError } from '#core'
import type { DataFile, StreamTable, TableMetadata } from '#storage'

/** A table, as GET /admin/tables answers it. */
export const tableSchema = z
  .object({
    table: z.string().meta({ description: 'trades, quotes or quarantine' }),
    location: z.string().meta({ description: 'URL of the folder of the Iceberg table' }),
    table_uuid: z.string().meta({ description: "the table's UUID in its Iceberg metadata" }),
    snapshot_id: z.string().nullable().meta({ description: 'newest snapshot; null before the first commit' }),
    snapshots: z.int().meta({ description: 'snapshots that are kept' }),
    files: z.int().meta({ description: 'data files of the newest snapshot' }),
    rows: z.int().meta({
      description: 'rows of the newest version: files and tail; with those that delete files take away',
    }),
    delete_files: z.int().meta({
      description:
        'files by which another engine has deleted rows of the data files; while there are any, the count of a table tells how many rows are left',
    }),
    rows_in_tail: z.int().meta({ description: 'of these rows, those not yet in a file' }),
    bytes: z.int().meta({ description: 'size of the data files in bytes' }),
    offsets: z.array(z.int()).meta({
      description: 'for each log partition the next offset to be read; what is before it is visible',
    }),
    committed_offsets: z
      .array(z.int())
      .meta({ description: 'the same of the newest snapshot: what is before it is in files' }),
  })
  .meta({ id: 'Table' })

/** The same with its partitions. */
export const tableDetailSchema = tableSchema
  .extend({
    partitions: z
      .array(
        z.object({
          partition: z.string().meta({ description: 'UTC day, such as 2014-03-10' }),
          files: z.int().meta({ description: 'data files' }),
          rows: z.int().meta({ description: 'rows of these files' }),
          bytes: z.int().meta({ description: 'size of these files in bytes' }),
        }),
      )
      .meta({ description: 'the files of the newest snapshot by partition; the tail is not among them' }),
  })
  .meta({ id: 'TableDetail' })

export type TableJson = z.output<typeof tableDetailSchema>

/** What there is of a table now. `not_found` for a name that is none. */
export async function describeTable(
  tables: ReadonlyMap<TableName, StreamTable>,
  name: string,
): Promise<TableJson> {
  const table = [...tables.values()].find((candidate) => candidate.definition.name === name)
  if (!table) {
    throw new TicklakeError(
      'not_found',
      `there is no table ${JSON.stringify(name)}: there are ${[...tables.keys()].join(', ')}`,
    )
  }
  const pinned = table.pin()
  try {
    const { files } = await pinned.select({})
    const { metadata, version } = pinned
    const rowsInTail = pinned.tail.reduce((sum, slice) => sum + slice.rowCount, 0)
    const totals = totalsOf(files)
    return {
      table: table.definition.name,
      location: metadata.location,
      table_uuid: metadata.tableUuid,
      snapshot_id: version.snapshotId === null ? null : String(version.snapshotId),
      snapshots: metadata.snapshots.length,
      ...totals,
      rows: totals.rows + rowsInTail,
      rows_in_tail: rowsInTail,
      delete_files: new Set(files.flatMap(({ deletes = [] }) => deletes.map(({ path }) => path))).size,
      offsets: [...version.offsets],
      committed_offsets: [...table.committedOffsets()],
      partitions: partitionsOf(files, metadata),
    }
  } finally {
    pinned.release()
  }
}

function partitionsOf(files: readonly DataFile[], metadata: TableMetadata): TableJson['partitions'] {
  const spec = metadata.partitionSpecs.find((candidate) => candidate.specId === metadata.defaultSpecId)
  const byDay = spec?.fields.length === 1 && spec.fields[0]?.transform === 'day'
  const groups = new Map<string, DataFile[]>()
  for (const file of files) {
    const [day] = file.partition
    const name = byDay && typeof day === 'number' ? formatDay(day) : file.partition.map(String).join('/')
    groups.set(name, [...(groups.get(name) ?? []), file])
  }
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([partition, group]) => ({ partition, ...totalsOf(group) }))
}

function totalsOf(files: readonly DataFile[]) {
  return {
    files: files.length,
    rows: files.reduce((sum, file) => sum + file.recordCount, 0),
    bytes: files.reduce((sum, file) => sum + file.fileSizeBytes, 0),
  }
}
