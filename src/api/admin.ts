import { z } from 'zod'
import { formatDay, type TableName, TicklakeError } from '#core'
import type { Compactable, ReadableFile, StreamTable, TableMetadata } from '#storage'

/** A table, as GET /admin/tables answers it. */
export const tableSchema = z
  .object({
    table: z.string().meta({ description: 'its name: a table of the log, sequence_gaps, or a rollup' }),
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
      description:
        'for each log partition the next offset to be read; what is before it is visible. Empty where the rows are derived from those of other tables',
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

/** A table that is filled from others, and not from the log. */
export type DerivedTable = Pick<Compactable, 'head' | 'index'>

/** The tables that can be described, by name. */
export interface DescribedTables {
  readonly tables: ReadonlyMap<TableName, StreamTable>
  readonly derived: ReadonlyMap<string, DerivedTable>
}

/** What there is of all tables now, those of the log first; without their partitions. */
export async function describeTables(all: DescribedTables): Promise<readonly z.output<typeof tableSchema>[]> {
  const names = [...all.tables.keys(), ...all.derived.keys()]
  const described = await Promise.all(names.map((name) => describeTable(all, name)))
  return described.map(({ partitions: _, ...table }) => table)
}

/** What there is of a table now. `not_found` for a name that is none. */
export async function describeTable({ tables, derived }: DescribedTables, name: string): Promise<TableJson> {
  const table = [...tables.values()].find((candidate) => candidate.definition.name === name)
  if (table) return describeStream(table)
  const fromOthers = derived.get(name)
  if (fromOthers) return describeDerived(fromOthers)
  const known = [...tables.keys(), ...derived.keys()].join(', ')
  throw new TicklakeError('not_found', `there is no table ${JSON.stringify(name)}: there are ${known}`)
}

async function describeStream(table: StreamTable): Promise<TableJson> {
  const pinned = table.pin()
  try {
    const { files } = await pinned.select({})
    const { metadata, version } = pinned
    const rowsInTail = pinned.tail.reduce((sum, slice) => sum + slice.rowCount, 0)
    const described = describe(table.definition.name, metadata, version.snapshotId, files)
    return {
      ...described,
      rows: described.rows + rowsInTail,
      rows_in_tail: rowsInTail,
      offsets: [...version.offsets],
      committed_offsets: [...table.committedOffsets()],
    }
  } finally {
    pinned.release()
  }
}

async function describeDerived({ head, index }: DerivedTable): Promise<TableJson> {
  const { metadata } = head
  const { currentSnapshotId } = metadata
  const release = head.hold(currentSnapshotId)
  try {
    const { files } = await index.selectFiles(metadata, currentSnapshotId, [])
    return describe(head.name, metadata, currentSnapshotId, files)
  } finally {
    release()
  }
}

/** What files and metadata tell: a table without a tail and without a position in the log. */
function describe(
  table: string,
  metadata: TableMetadata,
  snapshotId: bigint | null,
  files: readonly ReadableFile[],
): TableJson {
  return {
    table,
    location: metadata.location,
    table_uuid: metadata.tableUuid,
    snapshot_id: snapshotId === null ? null : String(snapshotId),
    snapshots: metadata.snapshots.length,
    ...totalsOf(files),
    delete_files: new Set(files.flatMap(({ deletes = [] }) => deletes.map(({ path }) => path))).size,
    rows_in_tail: 0,
    offsets: [],
    committed_offsets: [],
    partitions: partitionsOf(files, metadata),
  }
}

function partitionsOf(files: readonly ReadableFile[], metadata: TableMetadata): TableJson['partitions'] {
  const spec = metadata.partitionSpecs.find((candidate) => candidate.specId === metadata.defaultSpecId)
  const byDay = spec?.fields.length === 1 && spec.fields[0]?.transform === 'day'
  const groups = new Map<string, ReadableFile[]>()
  for (const file of files) {
    const [day] = file.partition
    const name = byDay && typeof day === 'number' ? formatDay(day) : file.partition.map(String).join('/')
    groups.set(name, [...(groups.get(name) ?? []), file])
  }
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([partition, group]) => ({ partition, ...totalsOf(group) }))
}

function totalsOf(files: readonly ReadableFile[]) {
  return {
    files: files.length,
    rows: files.reduce((sum, file) => sum + file.recordCount, 0),
    bytes: files.reduce((sum, file) => sum + file.fileSizeBytes, 0),
  }
}
