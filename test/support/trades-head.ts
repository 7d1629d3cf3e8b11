import { TRADES } from '#core'
import { Append } from '../../src/storage/append.js'
import type { CommitContext } from '../../src/storage/commit.js'
import { newTableMetadata } from '../../src/storage/iceberg/metadata.js'
import { TableHead } from '../../src/storage/table-head.js'

/** A new table of trades below a warehouse, whose log has one partition. */
export async function tradesHead(context: CommitContext, warehouse: string): Promise<TableHead> {
  const made = { location: `${warehouse}/trades`, uuid: 'u', nowMs: context.clock.nowMs(), partitionCount: 1 }
  await context.catalog.create('trades', newTableMetadata(TRADES, made))
  return TableHead.open('trades', context)
}

/** A flush without rows: one more snapshot, of a position one further. */
export function emptyFlush({ context }: TableHead, from: number): Append {
  return new Append(context, { files: [], from: [from], to: [from + 1], summary: {} })
}
