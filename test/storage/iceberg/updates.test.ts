import { describe, expect, test } from 'vitest'
import type { Json } from '../../../src/storage/iceberg/json.js'
import { currentSchema, defaultSpec, type TableMetadata } from '../../../src/storage/iceberg/metadata.js'
import { formatMetadata, parseMetadata } from '../../../src/storage/iceberg/metadata-file.js'
import { schemaJson } from '../../../src/storage/iceberg/schema.js'
import { createByUpdates, parseUpdates } from '../../../src/storage/iceberg/updates.js'
import {
  EMPTY_TRADES,
  foreignAppend,
  LAST_SCHEMA,
  LOCATION,
  NOW,
  optional,
  schemaWith,
  setMain,
  updated,
  withAppends,
} from '../../support/table-metadata.js'

const LATER = NOW + 60_000
const four = withAppends(EMPTY_TRADES, 4)
const BIG = 2n ** 63n - 25n

const logOf = (table: TableMetadata) => table.snapshotLog.map(({ snapshotId }) => snapshotId)

describe('a schema', () => {
  test('that is new gets the next number, becomes current by −1, and moves the last column id', () => {
    const next = updated(
      four,
      LATER,
      {
        action: 'add-schema',
        schema: schemaWith(four, optional(19, 'note', 'string')),
        'last-column-id': 19,
      },
      { action: 'set-current-schema', 'schema-id': -1 },
    )
    expect(next).toMatchObject({ currentSchemaId: 1, lastColumnId: 19, lastUpdatedMs: LATER })
    expect(next.schemas.map(({ schemaId }) => schemaId)).toEqual([0, 1])
    expect(currentSchema(next).fields.at(-1)).toMatchObject({ id: 19, name: 'note', type: 'string' })
  })

  test('that the table has already keeps its number, however its types are spelt', () => {
    const json = JSON.parse(JSON.stringify(schemaJson(currentSchema(four))).replaceAll('(18, 8)', '(18,8)'))
    expect(updated(four, LATER, { action: 'add-schema', schema: json })).toBe(four)
    const back = updated(
      four,
      LATER,
      { action: 'add-schema', schema: schemaWith(four, optional(19, 'note', 'string')) },
      { action: 'set-current-schema', 'schema-id': 1 },
      { action: 'add-schema', schema: json },
      { action: 'set-current-schema', 'schema-id': -1 },
    )
    expect(back).toMatchObject({ currentSchemaId: 0, lastColumnId: 19 })
    expect(back.schemas).toHaveLength(2)
  })

  test('may hold structs, lists and maps; ids inside of them count', () => {
    const nested = optional(19, 'book', {
      type: 'list',
      'element-id': 20,
      'element-required': true,
      element: {
        type: 'struct',
        fields: [
          optional(21, 'level', 'int'),
          optional(22, 'by', {
            type: 'map',
            'key-id': 23,
            key: 'string',
            'value-id': 24,
            'value-required': false,
            value: 'decimal(9,2)',
          }),
        ],
      },
    })
    const add = { action: 'add-schema', schema: schemaWith(four, nested) }
    const next = updated(four, LATER, add, LAST_SCHEMA)
    expect(next).toMatchObject({ lastColumnId: 24, currentSchemaId: 1 })
    // As a whole it may go and come back; what is inside of it must not become required while rows are there.
    const gone = updated(next, LATER, { action: 'set-current-schema', 'schema-id': 0 })
    expect(updated(gone, LATER, { action: 'set-current-schema', 'schema-id': 1 }).currentSchemaId).toBe(1)
    const strict = JSON.parse(
      JSON.stringify(schemaWith(four, nested)).replace('"level","required":false', '"level","required":true'),
    )
    expect(() => updated(next, LATER, { action: 'add-schema', schema: strict }, LAST_SCHEMA)).toThrow(
      /level would be required/,
    )
    expect(parseMetadata(formatMetadata(next), 'v')).toEqual(next)
    expect(updated(next, LATER, { action: 'add-schema', schema: schemaWith(four, nested) })).toBe(next)
  })

  test('may widen a column and make it optional, and take another one away', () => {
    const json = schemaJson(currentSchema(four))
    const fields = (json.fields as { name: string; type: string }[])
      .filter(({ name }) => name !== 'venue')
      .map((one) => (one.name === 'exchange_nanos' ? { ...one, type: 'long' } : one))
    const next = updated(
      four,
      LATER,
      { action: 'add-schema', schema: { ...json, fields } },
      { action: 'set-current-schema', 'schema-id': -1 },
    )
    expect(currentSchema(next).fields.find(({ name }) => name === 'exchange_nanos')!.type).toBe('long')
    expect(next.lastColumnId).toBe(18)
  })

  test('is removed once no snapshot is of it', () => {
    const two = updated(
      four,
      LATER,
      { action: 'add-schema', schema: schemaWith(four, optional(19, 'note', 'string')) },
      { action: 'set-current-schema', 'schema-id': -1 },
    )
    const remove = { action: 'remove-schemas', 'schema-ids': [0, 9] }
    expect(() => updated(two, LATER, remove)).toThrow(/snapshot 1 is of schema 0: expire it first/)
    const left = updated(two, LATER, { action: 'remove-snapshots', 'snapshot-ids': [1, 2, 3, 4] }, remove)
    expect(left.schemas.map(({ schemaId }) => schemaId)).toEqual([1])
  })
})

