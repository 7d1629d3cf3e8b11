import { expect, test } from 'vitest'
import { withoutSnapshots } from '../../src/storage/iceberg/expiry.js'
import { MemoryObjectStore } from '../../src/storage/objects/memory.js'
import { currentOffsets } from '../../src/storage/position.js'
import type { TableHead } from '../../src/storage/table-head.js'
import { commitContext } from '../support/commit-context.js'
import { ManualClock } from '../support/manual-clock.js'
import { emptyFlush, tradesHead } from '../support/trades-head.js'

const clock = new ManualClock()

function newHead(): Promise<TableHead> {
  const objects = new MemoryObjectStore(clock)
  return tradesHead(commitContext(objects, 'memory:///w', { clock }), 'memory:///w')
}

test('changes are made one after the other, and each is told in the turn in which it is seen', async () => {
  const head = await newHead()
  const told: number[] = []
  head.onChange((metadata) => {
    expect(head.metadata).toBe(metadata)
    told.push(currentOffsets(metadata)[0]!)
  })
  await Promise.all([0, 1, 2].map((from) => head.commit(emptyFlush(head, from))))
  expect(told).toEqual([1, 2, 3])
})

test('a change that fails is not told, and the next one is made', async () => {
  const head = await newHead()
  let told = 0
  head.onChange(() => told++)
  const failing = head.commit(emptyFlush(head, 7))
  const next = head.commit(emptyFlush(head, 0))
  await expect(failing).rejects.toMatchObject({ code: 'conflict' })
  await next
  expect(told).toBe(1)
})

test('a snapshot is held, with what follows it, until everybody who holds it has let go', async () => {
  const head = await newHead()
  expect(head.heldFrom).toBe(Number.POSITIVE_INFINITY)
  for (const from of [0, 1]) await head.commit(emptyFlush(head, from))
  const [first, second] = head.metadata.snapshots
  const releases = [first, first, second].map((snapshot) => head.hold(snapshot!.snapshotId))
  expect(head.heldFrom).toBe(1)
  releases[0]!()
  releases[0]!()
  expect(head.heldFrom).toBe(1)
  releases[1]!()
  expect(head.heldFrom).toBe(2)
  head.hold(12_345n)
  expect(head.heldFrom, 'one that has expired').toBe(2)
  releases[2]!()
  expect(head.heldFrom).toBe(Number.POSITIVE_INFINITY)
  head.hold(null)
  expect(head.heldFrom, 'before the first').toBe(0)
})

test('a snapshot that leaves the table while it is held lingers until it has been let go', async () => {
  const head = await newHead()
  for (const from of [0, 1, 2]) await head.commit(emptyFlush(head, from))
  const [first, second] = head.metadata.snapshots
  const release = head.hold(second!.snapshotId)
  let isDone = false
  await head.commit({
    id: () => 'removal',
    isApplied: () => isDone,
    apply: async (base) => {
      isDone = true
      return withoutSnapshots(base, new Set([first!.snapshotId, second!.snapshotId]))
    },
  })
  expect(head.lingering).toEqual([second])
  await head.commit(emptyFlush(head, 3))
  expect(head.lingering).toEqual([second])
  release()
  expect(head.lingering).toEqual([])
})
