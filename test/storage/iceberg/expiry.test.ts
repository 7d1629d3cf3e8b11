import { describe, expect, test } from 'vitest'
import { type ExpiryPolicy, expirable, expired } from '../../../src/storage/iceberg/expiry.js'
import { addSnapshot, type TableMetadata } from '../../../src/storage/iceberg/metadata.js'
import { formatMetadata, parseMetadata } from '../../../src/storage/iceberg/metadata-file.js'
import type { Snapshot } from '../../../src/storage/iceberg/snapshot.js'
import { SeededRandom } from '../../support/seeded-random.js'
import { EMPTY_TRADES, NOW, updated, withAppends } from '../../support/table-metadata.js'

const OFFSETS = 'ticklake.offsets'
const NOBODY: ReadonlySet<bigint> = new Set()
const FOREVER = 1e15

/** Snapshots 1 to 10, a second apart; it is 11 s. */
const ten = withAppends(EMPTY_TRADES, 10)
const nowMs = NOW + 11_000

const setRef = (name: string, snapshotId: number, change: Record<string, number | string> = {}) => ({
  action: 'set-snapshot-ref',
  'ref-name': name,
  type: 'branch',
  'snapshot-id': snapshotId,
  ...change,
})
const policy = (change: Partial<ExpiryPolicy>): ExpiryPolicy => ({
  maxAgeMs: FOREVER,
  minToKeep: 1,
  maxCount: 1000,
  ...change,
})
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, n) => BigInt(from + n))
const kept = (table: TableMetadata, change: Partial<ExpiryPolicy>, held = NOBODY) =>
  expired(table, expirable(table, policy(change), nowMs, held)).snapshots.map(({ snapshotId }) => snapshotId)

describe('snapshots are kept', () => {
  test.each<[what: string, change: Partial<ExpiryPolicy>, from: number]>([
    ['for ever, if they may be', {}, 1],
    ['by age, the limit included', { maxAgeMs: 4000 }, 7],
    ['as many as are to stay, however old', { maxAgeMs: 0, minToKeep: 3 }, 8],
    ['and no more than may be, however young', { maxCount: 4 }, 7],
    ['the current one at the least', { maxAgeMs: 0 }, 10],
  ])('%s', (_, change, from) => {
    expect(kept(ten, change)).toEqual(range(from, 10))
  })

  test('while somebody reads them', () => {
    expect(kept(ten, { maxCount: 2 }, new Set([3n, 99n]))).toEqual([3n, 9n, 10n])
  })

  test('while a tag is on them, without those before', () => {
    const table = updated(ten, nowMs, setRef('eod', 4, { type: 'tag' }))
    expect(kept(table, { maxCount: 2 })).toEqual([4n, 9n, 10n])
  })

  test('by what their branch asks for, in place of the policy', () => {
    const some = { maxAgeMs: 1000, maxCount: 2 }
    expect(kept(updated(ten, nowMs, setRef('a', 5)), some)).toEqual([5n, 10n])
    expect(kept(updated(ten, nowMs, setRef('a', 5, { 'min-snapshots-to-keep': 3 })), some)).toEqual([
      3n,
      4n,
      5n,
      10n,
    ])
    expect(kept(updated(ten, nowMs, setRef('a', 5, { 'max-snapshot-age-ms': 7000 })), some)).toEqual([
      4n,
      5n,
      10n,
    ])
    expect(kept(updated(ten, nowMs, setRef('main', 10, { 'max-snapshot-age-ms': 5000 })), some)).toEqual(
      range(6, 10),
    )
  })

  test('until their tag or branch has reached its own age; main never does', () => {
    const table = updated(
      ten,
      nowMs,
      setRef('old', 3, { type: 'tag', 'max-ref-age-ms': 7999 }),
      setRef('young', 4, { 'max-ref-age-ms': 7000 }),
      setRef('main', 10, { 'max-ref-age-ms': 1 }),
    )
    const expiry = expirable(table, policy({ maxCount: 2, maxAgeMs: 0 }), nowMs, NOBODY)
    expect([...expiry.refs]).toEqual(['old'])
    const next = expired(table, expiry)
    expect(Object.keys(next.refs).sort()).toEqual(['main', 'young'])
    expect(next.snapshots.map(({ snapshotId }) => snapshotId)).toEqual([4n, 10n])
  })

  test('on no branch while they are young', () => {
    const back = updated(ten, nowMs, setRef('main', 6))
    expect(kept(back, { maxAgeMs: 2000, minToKeep: 2 })).toEqual([5n, 6n, 9n, 10n])
  })

  test('if the position in the log is known from them alone', () => {
    const carrier = withAppends(EMPTY_TRADES, 1, { [OFFSETS]: '{"0":7}' })
    // Whoever wrote these kept nothing of what was there before.
    const foreign = withAppends(carrier, 4).snapshots.map((one) =>
      one.snapshotId === 1n ? one : { ...one, summary: { operation: 'append' } },
    )
    const table = { ...withAppends(carrier, 4), snapshots: foreign, properties: { [OFFSETS]: '{"0":7}' } }
    expect(kept(table, { maxCount: 1 })).toEqual([1n, 5n])
    const again = expired(table, expirable(table, policy({ maxCount: 1 }), nowMs, NOBODY))
    expect(kept(again, { maxCount: 1, maxAgeMs: 0 })).toEqual([1n, 5n])
    expect(kept({ ...table, properties: { [OFFSETS]: '{"0":9}' } }, { maxCount: 1 })).toEqual([1n, 5n])
  })

  test('if main was rolled back from the position that the table has', () => {
    const table = withAppends(withAppends(EMPTY_TRADES, 3, { [OFFSETS]: '{"0":7}' }), 1, {
      [OFFSETS]: '{"0":9}',
    })
    const back = updated({ ...table, properties: { [OFFSETS]: '{"0":9}' } }, nowMs, setRef('main', 3))
    expect(kept(back, { maxAgeMs: 0 })).toEqual([3n, 4n])
  })
})

