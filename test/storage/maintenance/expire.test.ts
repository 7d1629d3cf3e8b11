import { expect, test } from 'vitest'
import { TicklakeError } from '#core'
import { expireSnapshots } from '../../../src/storage/maintenance/expire.js'
import { removeOrphans } from '../../../src/storage/maintenance/orphans.js'
import { MemoryObjectStore } from '../../../src/storage/objects/memory.js'
import { commitContext } from '../../support/commit-context.js'
import { ManualClock } from '../../support/manual-clock.js'
import { emptyFlush, tradesHead } from '../../support/trades-head.js'

const HOUR_MS = 3_600_000
const RUN = { signal: new AbortController().signal, progress: () => {} }
const ALL_BUT_ONE = { maxAgeMs: 1, minToKeep: 1, maxCount: 1 }
const LOCATION = 'memory:///w/trades'

/** Something happens while the next metadata file is written; what it throws, the write throws, without effect. */
class WatchedStore extends MemoryObjectStore {
  onCommit: () => void = () => {}

  override async create(location: string, bytes: Uint8Array): Promise<void> {
    if (location.endsWith('.metadata.json')) this.onCommit()
    return super.create(location, bytes)
  }
}

/** A table of three snapshots, of which a policy would keep one. */
async function threeSnapshots() {
  const clock = new ManualClock(1_400_000_000_000)
  const objects = new WatchedStore(clock)
  const head = await tradesHead(commitContext(objects, 'memory:///w', { clock }), 'memory:///w')
  for (const from of [0, 1, 2]) {
    await head.commit(emptyFlush(head, from))
    clock.advance(1000)
  }
  const [oldest] = head.metadata.snapshots
  const exists = async () =>
    (await objects.list(LOCATION)).some(({ location }) => location === oldest!.manifestList)
  return { head, objects, clock, oldest: oldest!, exists }
}

test('what somebody takes hold of while it expires keeps its files, and nobody waits for it [inv 4]', async () => {
  const { head, objects, clock, oldest, exists } = await threeSnapshots()
  let release = () => {}
  objects.onCommit = () => {
    release = head.hold(oldest.snapshotId)
  }
  const report = await expireSnapshots(head, ALL_BUT_ONE, RUN)
  expect(report).toEqual({ snapshots: 2, refs: 0, files: 0, held: 2, kept: 1, policy: ALL_BUT_ONE })
  expect(head.metadata.snapshots).toHaveLength(1)
  clock.advance(2 * HOUR_MS)
  const orphans = { olderThanMs: HOUR_MS, dryRun: false }
  await removeOrphans(head, orphans, RUN)
  expect(await exists(), 'however old its files are').toBe(true)
  release()
  await removeOrphans(head, orphans, RUN)
  expect(await exists()).toBe(false)
})

test('an expiry that was not committed removes no file, though there is nothing to expire any more [inv 4]', async () => {
  const { head, objects, oldest, exists } = await threeSnapshots()
  let release = () => {}
  objects.onCommit = () => {
    release = head.hold(oldest.snapshotId)
    throw new TicklakeError('unavailable', 'injected: no room for the file')
  }
  const report = expireSnapshots(head, ALL_BUT_ONE, RUN)
  // What waits for a reader need not wait.
  await new Promise((resolve) => setImmediate(resolve))
  release()
  expect(await report).toEqual({ snapshots: 0, refs: 0, files: 0, held: 0, kept: 3, policy: ALL_BUT_ONE })
  expect(head.metadata.snapshots).toHaveLength(3)
  expect(await exists()).toBe(true)
})

test('an expiry that was committed, and whose answer was lost, removes the files', async () => {
  const { head, objects, exists } = await threeSnapshots()
  const { create } = objects
  objects.create = async (location, bytes) => {
    await create.call(objects, location, bytes)
    if (location.endsWith('.metadata.json')) throw new TicklakeError('unavailable', 'injected after a create')
  }
  expect(await expireSnapshots(head, ALL_BUT_ONE, RUN)).toMatchObject({ snapshots: 2, held: 0 })
  expect(await exists()).toBe(false)
})
