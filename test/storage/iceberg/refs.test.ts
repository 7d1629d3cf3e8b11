import { expect, test } from 'vitest'
import type { TableMetadata } from '../../../src/storage/iceberg/metadata.js'
import { dropRef, makeRef, type NewRef } from '../../../src/storage/iceberg/ref-change.js'
import { type AsOf, snapshotAsOf } from '../../../src/storage/iceberg/refs.js'
import { EMPTY_TRADES, NOW, updated, withAppends } from '../../support/table-metadata.js'

const setRef = (name: string, snapshotId: number, type: 'branch' | 'tag' = 'branch') => ({
  action: 'set-snapshot-ref',
  'ref-name': name,
  type,
  'snapshot-id': snapshotId,
})

/** Snapshots 1 to 4 a second apart, then back to 2, and on from there by 5. */
const rolledBack = updated(
  withAppends(EMPTY_TRADES, 4),
  NOW + 4500,
  setRef('main', 2),
  setRef('eod', 3, 'tag'),
)
const table = withAppends(rolledBack, 1)
const expired = updated(table, NOW + 6000, { action: 'remove-snapshots', 'snapshot-ids': [1] })
const at = (afterMs: number): AsOf => ({ kind: 'time', timeMs: NOW + afterMs })

test.each<[what: string, of: TableMetadata, asOf: AsOf, snapshotId: bigint]>([
  ['a snapshot by its id', table, { kind: 'snapshot', snapshotId: 3n }, 3n],
  ['a branch', table, { kind: 'ref', name: 'main' }, 5n],
  ['a tag', table, { kind: 'ref', name: 'eod' }, 3n],
  ['the very time of a commit', table, at(1000), 1n],
  ['a time between two', table, at(1999), 1n],
  ['a time before the rollback', table, at(4499), 4n],
  ['a time after the rollback', table, at(4501), 2n],
  ['a time of the future', table, at(1e9), 5n],
  ['a time after what has expired', expired, at(2000), 2n],
  ['a time, where the writer keeps no history', { ...table, snapshotLog: [] }, at(5000), 5n],
])('%s', (_, of, asOf, snapshotId) => {
  expect(snapshotAsOf(of, asOf).snapshotId).toBe(snapshotId)
})

test.each<[problem: RegExp, code: string, of: TableMetadata, asOf: AsOf]>([
  [/snapshot 77 .* has expired or never was/, 'gone', table, { kind: 'snapshot', snapshotId: 77n }],
  [
    /no branch or tag constructor; there are: main, eod/,
    'not_found',
    table,
    { kind: 'ref', name: 'constructor' },
  ],
  [/there are: none/, 'not_found', EMPTY_TRADES, { kind: 'ref', name: 'main' }],
  [
    /held no snapshot yet at 2023-11-14T22:13:20.999Z; the first is from 2023-11-14T22:13:21/,
    'not_found',
    table,
    at(999),
  ],
  [
    /held at 2023-11-14T22:13:21.999Z has expired; what is kept begins at 2023-11-14T22:13:22/,
    'gone',
    expired,
    at(1999),
  ],
  [/it is empty/, 'not_found', EMPTY_TRADES, at(0)],
  [/held no snapshot at|has expired/, 'gone', { ...table, snapshotLog: [] }, at(4999)],
])('%s', (problem, code, of, asOf) => {
  expect(() => snapshotAsOf(of, asOf)).toThrow(
    expect.objectContaining({ code, message: expect.stringMatching(problem) }),
  )
})

const LATER = NOW + 9000
const tag = (name: string, asOf: AsOf, more: Partial<NewRef> = {}) =>
  makeRef(table, { name, type: 'tag', asOf, ...more }, LATER)

test('a tag or branch is made at a state of the table, and dropped again', () => {
  const made = tag('day-1.close', at(2500), { maxRefAgeMs: 5 })
  expect(made.refs['day-1.close']).toEqual({ snapshotId: 2n, type: 'tag', maxRefAgeMs: 5, extra: {} })
  const branch = makeRef(
    made,
    { name: 'fix', type: 'branch', asOf: { kind: 'ref', name: 'day-1.close' } },
    LATER,
  )
  expect(branch).toMatchObject({
    refs: { fix: { snapshotId: 2n } },
    currentSnapshotId: 5n,
    lastUpdatedMs: LATER,
  })
  expect(tag('eod', { kind: 'snapshot', snapshotId: 3n })).toBe(table)
  expect(dropRef(dropRef(branch, 'fix', LATER), 'day-1.close', LATER)).toEqual({
    ...table,
    lastUpdatedMs: LATER,
  })
})

test.each<[problem: RegExp, code: string, change: () => unknown]>([
  [/tag eod is there already, at snapshot 3: drop it first/, 'conflict', () => tag('eod', at(1e9))],
  [
    /branch main is there already/,
    'conflict',
    () => makeRef(table, { name: 'main', type: 'branch', asOf: at(2500) }, LATER),
  ],
  [/"5" is not a name that begins with a letter/, 'invalid_input', () => tag('5', at(1e9))],
  [/"2024-01-01" is not a name/, 'invalid_input', () => tag('2024-01-01', at(1e9))],
  [/tag a is one snapshot/, 'invalid_input', () => tag('a', at(1e9), { minSnapshotsToKeep: 3 })],
  [/snapshot 77 /, 'gone', () => tag('a', { kind: 'snapshot', snapshotId: 77n })],
  [/no branch or tag toString/, 'not_found', () => dropRef(table, 'toString', LATER)],
  [/main is the table's own branch/, 'invalid_input', () => dropRef(table, 'main', LATER)],
])('refused: %s', (problem, code, change) => {
  expect(change).toThrow(expect.objectContaining({ code, message: expect.stringMatching(problem) }))
})
