import { describe, expect, test } from 'vitest'
import { type OffsetVector, parseVector, TicklakeError, TRADES } from '#core'
import { commitAppend } from '../../src/storage/append.js'
import { FileCatalog } from '../../src/storage/catalog/file-catalog.js'
import type { CommitContext } from '../../src/storage/commit.js'
import { decodeManifest } from '../../src/storage/iceberg/manifest.js'
import { decodeManifestList } from '../../src/storage/iceberg/manifest-list.js'
import {
  addSnapshot,
  currentSnapshot,
  newTableMetadata,
  type TableMetadata,
} from '../../src/storage/iceberg/metadata.js'
import { Manifests } from '../../src/storage/manifests.js'
import { MemoryObjectStore } from '../../src/storage/objects/memory.js'
import type { ObjectStore } from '../../src/storage/objects/object-store.js'
import { currentOffsets } from '../../src/storage/position.js'
import { FileIndex } from '../../src/storage/prune.js'
import { commitContext } from '../support/commit-context.js'
import { tradesFile } from '../support/data-file.js'
import { type Fault, FaultyObjectStore } from '../support/faulty-object-store.js'
import { ManualClock } from '../support/manual-clock.js'
import { SeededRandom } from '../support/seeded-random.js'

const WAREHOUSE = 'memory:///w'
const clock = new ManualClock()
const random = new SeededRandom(1)

const contextOver = (objects: ObjectStore, fence = 1) =>
  commitContext(objects, WAREHOUSE, { clock, random, fence })

async function newTable() {
  const objects = new MemoryObjectStore(clock)
  const context = contextOver(objects)
  const location = `${WAREHOUSE}/trades`
  const first = newTableMetadata(TRADES, { location, uuid: 'u-1', nowMs: clock.nowMs(), partitionCount: 2 })
  await context.catalog.create('trades', first)
  return { objects, context }
}

/** Rows of the log from one vector to another, as one file named for them. */
function batch(from: OffsetVector, to: OffsetVector, files = 1) {
  const name = (i: number) => `${WAREHOUSE}/trades/data/${from.join('-')}_${to.join('-')}_${i}.parquet`
  const rows = [{ symbol: 'BHP', micros: 86_400_000_000n * BigInt(to[0]!) }]
  return { files: Array.from({ length: files }, (_, i) => tradesFile(name(i), rows)), from, to, summary: {} }
}

async function paths(objects: ObjectStore, metadata: TableMetadata): Promise<readonly string[]> {
  const { files, filesTotal } = await new FileIndex(new Manifests(objects)).selectFiles(
    metadata,
    metadata.currentSnapshotId,
    [],
  )
  expect(filesTotal).toBe(files.length)
  return files.map(({ path }) => path).sort()
}

const pathsOf = (...batches: ReturnType<typeof batch>[]) =>
  batches.flatMap(({ files }) => files.map(({ path }) => path)).sort()

/** Fails the first so many writes of names that match. */
function failing(inner: ObjectStore, pattern: RegExp, fault: Fault, times = 1): ObjectStore {
  let left = times
  return new FaultyObjectStore(inner, (_, location) =>
    pattern.test(location) && left-- > 0 ? fault : 'none',
  )
}

