import { invalid, TicklakeError } from '#core'
import { asRequest, Fields, type Json } from './json.js'
import type { TableMetadata } from './metadata.js'
import { refNamed } from './refs.js'

/** What must be so for a commit: null if it is, else what is instead. The table is null while it does not exist. */
export type Requirement = (table: TableMetadata | null) => string | null

type Parser = (from: Fields) => Requirement

/** Every requirement that a request may hold (Iceberg REST: TableRequirement), by its type. */
const REQUIREMENTS: ReadonlyMap<string, Parser> = new Map<string, Parser>([
  ['assert-create', () => (table) => (table ? 'the table exists already' : null)],
  [
    'assert-table-uuid',
    (from) => {
      const uuid = from.string('uuid')
      return ofTable(({ tableUuid }) =>
        tableUuid.toLowerCase() === uuid.toLowerCase()
          ? null
          : `the table has the UUID ${tableUuid}, not ${uuid}`,
      )
    },
  ],
  [
    'assert-ref-snapshot-id',
    (from) => {
      const name = from.string('ref')
      const expected = from.optional('snapshot-id', from.long, null)
      return (table) => {
        const ref = table && refNamed(table, name)
        if ((ref?.snapshotId ?? null) === expected) return null
        if (!ref) return `there is no branch or tag ${name}, which should be at snapshot ${expected}`
        const instead = expected === null ? 'and should not be there yet' : `not ${expected}`
        return `the ${ref.type} ${name} is at snapshot ${ref.snapshotId}, ${instead}`
      }
    },
  ],
  [
    'assert-last-assigned-field-id',
    ofNumber('last-assigned-field-id', 'last column id', (t) => t.lastColumnId),
  ],
  ['assert-current-schema-id', ofNumber('current-schema-id', 'current schema', (t) => t.currentSchemaId)],
  [
    'assert-last-assigned-partition-id',
    ofNumber('last-assigned-partition-id', 'last partition field id', (t) => t.lastPartitionId),
  ],
  ['assert-default-spec-id', ofNumber('default-spec-id', 'default partition spec', (t) => t.defaultSpecId)],
  [
    'assert-default-sort-order-id',
    ofNumber('default-sort-order-id', 'default sort order', (t) => t.defaultSortOrderId),
  ],
])

/** The requirements of a request. `invalid_input` names an unknown one. */
export function parseRequirements(json: Json, path: string): readonly Requirement[] {
  return asRequest(() =>
    new Fields({ requirements: json }, path).list('requirements', (element, at) => {
      const from = new Fields(element, at)
      const type = from.string('type')
      const parse = REQUIREMENTS.get(type)
      if (!parse) throw invalid(`${at}.type`, type, `a requirement: ${[...REQUIREMENTS.keys()].join(', ')}`)
      return parse(from)
    }),
  )
}

/** `conflict` with what is not as required. Null: there is no such table. */
export function checkRequirements(table: TableMetadata | null, requirements: readonly Requirement[]): void {
  for (const requirement of requirements) {
    const problem = requirement(table)
    if (problem !== null) throw new TicklakeError('conflict', `a requirement fails: ${problem}`)
  }
}

function ofNumber(key: string, what: string, read: (table: TableMetadata) => number): Parser {
  return (from) => {
    const expected = from.integer(key)
    return ofTable((table) =>
      read(table) === expected ? null : `the ${what} is ${read(table)}, not ${expected}`,
    )
  }
}

function ofTable(requirement: (table: TableMetadata) => string | null): Requirement {
  return (table) => (table ? requirement(table) : 'there is no such table')
}
