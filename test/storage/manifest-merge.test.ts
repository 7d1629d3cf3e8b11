import { describe, expect, test } from 'vitest'
import { TRADES } from '#core'
import { commitAppend } from '../../src/storage/append.js'
import { decodeManifest } from '../../src/storage/iceberg/manifest.js'
import { decodeManifestList, type ManifestFile } from '../../src/storage/iceberg/manifest-list.js'
import { currentSnapshot, newTableMetadata } from '../../src/storage/iceberg/metadata.js'
import { groupsToMerge } from '../../src/storage/manifest-merge.js'
import { MemoryObjectStore } from '../../src/storage/objects/memory.js'
import { FileIndex } from '../../src/storage/prune.js'
import { commitContext } from '../support/commit-context.js'
import { tradesFile } from '../support/data-file.js'
import { ManualClock } from '../support/manual-clock.js'

const WAREHOUSE = 'memory:///w'
const COMMITS = 345

function manifest(files: number, more: Partial<ManifestFile> = {}): ManifestFile {
  return {
    path: `m${files}`,
    lengthBytes: 1000,
    partitionSpecId: 0,
    content: 'data',
    sequenceNumber: 1,
    minSequenceNumber: 1,
    addedSnapshotId: 1n,
    addedFiles: files,
    existingFiles: 0,
    deletedFiles: 0,
    addedRows: files,
    existingRows: 0,
    deletedRows: 0,
    partitions: null,
    keyMetadata: null,
    ...more,
  }
}

const sizes = (manifests: readonly ManifestFile[]) =>
  groupsToMerge(manifests).map((group) => group.map(({ addedFiles }) => addedFiles))
const times = (count: number, one: ManifestFile) => new Array<ManifestFile>(count).fill(one)

describe('which manifests are merged', () => {
  test('ten of a level are one from then on, nine are left', () => {
    expect(sizes(times(9, manifest(1)))).toEqual([])
    expect(sizes(times(10, manifest(9)))).toEqual([new Array(10).fill(9)])
    expect(sizes([...times(9, manifest(1)), ...times(9, manifest(10)), ...times(9, manifest(999))])).toEqual(
      [],
    )
  })

  test('what fills a level by being merged is merged with it at once', () => {
    const all = [...times(10, manifest(1)), ...times(9, manifest(10)), ...times(9, manifest(100))]
    expect(sizes(all).map((group) => group.reduce((sum, files) => sum + files))).toEqual([1000])
  })

  test('only those of one partition spec and one content, and none that is large', () => {
    const others = [
      ...times(5, manifest(1)),
      ...times(5, manifest(1, { partitionSpecId: 1 })),
      ...times(5, manifest(1, { content: 'deletes' })),
      ...times(10, manifest(20_000, { lengthBytes: 2 ** 23 })),
    ]
    expect(sizes(others)).toEqual([])
  })
})

test('a table of many small commits has few manifests, and every file as it was', async () => {
  const clock = new ManualClock()
  const objects = new MemoryObjectStore(clock)
  const context = commitContext(objects, WAREHOUSE, { clock })
  const { manifests } = context
  const first = newTableMetadata(TRADES, {
    location: `${WAREHOUSE}/trades`,
    uuid: 'u',
    nowMs: clock.nowMs(),
    partitionCount: 1,
  })
  let { metadata } = await context.catalog.create('trades', first)
  const expected = new Map<string, number>()
  for (let commit = 0; commit < COMMITS; commit++) {
    const path = `${WAREHOUSE}/trades/data/${commit}.parquet`
    const files = [tradesFile(path, [{ symbol: 'BHP', micros: BigInt(commit) * 3_600_000_000n }])]
    const request = { files, from: [commit], to: [commit + 1], summary: {} }
    metadata = (await commitAppend(context, 'trades', request)).table.metadata
    expected.set(path, metadata.lastSequenceNumber)
  }
  const list = decodeManifestList(await objects.read(currentSnapshot(metadata)!.manifestList), 'list')
  expect(list.length).toBeLessThanOrEqual(1 + 9 + 9 + 9)
  const found = new Map<string, number>()
  for (const one of list) {
    const bytes = await objects.read(one.path)
    const { entries } = decodeManifest(bytes, one.path)
    const live = entries.map((entry) => ({
      path: entry.file.path,
      sequence: entry.sequenceNumber ?? one.sequenceNumber,
      addedBy: entry.snapshotId,
    }))
    expect(one).toMatchObject({
      lengthBytes: bytes.length,
      addedFiles: entries.filter(({ status }) => status === 'added').length,
      existingFiles: entries.filter(({ status }) => status === 'existing').length,
      deletedFiles: 0,
      minSequenceNumber: Math.min(...live.map(({ sequence }) => sequence)),
    })
    for (const { path, sequence, addedBy } of live) {
      expect(found.has(path), `${path} is there once`).toBe(false)
      found.set(path, sequence)
      expect(metadata.snapshots.find(({ snapshotId }) => snapshotId === addedBy)?.sequenceNumber).toBe(
        sequence,
      )
    }
  }
  expect(found).toEqual(expected)

  // What was appended since any snapshot is told by the snapshots, wherever the entries are now.
  const index = new FileIndex(manifests)
  for (const since of [0, 7, 99, 100, COMMITS - 1]) {
    const { snapshotId } = metadata.snapshots[since]!
    const appended = await index.appendedSince(metadata, snapshotId)
    expect(appended.map(({ path }) => path)).toEqual([...expected.keys()].slice(since + 1))
  }
})
