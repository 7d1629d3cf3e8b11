import { LosslessNumber } from 'lossless-json'
import { describe, expect, test } from 'vitest'
import { TRADES } from '#core'
import { formatJson, type JsonObject, parseJson } from '../../../src/storage/iceberg/json.js'
import {
  addSnapshot,
  ancestry,
  logPrevious,
  newTableMetadata,
  type TableMetadata,
} from '../../../src/storage/iceberg/metadata.js'
import { formatMetadata, parseMetadata } from '../../../src/storage/iceberg/metadata-file.js'
import { parseTransform } from '../../../src/storage/iceberg/partition.js'
import { setRef } from '../../../src/storage/iceberg/snapshot-updates.js'
import { applyUpdates } from '../../../src/storage/iceberg/updates.js'
import { tradesFile } from '../../support/data-file.js'

const NOW = 1_700_000_000_000
const empty = newTableMetadata(TRADES, {
  location: 'file:///w/trades',
  uuid: 'u-1',
  nowMs: NOW,
  partitionCount: 2,
})
const file = tradesFile('file:///w/trades/data/a.parquet', [{ symbol: 'BHP', micros: 0n }])

function append(
  metadata: TableMetadata,
  snapshotId: bigint,
  nowMs: number,
  summary: Record<string, string> = {},
) {
  const manifestList = `file:///w/trades/metadata/snap-${snapshotId}.avro`
  return addSnapshot(metadata, {
    snapshotId,
    nowMs,
    manifestList,
    operation: 'append',
    added: [file, file],
    removed: [],
    summary,
    properties: {},
  })
}

const two = append(append(empty, 11n, NOW + 5, { 'ticklake.fence': '3' }), 12n, NOW - 9000, {
  'ticklake.note': 'x',
})

/** The stored JSON, with one change. */
function changed(metadata: TableMetadata, change: (json: Record<string, unknown>) => void): string {
  const json = parseJson(formatMetadata(metadata), 'test') as Record<string, unknown>
  change(json)
  return formatJson(json as JsonObject)
}

describe('a new table', () => {
  test('has the schema, day partitions, sort order and properties, and nothing else', () => {
    const json = JSON.parse(formatMetadata(empty))
    expect(json).toMatchObject({
      'format-version': 2,
      'current-snapshot-id': -1,
      'last-column-id': 18,
      'last-partition-id': 1000,
      'default-sort-order-id': 1,
      refs: {},
      snapshots: [],
      'snapshot-log': [],
      'metadata-log': [],
      statistics: [],
      'partition-statistics': [],
      properties: {
        'gc.enabled': 'false',
        'write.parquet.compression-codec': 'zstd',
        'write.metadata.delete-after-commit.enabled': 'true',
        'write.metadata.previous-versions-max': '100',
        'ticklake.offsets': '{"0":0,"1":0}',
      },
    })
    expect(json).not.toHaveProperty('schema')
    expect(json).not.toHaveProperty('partition-spec')
    expect(json['sort-orders']).toMatchObject([
      { 'order-id': 0, fields: [] },
      {
        'order-id': 1,
        fields: [{ 'source-id': 1, direction: 'asc', 'null-order': 'nulls-last' }, {}, {}, {}, {}],
      },
    ])
    expect(json.schemas[0].fields.map((field: { type: string }) => field.type)).toContain('decimal(18, 8)')
  })
})

describe('an append', () => {
  test('counts what it adds, on top of its parent', () => {
    expect(two.snapshots.at(-1)).toMatchObject({
      snapshotId: 12n,
      parentSnapshotId: 11n,
      sequenceNumber: 2,
      schemaId: 0,
      summary: {
        operation: 'append',
        'added-data-files': '2',
        'added-records': '2',
        'added-files-size': '2002',
        'changed-partition-count': '1',
        'total-data-files': '4',
        'total-records': '4',
        'total-files-size': '4004',
        'total-delete-files': '0',
        'total-position-deletes': '0',
        'total-equality-deletes': '0',
      },
    })
    expect(two).toMatchObject({
      lastSequenceNumber: 2,
      currentSnapshotId: 12n,
      refs: { main: { snapshotId: 12n } },
    })
  })

  test('carries keys of ours forward that it does not set', () => {
    expect(two.snapshots.at(-1)!.summary).toMatchObject({ 'ticklake.fence': '3', 'ticklake.note': 'x' })
  })

  test('is later than its parent, even when the clock went back', () => {
    expect(two.snapshots.map((snapshot) => snapshot.timestampMs)).toEqual([NOW + 5, NOW + 6])
    expect(two.lastUpdatedMs).toBe(NOW + 6)
  })

  test('is no earlier than a rollback, even when the clock went back: the table can still be read', () => {
    const main = { snapshotId: 11n, type: 'branch' as const, extra: {} }
    const back = applyUpdates(two, [(draft) => setRef(draft, 'main', main)], NOW + 3_600_000)
    const three = append(back, 13n, NOW + 10)
    expect(three.snapshotLog.map(({ timestampMs }) => timestampMs - NOW)).toEqual([
      5, 6, 3_600_000, 3_600_000,
    ])
    expect(parseMetadata(formatMetadata(three), 'v4').currentSnapshotId).toBe(13n)
  })

  test('leaves a total unknown that a foreign parent does not state', () => {
    const [first] = two.snapshots
    const foreign = {
      ...two,
      snapshots: [{ ...first!, summary: { operation: 'append' } }],
      currentSnapshotId: 11n,
    }
    expect(append(foreign, 13n, NOW).snapshots.at(-1)!.summary).not.toHaveProperty('total-records')
  })
})