describe('a partition spec', () => {
  const bucket = (rest = {}) => ({ name: 'symbol_bucket', transform: 'bucket[16]', 'source-id': 1, ...rest })
  const day = { name: 'exchange_timestamp_day', transform: 'day', 'source-id': 3 }
  const add = (...fields: readonly Json[]) => ({ action: 'add-spec', spec: { 'spec-id': 5, fields } })

  test('that is new gets the next number; a field that was there keeps its id, another one gets the next', () => {
    const next = updated(four, LATER, add(bucket(), day), { action: 'set-default-spec', 'spec-id': -1 })
    expect(next).toMatchObject({ defaultSpecId: 1, lastPartitionId: 1001 })
    expect(defaultSpec(next).fields.map(({ fieldId, name }) => [fieldId, name])).toEqual([
      [1001, 'symbol_bucket'],
      [1000, 'exchange_timestamp_day'],
    ])
  })

  test('that the table has already is that one', () => {
    expect(updated(four, LATER, add({ ...day, 'field-id': 1000 }))).toBe(four)
    const next = updated(four, LATER, add(bucket()), add(day), { action: 'set-default-spec', 'spec-id': -1 })
    expect(next.defaultSpecId).toBe(0)
    expect(next.partitionSpecs).toHaveLength(2)
  })

  test('keeps the ids that a writer gave, and counts on from them', () => {
    const given = updated(four, LATER, add(bucket({ 'field-id': 1007 })))
    expect(given.lastPartitionId).toBe(1007)
    const next = updated(given, LATER, add({ name: 'exchange', transform: 'identity', 'source-id': 2 }))
    expect(next.partitionSpecs.at(-1)!.fields[0]!.fieldId).toBe(1008)
  })

  test('is removed unless it is the default', () => {
    const two = updated(four, LATER, add())
    expect(
      updated(two, LATER, { action: 'remove-partition-specs', 'spec-ids': [1] }).partitionSpecs,
    ).toHaveLength(1)
    expect(() => updated(two, LATER, { action: 'remove-partition-specs', 'spec-ids': [0] })).toThrow(
      /default spec/,
    )
  })
})

describe('a sort order', () => {
  const by = (sourceId: number, direction = 'desc') => ({
    transform: 'identity',
    'source-id': sourceId,
    direction,
    'null-order': 'nulls-last',
  })
  const add = (...fields: readonly Json[]) => ({
    action: 'add-sort-order',
    'sort-order': { 'order-id': 9, fields },
  })
  const setLast = { action: 'set-default-sort-order', 'sort-order-id': -1 }

  test('gets the next number, or the one that it has; none at all is 0', () => {
    const next = updated(four, LATER, add(by(7)), setLast)
    expect(next.defaultSortOrderId).toBe(2)
    expect(updated(next, LATER, add(by(7)), setLast)).toBe(next)
    const unsorted = updated(next, LATER, add(), setLast)
    expect(unsorted.defaultSortOrderId).toBe(0)
    expect(unsorted.sortOrders.map(({ orderId }) => orderId)).toEqual([0, 1, 2])
  })
})

