import { describe, expect, test } from 'vitest'
import { FileCatalog } from '../../../src/storage/catalog/file-catalog.js'
import { MemoryObjectStore } from '../../../src/storage/objects/memory.js'
import { catalogContract, firstMetadata, withSnapshot } from '../../contract/catalog.js'
import { FaultyObjectStore } from '../../support/faulty-object-store.js'
import { ManualClock } from '../../support/manual-clock.js'

const WAREHOUSE = 'memory:///w'
const HINT = `${WAREHOUSE}/trades/metadata/version-hint.text`

function open() {
  const objects = new MemoryObjectStore(new ManualClock())
  const catalog = () => new FileCatalog(objects, WAREHOUSE)
  return { objects, catalog, tableLocation: `${WAREHOUSE}/trades` }
}

async function withCommits(count: number) {
  const { objects, catalog, tableLocation } = open()
  const writer = catalog()
  let table = await writer.create('trades', firstMetadata(tableLocation))
  const first = table
  for (let id = 1; id <= count; id++)
    table = await writer.commit('trades', table, withSnapshot(table.metadata, BigInt(id)))
  const names = async () =>
    (await objects.list(`${tableLocation}/metadata`)).map(({ location }) => location.split('/').at(-1))
  return { objects, catalog, writer, first, table, names }
}

catalogContract('FileCatalog', async () => {
  const { catalog, tableLocation } = open()
  return { one: catalog(), other: catalog(), tableLocation }
})

describe('the folder of a table', () => {
  test('holds vN.metadata.json and the bare number of the newest', async () => {
    const { objects, names } = await withCommits(2)
    expect((await names()).sort()).toEqual([
      'v1.metadata.json',
      'v2.metadata.json',
      'v3.metadata.json',
      'version-hint.text',
    ])
    expect(Buffer.from(await objects.read(HINT)).toString()).toBe('3')
  })

  test.each([
    ['behind', (objects: MemoryObjectStore) => objects.replace(HINT, Buffer.from('2'))],
    ['lost', (objects: MemoryObjectStore) => objects.remove(HINT)],
    ['damaged', (objects: MemoryObjectStore) => objects.replace(HINT, Buffer.from('one\n'))],
    ['ahead', (objects: MemoryObjectStore) => objects.replace(HINT, Buffer.from('99'))],
  ])('is read right when the hint is %s', async (_, damage) => {
    const { objects, catalog, table } = await withCommits(11)
    await damage(objects)
    const reader = catalog()
    expect((await reader.load('trades')).metadata).toEqual(table.metadata)
    const next = await reader.commit(
      'trades',
      await reader.load('trades'),
      withSnapshot(table.metadata, 500n),
    )
    expect((await catalog().load('trades')).metadata).toEqual(next.metadata)
    expect(Buffer.from(await objects.read(HINT)).toString()).toBe('13')
  })

  test('keeps the last hundred metadata files, and none that are older', async () => {
    const { names, table, catalog } = await withCommits(130)
    const files = (await names()).filter((name) => name!.endsWith('.metadata.json'))
    expect(files).toHaveLength(101)
    expect(files).toContain('v31.metadata.json')
    expect(files).not.toContain('v30.metadata.json')
    expect((await catalog().load('trades')).metadata).toEqual(table.metadata)
  })

  test('has an old metadata file that cannot be removed told by the next commit, and goes on', async () => {
    const objects = new MemoryObjectStore(new ManualClock())
    const isOld = (location: string) => location.endsWith('/v1.metadata.json')
    const faulty = new FaultyObjectStore(objects, (operation, location) =>
      operation === 'remove' && isOld(location) ? 'before' : 'none',
    )
    const catalog = new FileCatalog(faulty, WAREHOUSE)
    let table = await catalog.create('trades', firstMetadata(`${WAREHOUSE}/trades`))
    const commit = async (id: bigint) => {
      table = await catalog.commit('trades', table, withSnapshot(table.metadata, id))
    }
    for (let id = 1n; id <= 101n; id++) await commit(id)
    await expect(commit(102n)).rejects.toThrow('injected before remove')
    await commit(102n)
    await commit(103n)
    expect((await new FileCatalog(objects, WAREHOUSE).load('trades')).metadata).toEqual(table.metadata)
  })

  test('takes no commit on a base whose next name has become free again', async () => {
    const { writer, first, table } = await withCommits(130)
    const late = withSnapshot(first.metadata, 999n)
    await expect(writer.commit('trades', first, late)).rejects.toMatchObject({ code: 'conflict' })
    expect((await writer.load('trades')).metadata).toEqual(table.metadata)
  })

  test('that was moved is refused, with both places', async () => {
    const { objects, names } = await withCommits(1)
    for (const name of await names()) {
      const bytes = await objects.read(`${WAREHOUSE}/trades/metadata/${name}`)
      await objects.create(`memory:///elsewhere/trades/metadata/${name}`, bytes)
    }
    const moved = new FileCatalog(objects, 'memory:///elsewhere')
    await expect(moved.load('trades')).rejects.toThrow(
      'table trades was written at memory:///w/trades and has been moved to memory:///elsewhere/trades',
    )
  })
})
