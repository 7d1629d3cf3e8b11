import { tmpdir } from 'node:os'
import { describe, expect, test } from 'vitest'
import { TRADES } from '#core'
import { Engine } from '#engine'
import type { Evolution, SchemaChange } from '#storage'
import { Append } from '../../src/storage/append.js'
import { Evolve } from '../../src/storage/evolution.js'
import { currentSchema, newTableMetadata } from '../../src/storage/iceberg/metadata.js'
import { MemoryObjectStore } from '../../src/storage/objects/memory.js'
import { FileIndex } from '../../src/storage/prune.js'
import { IcebergStreamTable } from '../../src/storage/stream-table.js'
import { TableHead } from '../../src/storage/table-head.js'
import { commitContext } from '../support/commit-context.js'
import { type Fault, FaultyObjectStore } from '../support/faulty-object-store.js'
import { ManualClock } from '../support/manual-clock.js'

const clock = new ManualClock()

/** A table with one snapshot; `fault` befalls the next creation of metadata, once. */
async function newHead(): Promise<{ head: TableHead; fail(fault: Fault): void }> {
  let next: Fault = 'none'
  const objects = new FaultyObjectStore(new MemoryObjectStore(clock), (_, location) => {
    if (!location.endsWith('.metadata.json')) return 'none'
    const fault = next
    next = 'none'
    return fault
  })
  const context = commitContext(objects, 'memory:///w', { clock })
  const location = 'memory:///w/trades'
  const first = newTableMetadata(TRADES, { location, uuid: 'u', nowMs: clock.nowMs(), partitionCount: 1 })
  const head = new TableHead('trades', (await context.catalog.create('trades', first)).metadata, context)
  await head.commit(new Append(context, { files: [], from: [0], to: [1], summary: {} }))
  return {
    head,
    fail: (fault) => {
      next = fault
    },
  }
}

test('a state of history is held while it is read, and has no tail', async () => {
  const { head } = await newHead()
  const [first] = head.metadata.snapshots
  const engine = await Engine.open({
    memoryLimit: '200MB',
    threads: 1,
    tempDirectory: tmpdir(),
    connections: 1,
  })
  const table = new IcebergStreamTable({
    definition: TRADES,
    head,
    partitionCount: 1,
    engine,
    index: new FileIndex(head.context.manifests),
    flush: { rows: 1, bytes: 1, ageMs: 1 },
    logger: head.context.logger,
  })
  await head.commit(new Append(head.context, { files: [], from: [1], to: [2], summary: {} }))
  const pinned = await table.pinAsOf({ kind: 'snapshot', snapshotId: first!.snapshotId }, null)
  expect(head.heldFrom).toBe(first!.sequenceNumber)
  expect(pinned).toMatchObject({ version: { snapshotId: first!.snapshotId, offsets: [1] }, tail: [] })
  expect(await pinned.selectAppended({})).toEqual({ files: [], where: null })
  pinned.release()
  pinned.release()
  expect(head.heldFrom).toBe(Number.POSITIVE_INFINITY)
  await engine.close()
})

const evolve = (head: TableHead, evolution: Evolution) =>
  head.commit(new Evolve(head.context, TRADES, evolution))

const schema = (...changes: readonly SchemaChange[]): Evolution => ({ of: 'schema', changes })
const tag = (name: string): Evolution => ({
  of: 'ref',
  make: { name, type: 'tag', asOf: { kind: 'ref', name: 'main' } },
})

const EVERY: readonly Evolution[] = [
  schema({ change: 'add', name: 'feed', type: 'string' }, { change: 'rename', name: 'venue', to: 'place' }),
  { of: 'partition-spec', changes: [{ change: 'add', column: 'symbol', transform: 'bucket[8]' }] },
  { of: 'sort-order', by: [{ column: 'exchange_timestamp' }] },
  tag('eod'),
]