test('an expiry that takes nothing leaves the very same table', () => {
  expect(expired(ten, expirable(ten, policy({}), nowMs, NOBODY))).toBe(ten)
  expect(expired(EMPTY_TRADES, expirable(EMPTY_TRADES, policy({ maxAgeMs: 0 }), nowMs, NOBODY))).toBe(
    EMPTY_TRADES,
  )
})

test('a policy that contradicts itself is a mistake of its maker', () => {
  expect(() => expirable(ten, policy({ minToKeep: 3, maxCount: 2 }), nowMs, NOBODY)).toThrow(
    /minToKeep ≤ maxCount/,
  )
  expect(() => expirable(ten, policy({ minToKeep: 0 }), nowMs, NOBODY)).toThrow(/1 ≤ minToKeep/)
})

/** A table with branches, tags and rollbacks, some of its history gone. */
function randomTable(random: SeededRandom): TableMetadata {
  let table = EMPTY_TRADES
  for (let step = 1; step <= 30; step++) {
    const carries = random.oneIn(4) ? { [OFFSETS]: `{"0":${step}}` } : {}
    table = addSnapshot(table, {
      snapshotId: BigInt(step),
      nowMs: NOW + step * 1000,
      manifestList: 'm',
      operation: 'append',
      added: [],
      removed: [],
      summary: carries,
      properties: carries,
    })
    const any = () => Number(random.pick(table.snapshots).snapshotId)
    const own: Record<string, number | string> = {
      ...(random.oneIn(3) ? { 'max-ref-age-ms': 1 + random.below(30_000) } : {}),
      ...(random.oneIn(3) ? { 'max-snapshot-age-ms': 1 + random.below(30_000) } : {}),
      ...(random.oneIn(3) ? { 'min-snapshots-to-keep': 1 + random.below(9) } : {}),
    }
    const { 'max-ref-age-ms': age = FOREVER } = own
    const changes = [
      setRef(random.pick(['main', 'audit', 'fix']), any(), own),
      setRef(random.pick(['eod', 'eom']), any(), { type: 'tag', 'max-ref-age-ms': age }),
      { action: 'remove-snapshots', 'snapshot-ids': [any()] },
    ]
    if (random.oneIn(3)) table = updated(table, NOW + step * 1000, random.pick(changes))
  }
  return table
}

/** The rule, told snapshot by snapshot. */
function shouldStay(
  table: TableMetadata,
  rule: ExpiryPolicy,
  held: ReadonlySet<bigint>,
  one: Snapshot,
): boolean {
  const ageMs = (snapshot: Snapshot) => nowOf(table) - snapshot.timestampMs
  const byId = (id: bigint | null) => table.snapshots.find(({ snapshotId }) => snapshotId === id)
  const lineOf = (id: bigint | null): Snapshot[] => {
    const head = byId(id)
    return head ? [head, ...lineOf(head.parentSnapshotId)] : []
  }
  const live = Object.entries(table.refs).filter(
    ([name, ref]) => name === 'main' || ageMs(byId(ref.snapshotId)!) <= (ref.maxRefAgeMs ?? FOREVER),
  )
  if (held.has(one.snapshotId) || live.some(([, ref]) => ref.snapshotId === one.snapshotId)) return true
  const position = table.properties[OFFSETS]
  const carriers = [
    lineOf(table.currentSnapshotId).find(({ summary }) => OFFSETS in summary),
    table.snapshots.filter(({ summary }) => position !== undefined && summary[OFFSETS] === position).at(-1),
  ]
  if (carriers.includes(one)) return true
  const lines = live
    .filter(([, ref]) => ref.type === 'branch')
    .map(([, ref]) => ({ ref, line: lineOf(ref.snapshotId) }))
  if (!lines.some(({ line }) => line.includes(one))) return ageMs(one) <= rule.maxAgeMs
  return lines.some(({ ref, line }) => {
    const place = line.indexOf(one)
    if (place === -1) return false
    if (place < (ref.minSnapshotsToKeep ?? rule.minToKeep)) return true
    if (ref.maxSnapshotAgeMs !== undefined) return ageMs(one) <= ref.maxSnapshotAgeMs
    return ageMs(one) <= rule.maxAgeMs && place < rule.maxCount
  })
}

const nowOf = (table: TableMetadata) => table.lastUpdatedMs + 500

test.each(Array.from({ length: 80 }, (_, seed) => seed))(
  'the rule holds for every snapshot of any table: seed %i',
  (seed) => {
    const random = new SeededRandom(seed)
    const table = randomTable(random)
    const minToKeep = 1 + random.below(4)
    const rule = { maxAgeMs: random.below(25_000), minToKeep, maxCount: minToKeep + random.below(12) }
    const held = new Set(table.snapshots.filter(() => random.oneIn(6)).map(({ snapshotId }) => snapshotId))
    const next = expired(table, expirable(table, rule, nowOf(table), held))
    expect(next.snapshots).toEqual(table.snapshots.filter((one) => shouldStay(table, rule, held, one)))
    expect(next.currentSnapshotId).toBe(table.currentSnapshotId)
    expect(parseMetadata(formatMetadata(next), 'v')).toEqual(next)
  },
)
