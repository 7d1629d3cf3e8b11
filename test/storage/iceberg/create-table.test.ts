import { expect, test } from 'vitest'
import { createdTable, parseCreateTable } from '../../../src/storage/iceberg/create-table.js'
import { formatJson, type Json, parseJson } from '../../../src/storage/iceberg/json.js'
import { formatMetadata, parseMetadata } from '../../../src/storage/iceberg/metadata-file.js'

const UUID = 'fb072c92-a02b-11e9-ae9c-1bb7bc9eca94'
const EMPTY = { uuid: UUID, location: 'file:///w/ns/fills', nowMs: 1_700_000_000_000 }

const request = {
  name: 'fills',
  schema: {
    type: 'struct',
    'identifier-field-ids': [7],
    fields: [
      { id: 0, name: 'at', required: false, type: 'timestamptz' },
      {
        id: 1,
        name: 'legs',
        required: false,
        type: {
          type: 'list',
          'element-id': 2,
          'element-required': true,
          element: {
            type: 'struct',
            fields: [
              { id: 3, name: 'price', required: false, type: 'decimal(18,8)' },
              { id: 4, name: 'venue', required: false, type: 'string', doc: 'where' },
            ],
          },
        },
      },
      {
        id: 5,
        name: 'tags',
        required: false,
        type: {
          type: 'map',
          'key-id': 6,
          key: 'string',
          'value-id': 8,
          value: 'string',
          'value-required': false,
        },
      },
      { id: 7, name: 'symbol', required: true, type: 'string' },
    ],
  },
  'partition-spec': {
    fields: [
      { 'source-id': 0, name: 'at_day', transform: 'day' },
      { 'source-id': 7, 'field-id': 1200, name: 'symbol_bucket_8', transform: 'bucket[8]' },
    ],
  },
  'write-order': {
    'order-id': 3,
    fields: [{ 'source-id': 7, transform: 'identity', direction: 'asc', 'null-order': 'nulls-first' }],
  },
  properties: { 'format-version': '2', owner: 'me' },
  'stage-create': true,
}

const parse = (json: Json) => parseCreateTable(parseJson(formatJson(json), 'request'), 'request')
const create = (change: Record<string, Json> = {}) => createdTable(parse({ ...request, ...change }), EMPTY)

test('a table gets ids of ours: one level first, then what is inside', () => {
  const table = create()
  expect(table.schemas).toHaveLength(1)
  expect(table.schemas[0]!.fields).toMatchObject([
    { id: 1, name: 'at', type: 'timestamptz' },
    {
      id: 2,
      name: 'legs',
      type: {
        'element-id': 5,
        element: {
          fields: [
            { id: 6, name: 'price', type: 'decimal(18, 8)' },
            { id: 7, name: 'venue', doc: 'where' },
          ],
        },
      },
    },
    { id: 3, name: 'tags', type: { 'key-id': 8, 'value-id': 9 } },
    { id: 4, name: 'symbol', required: true },
  ])
  expect(table.schemas[0]!.extra).toEqual({ 'identifier-field-ids': [4] })
  expect(table).toMatchObject({
    tableUuid: UUID,
    location: EMPTY.location,
    lastColumnId: 9,
    currentSchemaId: 0,
    defaultSpecId: 0,
    lastPartitionId: 1001,
    partitionSpecs: [
      {
        specId: 0,
        fields: [
          { sourceId: 1, fieldId: 1000, name: 'at_day', transform: 'day' },
          { sourceId: 4, fieldId: 1001, name: 'symbol_bucket_8', transform: 'bucket[8]' },
        ],
      },
    ],
    defaultSortOrderId: 1,
    sortOrders: [{ orderId: 0 }, { orderId: 1, fields: [{ sourceId: 4 }] }],
    properties: { owner: 'me' },
    currentSnapshotId: null,
    snapshots: [],
  })
  expect(table.properties).not.toHaveProperty('format-version')
  expect(parseMetadata(formatMetadata(table), 'v')).toEqual(table)
})

test('a request says the name, where, and whether it is staged', () => {
  expect(parse(request)).toMatchObject({ name: 'fills', location: null, isStaged: true })
  expect(parse({ ...request, location: 's3://b/fills', 'stage-create': false })).toMatchObject({
    location: 's3://b/fills',
    isStaged: false,
  })
})

test('without partitions and order there is one spec without fields, and no order', () => {
  const table = create({ 'partition-spec': null, 'write-order': null, properties: null })
  expect(table).toMatchObject({
    partitionSpecs: [{ specId: 0, fields: [] }],
    lastPartitionId: 999,
    defaultSortOrderId: 0,
    sortOrders: [{ orderId: 0, fields: [] }],
    properties: {},
  })
})

const column = (id: number, name: string, type: Json = 'string'): Json => ({
  id,
  name,
  required: false,
  type,
})
const schemaOf = (...fields: readonly Json[]): Json => ({ type: 'struct', fields })

test.each<[problem: RegExp, change: Record<string, Json>]>([
  [/request\.name: expected a string/, { name: null }],
  [/"" is not the name of a table/, { name: '' }],
  [/request\.schema: expected an object/, { schema: null }],
  [/two columns of the schema have the id 0/, { schema: schemaOf(column(0, 'at'), column(0, 'symbol')) }],
  [/two columns are named a/, { schema: schemaOf(column(0, 'a'), column(7, 'a')) }],
  [/day: the schema has no column 0/, { schema: schemaOf(column(7, 'a')) }],
  [
    /identifier-field-ids: the schema has no column 9/,
    { schema: { ...request.schema, 'identifier-field-ids': [9] } },
  ],
  [/"variant" is not a type of format version 2/, { schema: schemaOf(column(0, 'at', 'variant')) }],
  [/day does not take at, which is string/, { schema: schemaOf(column(0, 'at'), column(7, 'symbol')) }],
  [
    /it is inside of a list or map/,
    { 'partition-spec': { fields: [{ 'source-id': 4, name: 'v', transform: 'identity' }] } },
  ],
  [/format-version: "3" is not/, { properties: { 'format-version': '3' } }],
  [/stage-create: expected true or false/, { 'stage-create': 'yes' }],
])('refused: %s', (problem, change) => {
  expect(() => create(change)).toThrow(
    expect.objectContaining({ code: 'invalid_input', message: expect.stringMatching(problem) }),
  )
})
