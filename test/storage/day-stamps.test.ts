import { describe, expect, test } from 'vitest'
import { TRADES } from '#core'
import type { DataFile } from '#storage'
import { overwrittenDays } from '../../src/storage/file-days.js'
import type { ForeignFields } from '../../src/storage/iceberg/manifest.js'
import { snapshotById } from '../../src/storage/iceberg/metadata.js'
import { NAME_MAPPING_KEY } from '../../src/storage/iceberg/name-mapping.js'
import { overwrittenAt, overwrittenBy } from '../../src/storage/iceberg/overwritten.js'
import type { Snapshot } from '../../src/storage/iceberg/snapshot.js'
import { rewriteManifests } from '../../src/storage/maintenance/rewrite-manifests.js'
import { type ForeignEntry, fileOf, StampedTable } from '../support/stamped-table.js'
import { setMain } from '../support/table-metadata.js'

const [A, B] = [19_000, 19_001]

/** A file that the table has, as another engine lists it. */
const kept = (file: DataFile, sequenceNumber: number): ForeignEntry => ({
  file,
  status: 'existing',
  sequenceNumber,
  fileSequenceNumber: sequenceNumber,
})

const DELETES: ForeignFields = {
  content: 'equality-deletes',
  format: 'PARQUET',
  nanValueCounts: new Map(),
  keyMetadata: null,
  equalityIds: [1],
  referencedDataFile: null,
}

/** One file of each day, by the first two snapshots. */
async function twoDays() {
  const table = await StampedTable.make()
  const [a, b] = [fileOf('a', A), fileOf('b', B)]
  await table.append(a)
  await table.append(b)
  return { table, a, b }
}

describe('the stamp of a day', () => {
  test('is the number of the newest snapshot that has brought rows of it', async () => {
    const { table } = await twoDays()
    expect(await table.stamps(A, B)).toEqual(['1', '2', null])
    await table.append(fileOf('late', A))
    expect(await table.stamps(A, B)).toEqual(['3', '2', null])
    await table.append(fileOf('between', A - 1, A))
    expect(await table.stamps(A - 1, A, B)).toEqual(['4', '4', '2', null])
  })

  test('stays when files and manifests are written anew [inv 7]', async () => {
    const { table, a } = await twoDays()
    const late = fileOf('late', A)
    await table.append(late)
    const stamps = await table.stamps(A, B)
    await table.rewrite({ operation: 'replace', removed: [a, late] }, [fileOf('merged', A, A)])
    expect(await table.stamps(A, B)).toEqual(stamps)
    await rewriteManifests(table.head)
    expect(await table.stamps(A, B)).toEqual(stamps)
  })

  test('changes when rows of the day are taken away, though no file is left to tell of it [inv 7]', async () => {
    const { table, a } = await twoDays()
    await table.append(fileOf('more', A))
    await table.rewrite({ operation: 'delete', removed: [a], overwritten: new Set([A]) }, [])
    expect(await table.stamps(A, B)).toEqual(['4', '2', null])
    await table.append(fileOf('next', B))
    expect(await table.stamps(A, B)).toEqual(['4', '5', null])
  })

  test('is that of every day when it is not known which days lose rows', async () => {
    const { table, a } = await twoDays()
    await table.rewrite({ operation: 'overwrite', removed: [a] }, [fileOf('other', A)])
    expect(await table.stamps(A, B)).toEqual(['3', '3', null])
  })

  test('reaches the days of files that do not say what times they have', async () => {
    const { table } = await twoDays()
    const { lowerBounds: _, ...unknown } = fileOf('unknown', A)
    await table.append({ ...unknown, lowerBounds: new Map() })
    expect(await table.stamps(A, B)).toEqual(['3', '3', '3'])
    await table.append(fileOf('timeless', B, null))
    expect(await table.stamps(A, B, B + 1)).toEqual(['4', '4', null, '4'])
  })

  test('is of history: taken back, main has the stamp that it had, and goes on with new ones [inv 7]', async () => {
    const { table, a } = await twoDays()
    const before = table.snapshot.snapshotId
    await table.foreign('overwrite', { file: fileOf('theirs', A) }, kept(fileOf('b', B), 2))
    const theirs = table.snapshot.snapshotId
    expect(await table.stamps(A, B)).toEqual(['3', '2', null])
    await table.commit(setMain(before))
    expect(await table.stamps(A, B)).toEqual(['1', '2', null])
    await table.rewrite({ operation: 'overwrite', removed: [a], overwritten: new Set() }, [fileOf('ours', A)])
    expect(await table.stamps(A, B)).toEqual(['4', '2', null])
    expect((await table.allStamps(theirs)).days.get(A)).toBe('3')
  })

  test('does not hang on snapshots that have been let go [inv 7]', async () => {
    const { table, b } = await twoDays()
    const more = fileOf('more', A)
    await table.append(more)
    await table.foreign('delete', kept(more, 3), kept(b, 2))
    await table.append(fileOf('next', B))
    const stamps = await table.stamps(A, B)
    expect(stamps).toEqual(['4', '5', null])
    const old = table.head.metadata.snapshots.slice(0, -1).map(({ snapshotId }) => snapshotId)
    await table.commit({ action: 'remove-snapshots', 'snapshot-ids': old })
    expect(table.head.metadata.snapshots).toHaveLength(1)
    expect(await table.stamps(A, B)).toEqual(stamps)
  })

  test('changes when the columns of files without field ids do', async () => {
    const { table } = await twoDays()
    const stamps = await table.stamps(A)
    const mapping = JSON.stringify([{ 'field-id': 1, names: ['symbol'] }])
    await table.commit({ action: 'set-properties', updates: { [NAME_MAPPING_KEY]: mapping } })
    const mapped = await table.stamps(A)
    expect(mapped).not.toEqual(stamps)
    const other = JSON.stringify([{ 'field-id': 2, names: ['symbol'] }])
    await table.commit({ action: 'set-properties', updates: { [NAME_MAPPING_KEY]: other } })
    expect(await table.stamps(A)).not.toEqual(mapped)
  })
})

