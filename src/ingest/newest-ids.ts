import type { Engine } from '#engine'
import { parquetRelation, type StreamTable } from '#storage'
import { Deduplicator } from './deduplicator.js'

/** A deduplicator that remembers what the newest snapshot tells: the newest `perPartition` ids of each partition. */
export async function newestIds(
  table: StreamTable,
  engine: Pick<Engine, 'query'>,
  perPartition: number,
): Promise<Deduplicator> {
  const deduplicator = new Deduplicator(perPartition)
  const pinned = table.pin()
  try {
    const { files } = await pinned.select({})
    if (files.length === 0) return deduplicator
    const read = ['message_id', 'log_partition', 'log_offset']
    const relation = parquetRelation(
      files,
      pinned.columns.filter(({ name }) => read.includes(name)),
    )
    for (const [partition, end] of table.committedOffsets().entries()) {
      for (const id of await idsBelow(engine, relation, partition, end, perPartition)) {
        deduplicator.add(partition, id)
      }
    }
    return deduplicator
  } finally {
    pinned.release()
  }
}

/** The newest ids of a partition below an offset, oldest first. Looks back further as long as there are too few. */
async function idsBelow(
  engine: Pick<Engine, 'query'>,
  relation: string,
  partition: number,
  end: number,
  count: number,
): Promise<readonly string[]> {
  for (let span = 2 * count; ; span *= 4) {
    const { columns } = await engine.query(
      `SELECT message_id FROM (
         SELECT message_id, max(log_offset) AS newest FROM ${relation}
         WHERE log_partition = ${partition} AND log_offset >= ${end - span} AND message_id <> ''
         GROUP BY message_id ORDER BY newest DESC LIMIT ${count})
       ORDER BY newest`,
    )
    const ids = (columns[0] ?? []).map(String)
    if (ids.length === count || span >= end) return ids
  }
}
