import type { TableJson } from '#api'
import { type Target, withLake } from './target.js'
import { groupDigits, textTable } from './text-table.js'

export interface TablesOptions extends Target {
  readonly output: 'table' | 'json'
}

/** Prints what there is of each table, or of one table with its partitions. */
export async function tables(
  name: string | undefined,
  options: TablesOptions,
  signal: AbortSignal,
): Promise<void> {
  await withLake(options, signal, async (client) => {
    const path = name === undefined ? '/admin/tables' : `/admin/tables/${encodeURIComponent(name)}`
    const response = await client.get(path, {}, 'application/json', signal)
    // The server is of this same program: its answer has the form of tableSchema.
    const { data } = (await response.json()) as { data: TableJson | TableJson[] }
    if (options.output === 'json') process.stdout.write(`${JSON.stringify(data, null, 2)}\n`)
    else process.stdout.write(`${Array.isArray(data) ? overview(data) : detail(data)}\n`)
  })
}

function overview(all: readonly TableJson[]): string {
  const rows = all.map((table) => [
    table.table,
    groupDigits(table.rows),
    groupDigits(table.rows_in_tail),
    groupDigits(table.snapshots),
    groupDigits(table.files),
    groupDigits(table.bytes),
    table.offsets.join(' '),
    table.snapshot_id,
  ])
  return textTable(
    ['table', 'rows', 'in_tail', 'snapshots', 'files', 'bytes', 'offsets', 'snapshot_id'],
    rows,
  )
}

function detail(table: TableJson): string {
  const facts = [
    ['table', table.table],
    ['location', table.location],
    ['uuid', table.table_uuid],
    ['rows', `${groupDigits(table.rows)}, of them ${groupDigits(table.rows_in_tail)} in the tail`],
    ['snapshot', table.snapshot_id ?? 'none yet'],
    ['snapshots', groupDigits(table.snapshots)],
    ['files', `${groupDigits(table.files)}, ${groupDigits(table.bytes)} bytes`],
    [
      'offsets',
      table.offsets.length === 0
        ? 'none: it is derived from other tables'
        : `${table.offsets.join(' ')}, committed ${table.committed_offsets.join(' ')}`,
    ],
  ]
  const partitions = table.partitions.map(({ partition, files, rows, bytes }) => [
    partition,
    groupDigits(rows),
    groupDigits(files),
    groupDigits(bytes),
  ])
  return [
    ...facts.map(([name, value]) => `${name!.padEnd(10)} ${value}`),
    '',
    textTable(['partition', 'rows', 'files', 'bytes'], partitions),
  ].join('\n')
}
