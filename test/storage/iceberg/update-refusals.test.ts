import { expect, test } from 'vitest'
import { type Json, parseJson } from '../../../src/storage/iceberg/json.js'
import { currentSchema } from '../../../src/storage/iceberg/metadata.js'
import { formatMetadata } from '../../../src/storage/iceberg/metadata-file.js'
import { schemaJson } from '../../../src/storage/iceberg/schema.js'
import { parseUpdates } from '../../../src/storage/iceberg/updates.js'
import {
  EMPTY_TRADES,
  foreignAppend,
  LAST_SCHEMA,
  NOW,
  optional,
  schemaWith,
  setMain,
  updated,
  withAppends,
} from '../../support/table-metadata.js'

const LATER = NOW + 60_000
const four = withAppends(EMPTY_TRADES, 4)

const snapshot = (change: Record<string, Json>): Json => {
  const [add] = foreignAppend(four, 9n, LATER) as [{ snapshot: Record<string, Json> }, Json]
  return { action: 'add-snapshot', snapshot: { ...add.snapshot, ...change } }
}
const addSchema = (...fields: readonly Json[]): Json => ({
  action: 'add-schema',
  schema: schemaWith(four, ...fields),
})
const without = (name: string, ...more: readonly Json[]): Json => {
  const json = schemaJson(currentSchema(four))
  const fields = (json.fields as { name: string }[]).filter((one) => one.name !== name) as unknown as Json[]
  return { action: 'add-schema', schema: { ...json, fields: [...fields, ...more] } }
}
const spec = (...fields: readonly Json[]): Json => ({ action: 'add-spec', spec: { fields } })
const part = (transform: string, sourceId = 1, name = 'p', rest = {}): Json => ({
  transform,
  'source-id': sourceId,
  name,
  ...rest,
})
const ref = (change: Record<string, Json>): Json => ({ ...setMain(4n), ...change })

