import { expect, test } from 'vitest'
import { Append, commitAppend } from '../../../src/storage/append.js'
import { removeOrphans } from '../../../src/storage/maintenance/orphans.js'
import { Manifests } from '../../../src/storage/manifests.js'
import { MemoryObjectStore } from '../../../src/storage/objects/memory.js'
import { commitContext } from '../../support/commit-context.js'
import { tradesFile } from '../../support/data-file.js'
import { ManualClock } from '../../support/manual-clock.js'
import { tradesHead } from '../../support/trades-head.js'

const HOUR_MS = 3_600_000
const RUN = { signal: new AbortController().signal, progress: () => {} }
const LOCATION = 'memory:///w/trades'

/** Something happens before a file is read. */
class WatchedStore extends MemoryObjectStore {
  onRead: (location: string) => Promise<void> = async () => {}

  override async read(location: string): Promise<Uint8Array> {
    await this.onRead(location)
    return super.read(location)
  }
}

async function newTable() {
  const clock = new ManualClock()
  const objects = new WatchedStore(clock)
  const context = commitContext(objects, 'memory:///w', { clock })
  const head = await tradesHead(context, 'memory:///w')
  const put = (path: string) => objects.create(`${LOCATION}/${path}`, Buffer.from('x'))
  const find = async (dryRun = false) => {
    clock.advance(2 * HOUR_MS)
    return (await removeOrphans(head, { olderThanMs: HOUR_MS, dryRun }, RUN)).files
  }
  return { head, objects, put, find, context }
}

test('files that belong to no snapshot are found, and removed when that is asked for', async () => {
  const { head, objects, put, find, context } = await newTable()
  for (const path of ['data/live.parquet', 'data/lost.parquet', 'metadata/lost-m0.avro', 'elsewhere/x']) {
    await put(path)
  }
  const files = [tradesFile(`${LOCATION}/data/live.parquet`, [{ symbol: 'BHP', micros: 0n }])]
  await head.commit(new Append(context, { files, from: [0], to: [1], summary: {} }))
  const lost = [`${LOCATION}/data/lost.parquet`, `${LOCATION}/metadata/lost-m0.avro`]
  expect(await find(true)).toEqual(lost)
  expect(await find()).toEqual(lost)
  expect(await find()).toEqual([])
  expect((await objects.list(LOCATION)).map(({ location }) => location)).toContain(
    `${LOCATION}/data/live.parquet`,
  )
})

test('what somebody is still at work on is no orphan, however old it is [inv 4]', async () => {
  const { head, put, find } = await newTable()
  const names = head.claimNames()
  const [flushed, compacted] = [names.next(), names.next()]
  const paths = [
    `data/day=1/${flushed}.parquet`,
    `data/${compacted}-3.parquet`,
    `metadata/ledger-${flushed}.json.gz`,
  ]
  for (const path of paths) await put(path)
  expect(await find()).toEqual([])
  names.release()
  expect([...(await find())].sort()).toEqual(paths.map((path) => `${LOCATION}/${path}`).sort())
})

test('what is committed and let go while orphans are looked for is none [inv 4]', async () => {
  const { head, objects, put, find, context } = await newTable()
  await head.commit(new Append(context, { files: [], from: [0], to: [1], summary: {} }))
  const names = head.claimNames()
  const path = `${LOCATION}/data/${names.next()}.parquet`
  await put(path.slice(LOCATION.length + 1))
  // Nothing is in memory, so that the list of the newest snapshot is read: that takes its time.
  const manifests = new Manifests(objects)
  const { manifestList } = head.metadata.snapshots[0]!
  let isRead = false
  objects.onRead = async (location) => {
    if (location !== manifestList || isRead) return
    isRead = true
    const files = [tradesFile(path, [{ symbol: 'BHP', micros: 0n }])]
    await commitAppend(elsewhere, 'trades', { files, from: [1], to: [2], summary: {} })
    names.release()
  }
  const elsewhere = { ...context, manifests: new Manifests(objects) }
  Object.assign(context, { manifests })
  expect(await find()).toEqual([])
  expect((await objects.list(LOCATION)).map(({ location }) => location)).toContain(path)
})

test('files that are young may be of a commit in flight', async () => {
  const { head, put } = await newTable()
  await put('data/new.parquet')
  const options = { olderThanMs: HOUR_MS, dryRun: false }
  expect((await removeOrphans(head, options, RUN)).files).toEqual([])
  await expect(removeOrphans(head, { ...options, olderThanMs: 5 }, RUN)).rejects.toMatchObject({
    detail: { field: 'older_than_ms', value: '5' },
  })
})

test('they are found while others commit, and nothing is removed by a listing that lacks what was there before', async () => {
  const { head, objects, put, find, context } = await newTable()
  await put('data/lost.parquet')
  const list = objects.list.bind(objects)
  const lost = [`${LOCATION}/data/lost.parquet`]
  objects.list = async (folder) => (await list(folder)).filter(({ location }) => !/v1\.meta/.test(location))
  await expect(find()).rejects.toMatchObject({ code: 'conflict' })
  expect((await list(LOCATION)).map(({ location }) => location)).toEqual(expect.arrayContaining(lost))
  objects.list = async (folder) => {
    const listed = await list(folder)
    await head.commit(new Append(context, { files: [], from: [0], to: [1], summary: {} }))
    return listed
  }
  expect(await find()).toEqual(lost)
})
