import { join } from 'node:path'
import { type Engine, sqlString } from '#engine'
import { localPath } from '#storage'
import { FileIndex } from '../../src/storage/prune.js'
import type { TableHead } from '../../src/storage/table-head.js'
import { ForeignCommit } from './foreign-commit.js'
import { equalityDeletes, positionDeletes } from './foreign-deletes.js'
import type { Row } from './row-batch.js'

/** Commits deletes of every third row of each file, as another engine would, and gives the rows that are left. */
export async function withoutThird(
  engine: Engine,
  head: TableHead,
  rows: readonly Row[],
  kind: 'by position' | 'by value',
  remainder = 0,
): Promise<readonly Row[]> {
  const { metadata, context } = head
  const { live } = await new FileIndex(context.manifests).liveFiles(metadata, metadata.currentSnapshotId, [])
  const gone = new Set<string>()
  const deletes = []
  for (const [number, { file, specId }] of live.entries()) {
    const thirds = `SELECT log_partition, log_offset, file_row_number FROM read_parquet(${sqlString(localPath(file.path))})
      WHERE file_row_number % 3 = ${remainder}`
    const { columns } = await engine.query(thirds)
    const [partitions = [], offsets = [], positions = []] = columns
    for (const [index, partition] of partitions.entries()) gone.add(`${partition} ${offsets[index]}`)
    const path = join(
      localPath(metadata.location),
      'data',
      `deletes-${metadata.lastSequenceNumber}-${number}.parquet`,
    )
    const target = { path, partition: file.partition }
    const listed = positions.map((position) => ({ path: file.path, position: Number(position) }))
    const select = `SELECT log_partition, log_offset FROM (${thirds})`
    const ids = { log_partition: idOf(head, 'log_partition'), log_offset: idOf(head, 'log_offset') }
    const deleted =
      kind === 'by position'
        ? await positionDeletes(engine, target, listed, 'bounds')
        : await equalityDeletes(engine, target, select, ids, listed.length)
    deletes.push({ specId, files: [deleted] })
  }
  await head.commit(new ForeignCommit(context, [], deletes))
  return rows.filter((row) => !gone.has(`${row.log_partition} ${row.log_offset}`))
}

function idOf({ metadata }: TableHead, column: string): number {
  return metadata.schemas[0]!.fields.find(({ name }) => name === column)!.id
}