test.each<[problem: RegExp, updates: readonly Json[], code?: string]>([
  [
    /updates\[1\]\.action: "enable-row-lineage" is not an update/,
    [setMain(4n), { action: 'enable-row-lineage' }],
  ],
  [/"constructor" is not an update/, [{ action: 'constructor' }]],
  [/updates\[0\]\.action: expected a string/, [{}]],
  [/updates\[0\]: expected an object/, ['assign-uuid']],
  [/"not-one" is not a UUID/, [{ action: 'assign-uuid', uuid: 'not-one' }]],
  [/keeps it/, [{ action: 'assign-uuid', uuid: 'fb072c92-a02b-11e9-ae9c-1bb7bc9eca94' }]],
  [/format-version: "3" is not the version/, [{ action: 'upgrade-format-version', 'format-version': 3 }]],
  [/format-version: "1" is not the version/, [{ action: 'upgrade-format-version', 'format-version': 1 }]],
  [/"\/\/" is not where a table could lie/, [{ action: 'set-location', location: '//' }]],
  [/updates\.a: expected a string, found 1/, [{ action: 'set-properties', updates: { a: 1 } }]],
  [/removals\.0: expected a string, found 1/, [{ action: 'remove-properties', removals: [1] }]],

  [/two columns are named symbol/, [addSchema(optional(19, 'symbol', 'int'))]],
  [/the id 1 of the column x is that of another one/, [addSchema(optional(1, 'x', 'int'))]],
  [/the column x has the id 0, which is none/, [addSchema(optional(0, 'x', 'int'))]],
  [/the column x has the id 2147483448, which is none/, [addSchema(optional(2_147_483_448, 'x', 'int'))]],
  [
    /schema\.x: "timestamptz_ns" is not a type of format version 2/,
    [addSchema(optional(19, 'x', 'timestamptz_ns'))],
  ],
  [/schema\.x: "decimal\(39, 2\)" is not a type/, [addSchema(optional(19, 'x', 'decimal(39, 2)'))]],
  [/schema\.x: "decimal\(4, 5\)" is not a type/, [addSchema(optional(19, 'x', 'decimal(4, 5)'))]],
  [/x has a default \(write-default\)/, [addSchema(optional(19, 'x', 'int', { 'write-default': 1 }))]],
  [/the schema has no column/, [{ action: 'add-schema', schema: { type: 'struct', fields: [] } }]],
  [
    /the identifier field 1 is symbol \(string, optional\)/,
    [{ action: 'add-schema', schema: { ...schemaJson(currentSchema(four)), 'identifier-field-ids': [1] } }],
  ],
  [/no schema was added that −1/, [LAST_SCHEMA]],
  [/no schema 5/, [{ action: 'set-current-schema', 'schema-id': 5 }]],
  [
    /x would be required, but the table has rows/,
    [addSchema(optional(19, 'x', 'int', { required: true })), LAST_SCHEMA],
  ],
  [
    /exchange_nanos is int, which cannot become string/,
    [without('exchange_nanos', optional(4, 'exchange_nanos', 'string')), LAST_SCHEMA],
  ],
  [
    /exchange_nanos is int, which cannot become list<element: int>/,
    [
      without(
        'exchange_nanos',
        optional(4, 'exchange_nanos', { type: 'list', 'element-id': 19, element: 'int' }),
      ),
      LAST_SCHEMA,
    ],
  ],
  [/the schema has no column 3,/, [without('exchange_timestamp'), LAST_SCHEMA]],
  [/is the current schema/, [{ action: 'remove-schemas', 'schema-ids': [0] }]],
  [/schema-ids\.0: expected a whole number/, [{ action: 'remove-schemas', 'schema-ids': ['0'] }]],

  [/"zorder" is not identity, year/, [spec(part('zorder'))]],
  [/"bucket\[0\]" is not identity, year/, [spec(part('bucket[0]'))]],
  [/partition field p: day does not take symbol, which is string/, [spec(part('day'))]],
  [/hour does not take exchange_nanos, which is int/, [spec(part('hour', 4))]],
  [/has no column 99,/, [spec(part('identity', 99))]],
  [/has the name of a column/, [spec(part('identity', 1, 'exchange'))]],
  [/"p" is not a name of its own/, [spec(part('identity', 2), part('bucket[4]', 1))]],
  [/q repeats bucket\[4\] of column 1/, [spec(part('bucket[4]'), part('bucket[4]', 1, 'q'))]],
  [
    /two partition fields have the id 1005/,
    [spec(part('bucket[4]', 1, 'p', { 'field-id': 1005 }), part('bucket[4]', 2, 'q', { 'field-id': 1005 }))],
  ],
  [
    /has the id 1000, which is exchange_timestamp_day \(day\)/,
    [spec(part('bucket[4]', 1, 'p', { 'field-id': 1000 }))],
  ],
  [/no spec was added/, [{ action: 'set-default-spec', 'spec-id': -1 }]],
  [/no partition spec 4/, [{ action: 'set-default-spec', 'spec-id': 4 }]],
  [/no sort order was added/, [{ action: 'set-default-sort-order', 'sort-order-id': -1 }]],
  [/no sort order 4/, [{ action: 'set-default-sort-order', 'sort-order-id': 4 }]],
  [
    /fields\[0\]\.direction: expected asc or desc, found "up"/,
    [
      {
        action: 'add-sort-order',
        'sort-order': {
          'order-id': 1,
          fields: [{ 'source-id': 1, transform: 'identity', direction: 'up', 'null-order': 'nulls-first' }],
        },
      },
    ],
  ],
  [
    /sort field of column 1: month does not take symbol/,
    [
      {
        action: 'add-sort-order',
        'sort-order': {
          'order-id': 1,
          fields: [{ 'source-id': 1, transform: 'month', direction: 'asc', 'null-order': 'nulls-first' }],
        },
      },
    ],
  ],

  [/snapshot 4: the table has it already/, [snapshot({ 'snapshot-id': 4 })]],
  [/snapshot 0: an id is above 0/, [snapshot({ 'snapshot-id': 0 })]],
  [/snapshot 9: it is its own parent/, [snapshot({ 'parent-snapshot-id': 9 })]],
  [/it has no sequence-number/, [snapshot({ 'sequence-number': null })]],
  [
    /sequence number 4, and the table is at 4: load the table again/,
    [snapshot({ 'sequence-number': 4 })],
    'conflict',
  ],
  [/"merge" is not append, replace/, [snapshot({ summary: { operation: 'merge' } })]],
  [/the table has no schema 3/, [snapshot({ 'schema-id': 3 })]],
  [/600000 ms ahead of the clock here/, [snapshot({ 'timestamp-ms': LATER + 600_000 })]],
  [/manifest-list: expected a string/, [snapshot({ 'manifest-list': null })]],
  [/snapshot log is not in the order of time/, [snapshot({ 'timestamp-ms': NOW - 120_000 }), setMain(9n)]],
  [/main cannot be set to snapshot 99/, [setMain(99n)]],
  [/updates\[0\]\.type: expected branch or tag, found "view"/, [ref({ type: 'view' })]],
  [/main is a branch/, [ref({ type: 'tag' })]],
  [/the tag t is one snapshot/, [ref({ 'ref-name': 't', type: 'tag', 'min-snapshots-to-keep': 2 })]],
  [/retention of t: "0" is not above 0/, [ref({ 'ref-name': 't', type: 'tag', 'max-ref-age-ms': 0 })]],
  [/"" is not the name of a branch or tag/, [ref({ 'ref-name': '' })]],
  [/the table has no snapshot 8/, [{ action: 'set-statistics', statistics: { 'snapshot-id': 8 } }]],
])('%s', (problem, updates, code = 'invalid_input') => {
  const before = formatMetadata(four)
  expect(() => updated(four, LATER, ...updates)).toThrow(
    expect.objectContaining({ code, message: expect.stringMatching(problem) }),
  )
  expect(formatMetadata(four)).toBe(before)
})

test('a list of updates that is none', () => {
  expect(() => parseUpdates(parseJson('{"a":1}', 'x'), 'request')).toThrow(
    /request\.updates: expected a list/,
  )
})

test('an id that was once another column’s', () => {
  const dropped = updated(four, LATER, without('venue'), LAST_SCHEMA)
  const cleaned = updated(
    dropped,
    LATER,
    { action: 'remove-snapshots', 'snapshot-ids': [1, 2, 3, 4] },
    { action: 'remove-schemas', 'schema-ids': [0] },
  )
  const venue = currentSchema(four).fields.find(({ name }) => name === 'venue')!
  const again = { action: 'add-schema', schema: schemaWith(cleaned, optional(venue.id, 'fee', 'int')) }
  expect(() => updated(cleaned, LATER, again)).toThrow(
    /fee has the id \d+, which was that of a column that is gone/,
  )
})