describe('a commit', () => {
  test('adds the files and moves the vector in one step', async () => {
    const { objects, context } = await newTable()
    const request = { ...batch([0, 0], [5, 0], 2), summary: { 'ticklake.watermarks': '{"ASX":"7"}' } }
    const { status, table } = await commitAppend(context, 'trades', request)
    expect(status).toBe('committed')
    expect(await paths(objects, table.metadata)).toEqual(pathsOf(request))
    expect(currentOffsets(table.metadata)).toEqual([5, 0])
    const { summary, snapshotId, sequenceNumber } = currentSnapshot(table.metadata)!
    expect(summary).toMatchObject({
      operation: 'append',
      'total-data-files': '2',
      'ticklake.offsets': '{"0":5,"1":0}',
      'ticklake.fence': '1',
      'ticklake.watermarks': '{"ASX":"7"}',
    })
    expect(summary['ticklake.commit-id']).toMatch(/^[0-9a-f]{32}$/)
    expect((await context.catalog.load('trades')).metadata).toEqual(table.metadata)

    const [manifest, ...others] = decodeManifestList(
      await objects.read(currentSnapshot(table.metadata)!.manifestList),
      'list',
    )
    expect(others).toEqual([])
    const bytes = await objects.read(manifest!.path)
    expect(manifest).toMatchObject({
      sequenceNumber,
      minSequenceNumber: sequenceNumber,
      addedSnapshotId: snapshotId,
    })
    expect(manifest).toMatchObject({
      lengthBytes: bytes.length,
      addedFiles: 2,
      addedRows: 2,
      existingFiles: 0,
      deletedFiles: 0,
    })
    const entries = decodeManifest(bytes, manifest!.path).entries
    expect(entries).toMatchObject([1, 2].map(() => ({ status: 'added', snapshotId, sequenceNumber: null })))
  })

  test('without rows moves the vector all the same', async () => {
    const { objects, context } = await newTable()
    const first = batch([0, 0], [5, 0])
    await commitAppend(context, 'trades', { ...first, summary: { 'ticklake.watermarks': 'w' } })
    const { status, table } = await commitAppend(context, 'trades', { ...batch([5, 0], [6, 0], 0) })
    expect(status).toBe('committed')
    expect(currentOffsets(table.metadata)).toEqual([6, 0])
    expect(currentSnapshot(table.metadata)!.summary).toMatchObject({
      operation: 'append',
      'added-data-files': '0',
    })
    expect(currentSnapshot(table.metadata)!.summary['ticklake.watermarks']).toBe('w')
    expect(await paths(objects, table.metadata)).toEqual(pathsOf(first))
  })

  test('of what the table has already is a replay: refused, not duplicated', async () => {
    const { objects, context } = await newTable()
    const [a, b] = [batch([0, 0], [5, 0]), batch([5, 0], [9, 2])]
    await commitAppend(context, 'trades', a)
    await commitAppend(context, 'trades', b)
    for (const replay of [a, b, batch([0, 0], [9, 1])]) {
      const { status, table } = await commitAppend(context, 'trades', replay)
      expect(status).toBe('already-applied')
      expect(await paths(objects, table.metadata)).toEqual(pathsOf(a, b))
    }
  })

  test.each([
    ['overlaps in part', [3, 0], [8, 0]],
    ['leaves a gap', [6, 0], [8, 0]],
    ['is ahead in one partition and behind in the other', [0, 3], [4, 9]],
    ['has another partition count', [5], [8]],
  ])('that %s is a conflict and changes nothing', async (_, from, to) => {
    const { context } = await newTable()
    const { table } = await commitAppend(context, 'trades', batch([0, 0], [5, 0]))
    await expect(commitAppend(context, 'trades', batch(from, to))).rejects.toMatchObject({ code: 'conflict' })
    expect((await context.catalog.load('trades')).metadata).toEqual(table.metadata)
  })

  test('of an earlier owner of the warehouse is refused', async () => {
    const { objects, context } = await newTable()
    await commitAppend(contextOver(objects, 2), 'trades', batch([0, 0], [5, 0]))
    await expect(commitAppend(context, 'trades', batch([5, 0], [6, 0]))).rejects.toMatchObject({
      code: 'locked',
    })
    await commitAppend(contextOver(objects, 2), 'trades', batch([5, 0], [6, 0]))
  })

  test('drops manifests of the parent that hold no live file', async () => {
    const { objects, context } = await newTable()
    const { table } = await commitAppend(context, 'trades', batch([0, 0], [5, 0], 0))
    const again = await commitAppend(context, 'trades', batch([5, 0], [6, 0]))
    const list = currentSnapshot(again.table.metadata)!.manifestList
    expect(decodeManifestList(await objects.read(list), list)).toHaveLength(1)
    expect(table.metadata.snapshots).toHaveLength(1)
  })
})