describe('an evolution is made once', () => {
  test.each(
    EVERY.flatMap((evolution) =>
      (['none', 'before', 'after'] as const).map((fault) => [evolution, fault] as const),
    ),
  )('%j, when the commit fails %s taking effect', async (evolution, fault) => {
    const { head, fail } = await newHead()
    const before = head.metadata
    fail(fault)
    const { status, table } = await evolve(head, evolution)
    expect(status).toBe(fault === 'after' ? 'already-applied' : 'committed')
    expect(table.metadata).toBe(head.metadata)
    const { head: undisturbed } = await newHead()
    await evolve(undisturbed, evolution)
    const bare = ({ metadata }: TableHead) => ({
      ...metadata,
      metadataLog: [],
      lastUpdatedMs: 0,
      snapshots: [],
      snapshotLog: [],
      currentSnapshotId: 0,
      refs: Object.keys(metadata.refs),
    })
    expect(bare(head)).toEqual(bare(undisturbed))
    expect(head.metadata.metadataLog).toHaveLength(before.metadataLog.length + 1)
  })

  test('what the table has already is no commit', async () => {
    const { head } = await newHead()
    const wide = schema({ change: 'widen', name: 'exchange_nanos', type: 'long' })
    await evolve(head, wide)
    const { metadata } = head
    expect((await evolve(head, wide)).status).toBe('already-applied')
    expect(head.metadata).toEqual(metadata)
  })

  test('a tag is dropped as a tag', async () => {
    const { head } = await newHead()
    await evolve(head, tag('eod'))
    await expect(evolve(head, { of: 'ref', drop: 'eod', type: 'branch' })).rejects.toThrow('eod is a tag')
    await evolve(head, { of: 'ref', drop: 'eod', type: 'tag' })
    expect(Object.keys(head.metadata.refs)).toEqual(['main'])
    await expect(evolve(head, { of: 'ref', drop: 'eod', type: 'tag' })).rejects.toMatchObject({
      code: 'not_found',
    })
  })
})

describe('what would break ingest, or could not be written anew, is refused with the reason', () => {
  test('a column that is there already gets no name either that queries have for another', async () => {
    const { head } = await newHead()
    await evolve(head, schema({ change: 'add', name: 'note', type: 'int' }))
    await expect(
      evolve(head, schema({ change: 'rename', name: 'note', to: 'filename' })),
    ).rejects.toMatchObject({
      code: 'invalid_input',
      message: expect.stringContaining('belongs to ticklake'),
    })
  })

  test.each<[evolution: Evolution, reason: string]>([
    [
      schema({ change: 'drop', name: 'venue' }),
      'the column venue of trades, which ingest writes, cannot be dropped',
    ],
    [schema({ change: 'widen', name: 'price', type: 'decimal(18, 9)' }), 'price is decimal(18, 8)'],
    [schema({ change: 'add', name: 'more', type: 'fixed[4]' }), 'column more cannot be fixed[4]'],
    [schema({ change: 'add', name: 'more', type: 'decimal(20, 2)' }), 'column more cannot be decimal(20, 2)'],
    [
      schema({
        change: 'add',
        name: 'more',
        type: { type: 'list', 'element-id': 1, element: 'int', 'element-required': false },
      }),
      'column more cannot be nested',
    ],
    [
      schema({ change: 'rename', name: 'venue', to: 'v' }, { change: 'add', name: 'Venue', type: 'int' }),
      'the name Venue belongs to ticklake',
    ],
    [schema({ change: 'add', name: 'source_row', type: 'int' }), 'the name source_row belongs to ticklake'],
    [
      { of: 'partition-spec', changes: [{ change: 'add', column: 'price', transform: 'identity' }] },
      'cannot write partitions by identity of price (decimal(18, 8))',
    ],
    [{ of: 'sort-order', by: [{ column: 'symbol', transform: 'bucket[4]' }] }, 'cannot sort files so'],
  ])('%j', async (evolution, reason) => {
    const { head } = await newHead()
    const { metadata } = head
    await expect(evolve(head, evolution)).rejects.toMatchObject({
      code: 'invalid_input',
      message: expect.stringContaining(reason),
    })
    expect(head.metadata).toBe(metadata)
  })

  test('columns are renamed, widened, moved and described; days stay among the specs', async () => {
    const { head } = await newHead()
    await evolve(
      head,
      schema(
        { change: 'rename', name: 'symbol', to: 'ticker' },
        { change: 'widen', name: 'price', type: 'decimal(38, 8)' },
        { change: 'move', name: 'price', position: { at: 'first' } },
        { change: 'doc', name: 'venue', doc: null },
      ),
    )
    expect(currentSchema(head.metadata).fields[0]).toMatchObject({ name: 'price', type: 'decimal(38, 8)' })
    const removed = await evolve(head, {
      of: 'partition-spec',
      changes: [{ change: 'remove', name: 'exchange_timestamp_day' }],
    })
    expect(
      removed.table.metadata.partitionSpecs.map(({ fields }) => fields.map(({ transform }) => transform)),
    ).toEqual([['day'], []])
  })
})