describe('metadata on disk', () => {
  test('comes back as it was', () => {
    for (const metadata of [
      empty,
      two,
      logPrevious(two, empty, 'file:///w/trades/metadata/v1.metadata.json'),
    ]) {
      expect(parseMetadata(formatMetadata(metadata), 'v1')).toEqual(metadata)
    }
  })

  test('keeps 63-bit ids to the last digit', () => {
    const id = 2n ** 63n - 25n
    const text = formatMetadata(append(two, id, NOW))
    expect(text).toContain('"current-snapshot-id":9223372036854775783')
    expect(text).toContain('{"snapshot-id":9223372036854775783,"parent-snapshot-id":12,')
    expect(parseMetadata(text, 'v1').currentSnapshotId).toBe(id)
    expect(formatMetadata(parseMetadata(text, 'v1'))).toBe(text)
  })

  test('keeps keys that nobody here knows, at every place', () => {
    const odd = { a: [1, { b: 12345678901234567890n }], c: new LosslessNumber('1.50'), d: null }
    const text = changed(two, (json) => {
      json.novel = odd
      for (const list of ['schemas', 'partition-specs', 'sort-orders', 'snapshots'] as const) {
        const [first] = json[list] as Record<string, unknown>[]
        first!.novel = odd
        const fields = first!.fields as Record<string, unknown>[] | undefined
        if (fields?.[0]) fields[0].novel = odd
      }
      ;(json.refs as { main: Record<string, unknown> }).main['max-ref-age-ms'] = 5
      json.statistics = [odd]
    })
    const again = parseMetadata(text, 'v1')
    expect(parseJson(formatMetadata(again), 'again')).toEqual(parseJson(text, 'text'))
    expect(append(again, 14n, NOW).refs.main).toMatchObject({ maxRefAgeMs: 5, extra: {} })
    expect(text.match(/"novel"/g)).toHaveLength(7)
  })

  test('logs the file before it, and at most a hundred of them', () => {
    let metadata = empty
    for (let version = 1; version <= 150; version++) metadata = logPrevious(metadata, metadata, `v${version}`)
    expect(metadata.metadataLog).toHaveLength(100)
    expect(metadata.metadataLog.at(-1)).toEqual({ metadataFile: 'v150', timestampMs: NOW })
  })

  test.each([
    ['500', 500],
    ['1', 100],
    ['many', 100],
    ['1000000000', 1000],
    ['Infinity', 1000],
  ])('logs as many as are asked for, from a hundred to a thousand: %s', (asked, kept) => {
    const properties = { ...empty.properties, 'write.metadata.previous-versions-max': asked }
    const entry = { metadataFile: 'v', timestampMs: NOW }
    const long = { ...empty, properties, metadataLog: Array.from({ length: 1500 }, () => entry) }
    expect(logPrevious(long, long, 'newest').metadataLog).toHaveLength(kept)
  })

  type Change = [problem: RegExp, change: (json: Record<string, unknown>) => void]
  const listOf = (json: Record<string, unknown>, key: string) => json[key] as Record<string, unknown>[]
  test.each<Change>([
    [/no schema has the current id 5/, (json) => (json['current-schema-id'] = 5)],
    [/no partition spec has the default id 5/, (json) => (json['default-spec-id'] = 5)],
    [/no sort order has the default id 5/, (json) => (json['default-sort-order-id'] = 5)],
    [/above the last, 1/, (json) => (json['last-sequence-number'] = 1)],
    [/main is not the current snapshot/, (json) => (json['current-snapshot-id'] = 11)],
    [/points at snapshot 9/, (json) => (json.refs = { main: { 'snapshot-id': 9, type: 'branch' } })],
    [/does not end with the current/, (json) => listOf(json, 'snapshot-log').pop()],
    [
      /snapshot log is not in the order/,
      (json) => (listOf(json, 'snapshot-log')[0]!['timestamp-ms'] = NOW + 90_000),
    ],
    [
      /two snapshots have the same id/,
      (json) => (json.snapshots = [...listOf(json, 'snapshots'), listOf(json, 'snapshots')[0]]),
    ],
    [/after the last update/, (json) => (listOf(json, 'snapshots')[0]!['timestamp-ms'] = NOW + 70_000)],
    [/format version 3/, (json) => (json['format-version'] = 3)],
    [
      /snapshots\[0\]\.manifest-list: expected a string, found nothing/,
      (json) => delete listOf(json, 'snapshots')[0]!['manifest-list'],
    ],
    [/\.last-column-id: expected a whole number/, (json) => (json['last-column-id'] = '18')],
  ])('%s is refused', (problem, change) => {
    const text = changed(two, change)
    expect(() => parseMetadata(text, 'v1')).toThrow(problem)
  })

  test('of a writer before refs has its current snapshot as main', () => {
    const text = changed(two, (json) => delete json.refs)
    expect(parseMetadata(text, 'v1').refs).toMatchObject({ main: { snapshotId: 12n, type: 'branch' } })
  })
})

test('ancestors end, even if somebody wrote them in a circle', () => {
  const [first, second] = two.snapshots
  const circle = { ...two, snapshots: [{ ...first!, parentSnapshotId: 12n }, second!] }
  expect([...ancestry(circle, 12n)].map(({ snapshotId }) => snapshotId)).toEqual([12n, 11n])
})

test.each([
  ['day', { kind: 'day' }],
  ['bucket[16]', { kind: 'bucket', width: 16 }],
  ['truncate[4]', { kind: 'truncate', width: 4 }],
  ['void', { kind: 'void' }],
  ['zorder(a,b)', { kind: 'unknown' }],
])('transform %s', (text, transform) => {
  expect(parseTransform(text)).toEqual(transform)
})