describe('a race', () => {
  test('of two for the same rows is won by one; the other learns that they are there', async () => {
    const { objects } = await newTable()
    const request = batch([0, 0], [5, 0])
    const outcomes = await Promise.all(
      [1, 1].map(() => commitAppend(contextOver(objects), 'trades', request)),
    )
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['already-applied', 'committed'])
    const { metadata } = await contextOver(objects).catalog.load('trades')
    expect(await paths(objects, metadata)).toEqual(pathsOf(request))
  })

  test('with a foreign append is rebased on it, with the manifest written once', async () => {
    const { objects, context } = await newTable()
    const foreign = contextOver(objects).catalog
    const foreignId = 2n ** 62n + 1n
    let raced = false
    const racing: CommitContext = {
      ...context,
      catalog: {
        load: (table) => context.catalog.load(table),
        create: (table, metadata) => context.catalog.create(table, metadata),
        commit: async (table, base, next) => {
          if (!raced) {
            raced = true
            const parent = base.metadata.snapshots.at(-1)!
            const foreignNext = addSnapshot(base.metadata, {
              snapshotId: foreignId,
              nowMs: clock.nowMs(),
              // A foreign writer that adds nothing: it may name the same list.
              manifestList: parent.manifestList,
              operation: 'append',
              added: [],
              removed: [],
              summary: {},
              properties: {},
            })
            await foreign.commit(table, base, foreignNext)
          }
          return context.catalog.commit(table, base, next)
        },
      },
    }
    const [a, b] = [batch([0, 0], [5, 0]), batch([5, 0], [7, 1])]
    await commitAppend(context, 'trades', a)
    const { status, table } = await commitAppend(racing, 'trades', b)
    expect(status).toBe('committed')
    expect(currentSnapshot(table.metadata)).toMatchObject({ parentSnapshotId: foreignId, sequenceNumber: 3 })
    expect(await paths(objects, table.metadata)).toEqual(pathsOf(a, b))
    const names = (await objects.list(WAREHOUSE)).map(({ location }) => location)
    expect(names.filter((name) => name.endsWith('-m0.avro'))).toHaveLength(2)
    expect(names.filter((name) => name.includes('/snap-'))).toHaveLength(3)
  })
})

describe('an unknown outcome', () => {
  test.each([
    ['the new metadata is there', /v2\.metadata\.json$/, 'after', 1],
    ['the new metadata is not there', /v2\.metadata\.json$/, 'before', 1],
    ['only the hint failed', /version-hint/, 'before', 1],
    ['it happens three times', /v2\.metadata\.json$/, 'before', 3],
  ] as const)('is settled by reading back: %s', async (_, pattern, fault, times) => {
    const { objects } = await newTable()
    const request = batch([0, 0], [5, 0])
    const { status, table } = await commitAppend(
      contextOver(failing(objects, pattern, fault, times)),
      'trades',
      request,
    )
    expect(status).toBe('committed')
    expect(await paths(objects, table.metadata)).toEqual(pathsOf(request))
    expect(table.metadata.snapshots).toHaveLength(1)
  })

  test('that stays a failure ends with an error, after which the same call succeeds', async () => {
    const { objects } = await newTable()
    const request = batch([0, 0], [5, 0])
    const broken = contextOver(failing(objects, /v2\.metadata\.json$/, 'before', 4))
    await expect(commitAppend(broken, 'trades', request)).rejects.toMatchObject({ code: 'unavailable' })
    expect(await commitAppend(broken, 'trades', request)).toMatchObject({ status: 'committed' })
  })

  test('is found in the ancestry when others have committed since', async () => {
    const { objects, context } = await newTable()
    const late = failing(objects, /v2\.metadata\.json$/, 'after')
    const catalog = new FileCatalog(late, WAREHOUSE)
    const racing: CommitContext = {
      ...context,
      catalog: {
        load: (table) => catalog.load(table),
        create: (table, metadata) => catalog.create(table, metadata),
        commit: async (table, base, next) => {
          try {
            return await catalog.commit(table, base, next)
          } finally {
            await commitAppend(context, 'trades', batch([5, 0], [6, 0]))
          }
        },
      },
    }
    const { status, table } = await commitAppend(racing, 'trades', batch([0, 0], [5, 0]))
    expect(status).toBe('committed')
    expect(currentOffsets(table.metadata)).toEqual([6, 0])
  })
})

