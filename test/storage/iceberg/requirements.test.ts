import { expect, test } from 'vitest'
import { formatJson, type Json, parseJson } from '../../../src/storage/iceberg/json.js'
import type { TableMetadata } from '../../../src/storage/iceberg/metadata.js'
import { checkRequirements, parseRequirements } from '../../../src/storage/iceberg/requirements.js'
import { EMPTY_TRADES, foreignAppend, NOW, updated, withAppends } from '../../support/table-metadata.js'

const BIG = 2n ** 63n - 25n
const two = withAppends(EMPTY_TRADES, 2)
const tagged = updated(two, NOW + 9000, ...foreignAppend(two, BIG, NOW + 9000), {
  action: 'set-snapshot-ref',
  'ref-name': 'eod',
  type: 'tag',
  'snapshot-id': 1,
})

function check(table: TableMetadata | null, requirement: Json): void {
  const json = parseJson(formatJson([requirement]), 'request')
  checkRequirements(table, parseRequirements(json, 'request'))
}

const ref = (name: string, snapshotId: bigint | null): Json => ({
  type: 'assert-ref-snapshot-id',
  ref: name,
  'snapshot-id': snapshotId,
})

test.each<[requirement: Json, table: TableMetadata | null]>([
  [{ type: 'assert-create' }, null],
  [{ type: 'assert-table-uuid', uuid: tagged.tableUuid.toUpperCase() }, tagged],
  [ref('main', BIG), tagged],
  [ref('eod', 1n), tagged],
  [ref('nobody', null), tagged],
  [ref('constructor', null), tagged],
  [{ type: 'assert-ref-snapshot-id', ref: 'main' }, EMPTY_TRADES],
  [ref('main', null), null],
  [{ type: 'assert-last-assigned-field-id', 'last-assigned-field-id': 18 }, tagged],
  [{ type: 'assert-current-schema-id', 'current-schema-id': 0 }, tagged],
  [{ type: 'assert-last-assigned-partition-id', 'last-assigned-partition-id': 1000 }, tagged],
  [{ type: 'assert-default-spec-id', 'default-spec-id': 0 }, tagged],
  [{ type: 'assert-default-sort-order-id', 'default-sort-order-id': 1 }, tagged],
])('%o is met', (requirement, table) => {
  expect(() => check(table, requirement)).not.toThrow()
})

test.each<[problem: RegExp, requirement: Json, table?: TableMetadata | null]>([
  [/the table exists already/, { type: 'assert-create' }],
  [/has the UUID 0b9b4a3a-.*, not u-2/, { type: 'assert-table-uuid', uuid: 'u-2' }],
  [/there is no such table/, { type: 'assert-table-uuid', uuid: 'u-2' }, null],
  [/the branch main is at snapshot 9223372036854775783, not 9223372036854775782/, ref('main', BIG - 1n)],
  [/the tag eod is at snapshot 1, and should not be there yet/, ref('eod', null)],
  [/there is no branch or tag nobody, which should be at snapshot 7/, ref('nobody', 7n)],
  [/there is no branch or tag main, which should be at snapshot 7/, ref('main', 7n), null],
  [/last column id is 18, not 17/, { type: 'assert-last-assigned-field-id', 'last-assigned-field-id': 17 }],
  [/current schema is 0, not 1/, { type: 'assert-current-schema-id', 'current-schema-id': 1 }],
  [
    /last partition field id is 1000, not 999/,
    { type: 'assert-last-assigned-partition-id', 'last-assigned-partition-id': 999 },
  ],
  [/default partition spec is 0, not 1/, { type: 'assert-default-spec-id', 'default-spec-id': 1 }],
  [/default sort order is 1, not 0/, { type: 'assert-default-sort-order-id', 'default-sort-order-id': 0 }],
])('a conflict: %s', (problem, requirement, table = tagged) => {
  expect(() => check(table, requirement)).toThrow(
    expect.objectContaining({ code: 'conflict', message: expect.stringMatching(problem) }),
  )
})

test.each<[problem: RegExp, requirement: Json]>([
  [
    /requirements\[0\]\.type: "assert-view-uuid" is not a requirement: assert-create,/,
    { type: 'assert-view-uuid' },
  ],
  [/"toString" is not a requirement/, { type: 'toString' }],
  [/requirements\[0\]\.uuid: expected a string, found nothing/, { type: 'assert-table-uuid' }],
  [/default-spec-id: expected a whole number/, { type: 'assert-default-spec-id', 'default-spec-id': '0' }],
])('no requirement: %s', (problem, requirement) => {
  expect(() => check(tagged, requirement)).toThrow(
    expect.objectContaining({ code: 'invalid_input', message: expect.stringMatching(problem) }),
  )
})