test('the days that a file leaves are those that no file in its place is of', () => {
  const gone = [fileOf('gone', A - 1, A, B)]
  expect(overwrittenDays(TRADES, gone, [])).toEqual(new Set([A - 1, A, B]))
  expect(overwrittenDays(TRADES, gone, [fileOf('come', A, B)])).toEqual(new Set([A - 1]))
  expect(overwrittenDays(TRADES, gone, [fileOf('timeless', null)])).toEqual(new Set([A - 1, A, B]))
  expect(overwrittenDays(TRADES, [...gone, fileOf('timeless', A, null)], gone)).toBe(null)
})

describe('a snapshot of another engine changes the stamps that its files change, whatever it says of itself', () => {
  const files = { a: fileOf('a', A), b: fileOf('b', B) }
  const cases: readonly (readonly [string, string, readonly ForeignEntry[], readonly (string | null)[]])[] = [
    ['an append', 'append', [kept(files.a, 1), kept(files.b, 2), { file: fileOf('c', B) }], ['1', '3']],
    ['an append that takes a file away', 'append', [kept(files.a, 1)], ['1', null]],
    ['manifests written anew', 'overwrite', [kept(files.b, 2), kept(files.a, 1)], ['1', '2']],
    ['a compaction', 'replace', [kept(files.b, 2), { file: fileOf('c', A) }], ['3', '2']],
    [
      'a compaction under the old number',
      'replace',
      [kept(files.b, 2), { file: fileOf('c', A), sequenceNumber: 1 }],
      ['3', '2'],
    ],
    ['a file under the number of another', 'append', [kept(files.a, 2), kept(files.b, 2)], ['3', '2']],
    [
      'a file with other statistics',
      'replace',
      [kept({ ...files.a, recordCount: 9 }, 1), kept(files.b, 2)],
      ['3', '2'],
    ],
    [
      'a delete',
      'append',
      [kept(files.a, 1), kept(files.b, 2), { file: { ...fileOf('d', A), foreign: DELETES } }],
      ['3', '3'],
    ],
  ]
  test.each(cases)('%s', async (_, operation, entries, wanted) => {
    const { table } = await twoDays()
    await table.foreign(operation, ...entries)
    expect(await table.stamps(A, B)).toEqual([...wanted, null])
    // And compaction of ours keeps them.
    await rewriteManifests(table.head)
    expect(await table.stamps(A, B)).toEqual([...wanted, null])
  })

  test('a number that no snapshot before it has is refused', async () => {
    const { table, a, b } = await twoDays()
    const before = table.snapshot.snapshotId
    await table.foreign('append', kept(a, 1), kept(b, 2), { file: fileOf('c', A) })
    await table.commit(setMain(before))
    const stolen = table.foreign('replace', kept(b, 2), { file: fileOf('stolen', A), sequenceNumber: 3 })
    await expect(stolen).rejects.toMatchObject({
      code: 'invalid_input',
      message: expect.stringContaining('has the sequence number 3, and none of the snapshots before it has'),
    })
  })
})

describe('a compaction of a table that has deletes', () => {
  test('keeps the stamps, and its files have nothing deleted twice', async () => {
    const { table, a, b } = await twoDays()
    await table.foreign('overwrite', kept(a, 1), kept(b, 2), {
      file: { ...fileOf('d', A), foreign: DELETES },
    })
    const stamps = await table.stamps(A, B)
    expect(stamps).toEqual(['3', '3', null])
    await table.rewrite({ operation: 'replace', removed: [a] }, [fileOf('rest', A)])
    expect(await table.stamps(A, B)).toEqual(stamps)
    await table.append(fileOf('more', A))
    expect(await table.stamps(A, B)).toEqual(['5', '3', null])
  })
})

describe('what was overwritten', () => {
  const snapshot = (sequenceNumber: number, summary: Snapshot['summary']): Snapshot => ({
    snapshotId: BigInt(sequenceNumber),
    parentSnapshotId: null,
    sequenceNumber,
    timestampMs: 0,
    manifestList: '',
    schemaId: 0,
    summary,
    extra: {},
  })

  test('is anything, for all that a snapshot knows which does not say', async () => {
    expect(overwrittenAt(snapshot(7, {}))).toEqual({ any: 7, days: new Map() })
    const next = snapshot(8, overwrittenBy(snapshot(7, {}), 8, new Set([A])))
    expect(overwrittenAt(next)).toEqual({ any: 7, days: new Map([[A, 8]]) })
    const { table } = await twoDays()
    const bare = table.head.metadata.snapshots.map((one) => ({ ...one, summary: { operation: 'append' } }))
    expect(
      overwrittenAt(snapshotById({ ...table.head.metadata, snapshots: bare }, table.snapshot.snapshotId)).any,
    ).toBe(2)
  })

  test('is told apart by a hundred days, and no more', () => {
    let last: Snapshot | null = null
    for (let day = 1; day <= 101; day++) last = snapshot(day, overwrittenBy(last, day, new Set([day])))
    expect(overwrittenAt(last)).toEqual({ any: 101, days: new Map() })
    const next = snapshot(102, overwrittenBy(last, 102, new Set([5])))
    expect(overwrittenAt(next)).toEqual({ any: 101, days: new Map([[5, 102]]) })
  })
})