/** Commits batch after batch with faults at every kind of write, restarting from the table after each error. */
async function simulate(seed: number): Promise<void> {
  const seeded = new SeededRandom(seed)
  const { objects } = await newTable()
  const faulty = new FaultyObjectStore(objects, () =>
    seeded.oneIn(6) ? seeded.pick(['before', 'after'] as const) : 'none',
  )
  const committed: string[] = []
  const writer = async () => {
    for (let round = 0; round < 25; round++) {
      const context = { ...contextOver(faulty), random: seeded }
      const from = currentOffsets((await context.catalog.load('trades')).metadata)
      const to = from.map((offset) => offset + seeded.below(3))
      const request = batch(from, to, seeded.below(3))
      try {
        const { status } = await commitAppend(context, 'trades', request)
        if (status === 'committed') committed.push(to.join('-'))
      } catch (error) {
        // What the two writers may meet; anything else is a bug.
        expect(error).toBeInstanceOf(TicklakeError)
        expect(['conflict', 'unavailable']).toContain((error as TicklakeError).code)
      }
    }
  }
  await Promise.all([writer(), writer()])

  const { metadata } = await contextOver(objects).catalog.load('trades')
  const chain = metadata.snapshots.map((snapshot) =>
    parseVector(snapshot.summary['ticklake.offsets']!).join('-'),
  )
  // Each snapshot begins where the one before it ended: no row is missing and none is there twice.
  const expected = chain.flatMap((to, i) => {
    const prefix = `/${i === 0 ? '0-0' : chain[i - 1]}_${to}_`
    const added = Number(metadata.snapshots[i]!.summary['added-data-files'])
    return Array.from({ length: added }, (_, file) => `${WAREHOUSE}/trades/data${prefix}${file}.parquet`)
  })
  expect(await paths(objects, metadata)).toEqual(expected.sort())
  expect(new Set(expected).size).toBe(expected.length)
  expect(new Set(chain).size).toBe(chain.length)
  expect(chain).toEqual(expect.arrayContaining(committed))
  expect(chain.length).toBeGreaterThan(5)
  expect(metadata.snapshots.at(-1)!.summary['total-data-files']).toBe(String(expected.length))
}

describe('rows arrive exactly once whatever fails', () => {
  test.each(Array.from({ length: 40 }, (_, i) => i + 1))('seed %i', async (seed) => {
    await simulate(seed)
  })
})

describe('the position of a table', () => {
  test('is that of its property before the first snapshot', async () => {
    const { context } = await newTable()
    expect(currentOffsets((await context.catalog.load('trades')).metadata)).toEqual([0, 0])
  })

  test('does not survive a rollback unnoticed, in whole or to nothing', async () => {
    const { context } = await newTable()
    await commitAppend(context, 'trades', batch([0, 0], [5, 0]))
    const { table } = await commitAppend(context, 'trades', batch([5, 0], [6, 0]))
    const [first, second] = table.metadata.snapshots
    const back = { ...table.metadata, currentSnapshotId: first!.snapshotId }
    expect(() => currentOffsets(back)).toThrow(
      `a rollback has happened. To undo it, set main to snapshot ${second!.snapshotId}`,
    )
    expect(() => currentOffsets({ ...table.metadata, currentSnapshotId: null })).toThrow(
      'a rollback has happened',
    )
    const accepted = { ...back, properties: { ...back.properties, 'ticklake.offsets': '{"0":5,"1":0}' } }
    expect(currentOffsets(accepted)).toEqual([5, 0])
  })

  test('that is no position is corrupt', async () => {
    const { context } = await newTable()
    const { metadata } = await context.catalog.load('trades')
    for (const text of ['{', '[]', '{"1":0}']) {
      const damaged = { ...metadata, properties: { 'ticklake.offsets': text } }
      expect(() => currentOffsets(damaged)).toThrow(`ticklake.offsets is ${text}, which is no position`)
    }
    expect(() => currentOffsets({ ...metadata, properties: {} })).toThrow('is not filled from a log')
  })
})
