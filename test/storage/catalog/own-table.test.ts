import { expect, test } from 'vitest'
import { TicklakeError, TRADES } from '#core'
import { type DataFile, type Json, parseTableCommit } from '#storage'
import { Append } from '../../../src/storage/append.js'
import { OwnTable } from '../../../src/storage/catalog/own-table.js'
import { MemoryObjectStore } from '../../../src/storage/objects/memory.js'
import type { ObjectStore } from '../../../src/storage/objects/object-store.js'
import type { TableHead } from '../../../src/storage/table-head.js'
import { commitContext } from '../../support/commit-context.js'
import { tradesFile } from '../../support/data-file.js'
import { additionRequest } from '../../support/foreign-commit.js'
import { ManualClock } from '../../support/manual-clock.js'
import { emptyFlush, tradesHead } from '../../support/trades-head.js'

const clock = new ManualClock()

/** Trades, up to offset 2, whose last commits made two snapshots. */
async function tradesIn(objects: ObjectStore): Promise<TableHead> {
  const head = await tradesHead(commitContext(objects, 'memory:///w', { clock }), 'memory:///w')
  for (const from of [0, 1]) await head.commit(emptyFlush(head, from))
  return head
}

function commitOf(...updates: readonly Json[]) {
  return parseTableCommit({ requirements: [], updates }, 'body')
}

test('a snapshot that is being read is not removed by others until it has been let go [inv 4]', async () => {
  const head = await tradesIn(new MemoryObjectStore(clock))
  const { snapshotId } = head.metadata.snapshots[0]!
  const table = new OwnTable(head, TRADES)
  const removal = commitOf({ action: 'remove-snapshots', 'snapshot-ids': [snapshotId] })
  const release = head.hold(snapshotId)
  await expect(table.commit(removal)).rejects.toMatchObject({
    code: 'conflict',
    message: expect.stringContaining(`snapshot ${snapshotId} of trades is being read`),
  })
  release()
  await table.commit(removal)
  expect(head.metadata.snapshots).toHaveLength(1)
})

test('a partition spec that files are written by is not removed: no manifest of theirs could be merged', async () => {
  const head = await tradesIn(new MemoryObjectStore(clock))
  const table = new OwnTable(head, TRADES)
  const fields = [{ 'source-id': 3, name: 'by_hour', transform: 'hour' }]
  await table.commit(
    commitOf({ action: 'add-spec', spec: { fields } }, { action: 'set-default-spec', 'spec-id': -1 }),
  )
  const files = [tradesFile('memory:///w/trades/data/a.parquet', [{ symbol: 'BHP', micros: 0n }])]
  await head.commit(new Append(head.context, { files, from: [2], to: [3], summary: {} }))
  const removal = commitOf(
    { action: 'set-default-spec', 'spec-id': 0 },
    { action: 'remove-partition-specs', 'spec-ids': [1] },
  )
  await expect(table.commit(removal)).rejects.toMatchObject({
    code: 'invalid_input',
    message: expect.stringContaining('is of partition spec 1'),
  })
  expect(head.metadata.partitionSpecs.map(({ specId }) => specId)).toEqual([0, 1])
})

test('a file that the table has already is not taken again: its rows would be there twice [inv 1]', async () => {
  const objects = new MemoryObjectStore(clock)
  const head = await tradesIn(objects)
  const file = tradesFile('memory:///w/trades/data/a.parquet', [{ symbol: 'BHP', micros: 0n }])
  await objects.create(file.path, new Uint8Array(file.fileSizeBytes))
  const added = async (snapshotId: bigint, { path }: Pick<DataFile, 'path'>) => {
    const addition = { data: [{ specId: 0, files: [{ ...file, path }] }], deletes: [], snapshotId }
    const request = await additionRequest(head.context, head.metadata, addition)
    return new OwnTable(head, TRADES).commit(parseTableCommit(request, 'body'))
  }
  await added(77n, file)
  const other = { path: 'memory:///w/trades/data/b.parquet' }
  await objects.create(other.path, new Uint8Array(file.fileSizeBytes))
  await added(78n, other)
  await expect(added(79n, file)).rejects.toMatchObject({
    code: 'invalid_input',
    message: expect.stringContaining('a.parquet is in the table already'),
  })
  expect(head.metadata.currentSnapshotId).toBe(78n)
})

test('a commit that was made and could not be read back is known to be made, though a flush was waiting', async () => {
  let isAway = false
  class FailingStore extends MemoryObjectStore {
    override async create(location: string, bytes: Uint8Array): Promise<void> {
      await super.create(location, bytes)
      isAway = location.endsWith('/v4.metadata.json')
      if (isAway) throw new TicklakeError('unavailable', 'injected after a create')
    }

    override async read(location: string): Promise<Uint8Array> {
      if (!isAway) return super.read(location)
      isAway = false
      throw new TicklakeError('unavailable', 'injected before a read')
    }
  }
  const head = await tradesIn(new FailingStore(clock))
  const made = new OwnTable(head, TRADES).commit(commitOf({ action: 'set-properties', updates: { a: 'b' } }))
  const flushed = head.commit(emptyFlush(head, 2))
  expect((await made).metadata.properties).toMatchObject({ a: 'b' })
  await flushed
  expect(head.metadata.properties).toMatchObject({ a: 'b', 'ticklake.offsets': '{"0":3}' })
})