describe('a snapshot', () => {
  test('of another writer becomes current; its 63-bit id is kept to the last digit', () => {
    const next = updated(four, LATER, ...foreignAppend(four, BIG, LATER - 100))
    expect(next).toMatchObject({ currentSnapshotId: BIG, lastSequenceNumber: 5, lastUpdatedMs: LATER })
    expect(next.snapshotLog.at(-1)).toEqual({ snapshotId: BIG, timestampMs: LATER - 100 })
    expect(formatMetadata(next)).toContain('"current-snapshot-id":9223372036854775783')
  })

  test('on a branch of its own leaves main alone', () => {
    const [add] = foreignAppend(four, BIG, LATER)
    const next = updated(four, LATER, add, {
      ...setMain(BIG),
      'ref-name': 'audit',
      'min-snapshots-to-keep': 3,
    })
    expect(next.refs.audit).toEqual({ snapshotId: BIG, type: 'branch', minSnapshotsToKeep: 3, extra: {} })
    expect([next.currentSnapshotId, logOf(next)]).toEqual([4n, [1n, 2n, 3n, 4n]])
  })

  test('that is passed over within one change is no history', () => {
    const first = updated(four, LATER, ...foreignAppend(four, 11n, LATER))
    const second = foreignAppend(first, 12n, LATER)
    const next = updated(four, LATER, ...foreignAppend(four, 11n, LATER), ...second)
    expect(logOf(next)).toEqual([1n, 2n, 3n, 4n, 12n])
    expect(next.snapshots).toHaveLength(6)
  })

  test('that main goes back to is current from now on', () => {
    const next = updated(four, LATER, setMain(2n))
    expect(next.snapshotLog.at(-1)).toEqual({ snapshotId: 2n, timestampMs: LATER })
    expect(updated(next, LATER, setMain(2n))).toBe(next)
    // The clock went back, the table does not.
    const again = updated(next, NOW, setMain(3n))
    expect(again.snapshotLog.at(-1)).toEqual({ snapshotId: 3n, timestampMs: LATER })
    expect(again.lastUpdatedMs).toBe(LATER)
  })

  test('that is removed takes its refs, its statistics and the history before it along', () => {
    const marked = updated(
      four,
      LATER,
      { action: 'set-snapshot-ref', 'ref-name': 'eod', type: 'tag', 'snapshot-id': 2, 'max-ref-age-ms': 5 },
      { action: 'set-statistics', statistics: { 'snapshot-id': 2, 'statistics-path': 'a' } },
      { action: 'set-statistics', statistics: { 'snapshot-id': 2, 'statistics-path': 'b' } },
      { action: 'set-statistics', statistics: { 'snapshot-id': 3, 'statistics-path': 'c' } },
      {
        action: 'set-partition-statistics',
        'partition-statistics': { 'snapshot-id': 2, 'statistics-path': 'd' },
      },
    )
    expect(marked.refs.eod).toMatchObject({ maxRefAgeMs: 5 })
    expect(marked.statistics).toHaveLength(2)
    const next = updated(marked, LATER, { action: 'remove-snapshots', 'snapshot-ids': [2, 99] })
    expect(next.snapshots.map(({ snapshotId }) => snapshotId)).toEqual([1n, 3n, 4n])
    expect(logOf(next)).toEqual([3n, 4n])
    expect(Object.keys(next.refs)).toEqual(['main'])
    expect(next.statistics).toEqual([{ 'snapshot-id': 3, 'statistics-path': 'c' }])
    expect(next.partitionStatistics).toEqual([])
    expect(next.snapshots[1]!.parentSnapshotId).toBe(2n)
  })

  test('statistics are removed by snapshot', () => {
    const marked = updated(
      four,
      LATER,
      { action: 'set-statistics', statistics: { 'snapshot-id': 4 } },
      { action: 'set-partition-statistics', 'partition-statistics': { 'snapshot-id': 4 } },
    )
    const next = updated(
      marked,
      LATER,
      { action: 'remove-statistics', 'snapshot-id': 4 },
      { action: 'remove-partition-statistics', 'snapshot-id': 4 },
      { action: 'remove-statistics', 'snapshot-id': 3 },
    )
    expect([next.statistics, next.partitionStatistics]).toEqual([[], []])
  })

  test('the table has none without main, and begins anew with other columns', () => {
    const anew = {
      type: 'struct',
      'schema-id': 0,
      fields: [optional(1, 'symbol', 'long', { required: true })],
    }
    const dropMain = { action: 'remove-snapshot-ref', 'ref-name': 'main' }
    const rest = [
      { action: 'add-schema', schema: anew },
      { action: 'set-current-schema', 'schema-id': -1 },
      { action: 'add-spec', spec: { fields: [] } },
      { action: 'set-default-spec', 'spec-id': -1 },
      { action: 'add-sort-order', 'sort-order': { 'order-id': 0, fields: [] } },
      { action: 'set-default-sort-order', 'sort-order-id': -1 },
    ]
    const next = updated(four, LATER, dropMain, ...rest)
    expect(next).toMatchObject({ currentSnapshotId: null, refs: {}, currentSchemaId: 1, defaultSpecId: 1 })
    expect(next.snapshots).toHaveLength(4)
    expect(() => updated(four, LATER, ...rest)).toThrow(/symbol/)
  })
})

