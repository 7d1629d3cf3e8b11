import fc from 'fast-check'
import { expect, test } from 'vitest'
import { TicklakeError } from '#core'
import { createdTable, parseCreateTable } from '../../../src/storage/iceberg/create-table.js'
import { formatJson, type Json, parseJson } from '../../../src/storage/iceberg/json.js'
import { formatMetadata, parseMetadata } from '../../../src/storage/iceberg/metadata-file.js'
import { checkRequirements, parseRequirements } from '../../../src/storage/iceberg/requirements.js'
import {
  EMPTY_TRADES,
  foreignAppend,
  LAST_SCHEMA,
  NOW,
  optional,
  schemaWith,
  updated,
  withAppends,
} from '../../support/table-metadata.js'

const LATER = NOW + 60_000
const four = withAppends(EMPTY_TRADES, 4)
const sortField = { 'source-id': 1, transform: 'identity', direction: 'asc', 'null-order': 'nulls-first' }
const spec = {
  'spec-id': 1,
  fields: [{ 'source-id': 1, 'field-id': 1001, name: 'p', transform: 'bucket[4]' }],
}
const nested = {
  type: 'map',
  'key-id': 20,
  key: 'string',
  'value-id': 21,
  value: 'int',
  'value-required': true,
}

/** One right update of each kind. */
const UPDATES: readonly Json[] = [
  { action: 'assign-uuid', uuid: four.tableUuid },
  { action: 'upgrade-format-version', 'format-version': 2 },
  { action: 'add-schema', schema: schemaWith(four, optional(19, 'tags', nested)), 'last-column-id': 21 },
  LAST_SCHEMA,
  { action: 'add-spec', spec },
  { action: 'set-default-spec', 'spec-id': -1 },
  { action: 'add-sort-order', 'sort-order': { 'order-id': 1, fields: [sortField] } },
  { action: 'set-default-sort-order', 'sort-order-id': -1 },
  ...foreignAppend(four, 2n ** 63n - 25n, LATER),
  {
    action: 'set-snapshot-ref',
    'ref-name': 'a',
    type: 'branch',
    'snapshot-id': 3,
    'min-snapshots-to-keep': 2,
  },
  { action: 'set-statistics', statistics: { 'snapshot-id': 3, 'statistics-path': 's' } },
  { action: 'set-partition-statistics', 'partition-statistics': { 'snapshot-id': 3 } },
  { action: 'remove-statistics', 'snapshot-id': 3 },
  { action: 'remove-partition-statistics', 'snapshot-id': 3 },
  { action: 'remove-snapshot-ref', 'ref-name': 'a' },
  { action: 'remove-snapshots', 'snapshot-ids': [1, 2] },
  { action: 'set-location', location: 'file:///w/else' },
  { action: 'set-properties', updates: { a: 'b' } },
  { action: 'remove-properties', removals: ['a'] },
  { action: 'remove-partition-specs', 'spec-ids': [0] },
  { action: 'remove-schemas', 'schema-ids': [7] },
]
const REQUIREMENTS: readonly Json[] = [
  { type: 'assert-table-uuid', uuid: four.tableUuid },
  { type: 'assert-ref-snapshot-id', ref: 'main', 'snapshot-id': 4 },
  { type: 'assert-default-spec-id', 'default-spec-id': 0 },
]
const CREATE: Json = {
  name: 't',
  schema: { ...schemaWith(four, optional(19, 'tags', nested)), 'identifier-field-ids': [] },
  'partition-spec': spec,
  'write-order': { 'order-id': 1, fields: [sortField] },
  properties: { a: 'b' },
  'stage-create': true,
}

const junk: fc.Arbitrary<Json> = fc.oneof(
  fc.constantFrom<Json>(
    null,
    true,
    '',
    'x',
    '__proto__',
    'main',
    'branch',
    'day',
    'struct',
    'long',
    [],
    {},
    [{}],
    [null],
  ),
  fc.constantFrom<Json>(-1, 0, 1, 3, 19, 1000, 2 ** 31, 1.5, -(2n ** 63n), 2n ** 64n, 1e300),
  fc.constantFrom<Json>({ type: 'list' }, { type: 'struct', fields: [{}] }, { type: { type: 'map' } }),
)

/** Every place inside of a value, as the keys that lead there. */
function placesOf(json: Json): readonly (readonly string[])[] {
  if (typeof json !== 'object' || json === null) return [[]]
  const inside = Object.entries(json).flatMap(([key, value]) =>
    placesOf(value as Json).map((place) => [key, ...place]),
  )
  return [[], ...inside]
}

function withJunk(json: Json, [key, ...rest]: readonly string[], value: Json): Json {
  if (key === undefined) return value
  // Places are those of this value, so that what is on the way to one is a list or an object.
  const copy = structuredClone(json) as Record<string, Json>
  copy[key] = withJunk(copy[key]!, rest, value)
  return copy
}

const wrong = (json: Json) =>
  fc.tuple(fc.constantFrom(...placesOf(json)), junk).map(([place, value]) => withJunk(json, place, value))

/** Runs it; a refusal has to be one that becomes 400 or 409. */
function refusedOr(run: () => void): void {
  try {
    run()
  } catch (error) {
    if (!(error instanceof TicklakeError)) throw error
    expect(['invalid_input', 'conflict']).toContain(error.code)
  }
}

test('the requests are right as they are', () => {
  const table = updated(four, LATER, ...UPDATES.slice(0, -2))
  expect(parseMetadata(formatMetadata(table), 'v')).toEqual(table)
  checkRequirements(four, parseRequirements(REQUIREMENTS, 'request'))
  expect(parseCreateTable(CREATE, 'request').name).toBe('t')
})

test('whatever is wrong in an update is refused, or leaves sound metadata (a failure prints its seed)', () => {
  fc.assert(
    fc.property(wrong(UPDATES), (updates) =>
      refusedOr(() => {
        const table = updated(four, LATER, ...(Array.isArray(updates) ? updates : [updates]))
        expect(parseMetadata(formatMetadata(table), 'v')).toEqual(table)
      }),
    ),
    { numRuns: 1500 },
  )
})

test('so it is in a requirement', () => {
  fc.assert(
    fc.property(wrong(REQUIREMENTS), (requirements) => {
      const json = parseJson(formatJson(requirements), 'request')
      refusedOr(() => checkRequirements(four, parseRequirements(json, 'request')))
      refusedOr(() => checkRequirements(null, parseRequirements(json, 'request')))
    }),
    { numRuns: 300 },
  )
})

test('and in the request to create a table', () => {
  fc.assert(
    fc.property(wrong(CREATE), (request) =>
      refusedOr(() => {
        const json = parseJson(formatJson(request), 'request')
        const empty = { uuid: four.tableUuid, location: 'file:///w/t', nowMs: NOW }
        const table = createdTable(parseCreateTable(json, 'request'), empty)
        expect(parseMetadata(formatMetadata(table), 'v')).toEqual(table)
      }),
    ),
    { numRuns: 500 },
  )
})