describe('the table itself', () => {
  test('moves, and its properties change, under both names that the protocol has had', () => {
    const next = updated(
      four,
      LATER,
      { action: 'set-location', location: 's3://b/trades//' },
      { action: 'set-properties', updates: { a: '1', constructor: 'x' } },
      { action: 'set-properties', updated: { b: '2' } },
      { action: 'remove-properties', removals: ['a', 'toString'] },
      { action: 'remove-properties', removed: ['gc.enabled'] },
    )
    expect(next.location).toBe('s3://b/trades')
    expect(next.properties).toMatchObject({ b: '2', constructor: 'x' })
    expect(next.properties).not.toHaveProperty('a')
    expect(next.properties).not.toHaveProperty(['gc.enabled'])
  })

  test('is the very same one when nothing changes', () => {
    const same = updated(
      four,
      LATER,
      { action: 'assign-uuid', uuid: four.tableUuid.toUpperCase() },
      { action: 'upgrade-format-version', 'format-version': 2 },
      { action: 'set-location', location: `${LOCATION}/` },
      { action: 'set-properties', updates: { 'gc.enabled': 'false' } },
      { action: 'remove-properties', removals: ['nothing'] },
      { action: 'set-current-schema', 'schema-id': 0 },
      { action: 'set-default-spec', 'spec-id': 0 },
      { action: 'set-default-sort-order', 'sort-order-id': 1 },
      { action: 'remove-snapshots', 'snapshot-ids': [77] },
      { action: 'remove-snapshot-ref', 'ref-name': 'nobody' },
      setMain(4n),
    )
    expect(same).toBe(four)
  })

  test('is made from nothing by the updates of a staged creation', () => {
    const updates: readonly Json[] = [
      { action: 'assign-uuid', uuid: 'fb072c92-a02b-11e9-ae9c-1bb7bc9eca94' },
      { action: 'upgrade-format-version', 'format-version': 2 },
      {
        action: 'add-schema',
        schema: { type: 'struct', 'schema-id': 0, fields: [optional(1, 'a', 'date')] },
      },
      { action: 'set-current-schema', 'schema-id': -1 },
      {
        action: 'add-spec',
        spec: { 'spec-id': 0, fields: [{ 'source-id': 1, name: 'a_month', transform: 'month' }] },
      },
      { action: 'set-default-spec', 'spec-id': -1 },
      { action: 'add-sort-order', 'sort-order': { 'order-id': 0, fields: [] } },
      { action: 'set-default-sort-order', 'sort-order-id': -1 },
      { action: 'set-location', location: 'file:///w/new' },
      { action: 'set-properties', updates: { owner: 'me' } },
    ]
    const empty = { uuid: 'u', location: 'file:///w/else', nowMs: NOW }
    const table = createByUpdates(empty, parseUpdates(updates, 'request'))
    expect(table).toMatchObject({
      tableUuid: 'fb072c92-a02b-11e9-ae9c-1bb7bc9eca94',
      location: 'file:///w/new',
      lastColumnId: 1,
      lastPartitionId: 1000,
      partitionSpecs: [{ specId: 0, fields: [{ fieldId: 1000 }] }],
      sortOrders: [{ orderId: 0 }],
      properties: { owner: 'me' },
    })
    expect(parseMetadata(formatMetadata(table), 'v')).toEqual(table)
    expect(() => createByUpdates(empty, parseUpdates(updates.slice(4), 'request'))).toThrow(/schema/)
    expect(() => createByUpdates(empty, parseUpdates(updates.slice(0, 4), 'request'))).toThrow(
      /partition spec/,
    )
  })
})
