import { expect, test } from 'vitest'
import { TRADES } from '#core'
import { foreignCommit } from '../../../src/storage/iceberg/foreign-commit.js'
import type { Json } from '../../../src/storage/iceberg/json.js'
import { currentSchema, type TableMetadata } from '../../../src/storage/iceberg/metadata.js'
import { schemaJson } from '../../../src/storage/iceberg/schema.js'
import { currentOffsets } from '../../../src/storage/position.js'
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
const OFFSETS = 'ticklake.offsets'
const at = (table: TableMetadata, offset: number): TableMetadata => {
  const position = { [OFFSETS]: `{"0":${offset}}` }
  return { ...withAppends(table, 1, position), properties: { ...table.properties, ...position } }
}
/** Snapshots 1 and 2 from the log, then one that changes no position, as maintenance makes them. */
const table = withAppends(at(at(EMPTY_TRADES, 5), 9), 1)

const note = (type: string) => optional(19, 'note', type)
const noted = updated(
  table,
  LATER,
  { action: 'add-schema', schema: schemaWith(table, note('string')) },
  LAST_SCHEMA,
)

function commit(base: TableMetadata, ...updates: readonly Json[]): TableMetadata {
  return foreignCommit(base, updated(base, LATER, ...updates), TRADES)
}

test('a snapshot of another engine carries our keys forward, and none of its own making', () => {
  const [add, set] = foreignAppend(table, 77n, LATER) as [{ snapshot: Record<string, Json> }, Json]
  const forged = { operation: 'append', note: 'x', [OFFSETS]: '{"0":99}', 'ticklake.fence': '99' }
  const next = commit(table, { ...add, snapshot: { ...add.snapshot, summary: forged } }, set)
  expect(next.snapshots.at(-1)!.summary).toEqual({ operation: 'append', note: 'x', [OFFSETS]: '{"0":9}' })
  expect(currentOffsets(next)).toEqual([9])
  const two = commit(table, ...foreignAppend(table, 77n, LATER), ...foreignAppend(next, 78n, LATER))
  expect(two.snapshots.at(-1)!.summary[OFFSETS]).toBe('{"0":9}')
})

test('a table that another engine fills first begins at its first position', () => {
  const next = commit(EMPTY_TRADES, ...foreignAppend(EMPTY_TRADES, 77n, LATER))
  expect(next.snapshots[0]!.summary[OFFSETS]).toBe(EMPTY_TRADES.properties[OFFSETS])
  expect(currentOffsets(next)).toEqual([0])
})

test('main may go back over snapshots that did not move the position', () => {
  const next = commit(table, setMain(2n))
  expect([next.currentSnapshotId, currentOffsets(next)]).toEqual([2n, [9]])
})

test('a name that queries have for another column stays where it is, but no other one gets it', () => {
  const named = (...names: readonly [id: number, name: string][]) => [
    {
      action: 'add-schema',
      schema: schemaWith(table, ...names.map(([id, name]) => optional(id, name, 'string'))),
    },
    LAST_SCHEMA,
  ]
  const before = updated(table, LATER, ...named([19, 'filename']))
  expect(currentSchema(commit(before, ...named([19, 'filename'], [20, 'note']))).fields.at(-1)?.name).toBe(
    'note',
  )
  expect(() => commit(before, ...named([19, 'filename'], [20, 'source_row']))).toThrow('source_row belongs')
})

test('columns may be added, renamed and widened; properties, refs and partitions may change', () => {
  const widened = JSON.parse(
    JSON.stringify(schemaWith(table, optional(19, 'note', 'string'))).replace('"venue"', '"place"'),
  )
  const next = commit(
    table,
    { action: 'add-schema', schema: widened },
    LAST_SCHEMA,
    { action: 'set-properties', updates: { owner: 'me' } },
    { action: 'add-spec', spec: { fields: [] } },
    { action: 'set-default-spec', 'spec-id': -1 },
    { ...setMain(1n), 'ref-name': 'old' },
    { action: 'remove-snapshots', 'snapshot-ids': [2] },
  )
  expect(next).toMatchObject({ currentSchemaId: 1, defaultSpecId: 1, refs: { old: { snapshotId: 1n } } })
  expect(commit(table)).toBe(table)
})

/** A problem, the table that has it, and the updates that would make it so. */
type Refusal = readonly [problem: RegExp, base: TableMetadata, updates: readonly Json[]]

/** Numbers after which there is no next one, or none that other engines can read. */
const outOfBounds: readonly Refusal[] = [
  [
    /snapshot 9223372036854775808: an id is above 0 and has 63 bits/,
    table,
    foreignAppend(table, 2n ** 63n, LATER),
  ],
  [
    /has the sequence number 9007199254740991: the next one is 4/,
    table,
    foreignAppend({ ...table, lastSequenceNumber: Number.MAX_SAFE_INTEGER - 1 }, 77n, LATER),
  ],
  [
    /last-column-id: 9007199254740991 is the id of no column/,
    table,
    [
      {
        action: 'add-schema',
        schema: schemaWith(table, note('string')),
        'last-column-id': Number.MAX_SAFE_INTEGER,
      },
    ],
  ],
  ...[Number.MAX_SAFE_INTEGER, 2 ** 31, 999, -1].map(
    (id): Refusal => [
      new RegExp(`the partition field p has the id ${id}, and ids are 1000 to 2147483647`),
      table,
      [
        {
          action: 'add-spec',
          spec: { fields: [{ 'source-id': 1, 'field-id': id, name: 'p', transform: 'bucket[4]' }] },
        },
      ],
    ],
  ),
]

test('totals that another engine does not state as numbers stay unknown, and ingest goes on', () => {
  const [add, set] = foreignAppend(table, 77n, LATER) as [{ snapshot: Record<string, Json> }, Json]
  const summary = {
    operation: 'append',
    'total-records': 'many',
    'total-data-files': '-1',
    'total-files-size': '7',
  }
  const next = commit(table, { ...add, snapshot: { ...add.snapshot, summary } }, set)
  const after = at(next, 12).snapshots.at(-1)!.summary
  expect(Object.keys(after).filter((key) => key.startsWith('total-'))).toEqual(['total-files-size'])
})

test('what would break ingest or its readers is refused, with the reason', () => {
  const json = schemaJson(currentSchema(EMPTY_TRADES))
  const fields = json.fields as readonly { name: string; type: string; required: boolean }[]
  const schemaOf = (change: (field: (typeof fields)[number]) => Json[]): readonly Json[] => [
    { action: 'add-schema', schema: { ...json, fields: fields.flatMap(change) } },
    LAST_SCHEMA,
  ]
  const side = (change: Record<string, Json>) =>
    schemaOf((field) => [field.name === 'side' ? { ...field, ...change } : { ...field }])
  const dropped = schemaOf((field) => (field.name === 'side' ? [] : [{ ...field }]))
  const [orphan, set] = foreignAppend({ ...table, currentSnapshotId: null }, 77n, LATER)
  const refusals: readonly Refusal[] = [
    [
      /snapshot 1, which has the log up to \{"0":5\}, while the table has it up to \{"0":9\}/,
      table,
      [setMain(1n)],
    ],
    [/snapshot 77, which has the log up to nowhere/, table, [orphan, set]],
    [/its main cannot be taken away/, table, [{ action: 'remove-snapshot-ref', 'ref-name': 'main' }]],
    [/its main cannot be taken away/, table, [{ action: 'remove-snapshots', 'snapshot-ids': [3] }]],
    [
      /ticklake\.offsets belongs to ticklake/,
      table,
      [{ action: 'set-properties', updates: { [OFFSETS]: '{}' } }],
    ],
    [
      /ticklake\.new belongs to ticklake and stays unset/,
      table,
      [{ action: 'set-properties', updates: { 'ticklake.new': 'x' } }],
    ],
    [
      /gc\.enabled belongs to ticklake and stays false/,
      table,
      [{ action: 'remove-properties', removals: ['gc.enabled'] }],
    ],
    [
      /schema\.name-mapping\.default is not JSON/,
      table,
      [{ action: 'set-properties', updates: { 'schema.name-mapping.default': 'symbol' } }],
    ],
    [/does not move/, table, [{ action: 'set-location', location: `${LOCATION}-2` }]],
    [/the column side of trades, which ingest writes, cannot be dropped/, table, dropped],
    [/which ingest writes as string, cannot become int/, EMPTY_TRADES, side({ type: 'int' })],
    [/which ingest writes, cannot become required/, EMPTY_TRADES, side({ required: true })],
    [
      /note of trades cannot be required: ingest writes rows without it/,
      EMPTY_TRADES,
      [
        { action: 'add-schema', schema: schemaWith(EMPTY_TRADES, { ...note('string'), required: true }) },
        LAST_SCHEMA,
      ],
    ],
    ...(['Price', 'LOG_OFFSET', 'source_row', 'filename', 'File_Row_Number'] as const).map(
      (name): Refusal => [
        new RegExp(`the name ${name} belongs to ticklake in trades`),
        table,
        [{ action: 'add-schema', schema: schemaWith(table, optional(19, name, 'string')) }, LAST_SCHEMA],
      ],
    ),
    [
      /the name filename belongs to ticklake in trades/,
      noted,
      [{ action: 'add-schema', schema: schemaWith(table, optional(19, 'filename', 'string')) }, LAST_SCHEMA],
    ],
    [
      /there is a column (note|Note) already: (note|Note) needs another name/,
      noted,
      [
        {
          action: 'add-schema',
          schema: schemaWith(table, note('string'), optional(20, 'Note', 'string')),
        },
        LAST_SCHEMA,
      ],
    ],
    // Taken away, main has no rows that a schema would have to read; put back, it has them.
    [
      /the column note is string, which cannot become int/,
      noted,
      [
        { action: 'remove-snapshot-ref', 'ref-name': 'main' },
        { action: 'add-schema', schema: schemaWith(table, note('int')) },
        LAST_SCHEMA,
        setMain(3n),
      ],
    ],
    ...outOfBounds,
  ]
  for (const [problem, base, updates] of refusals) {
    expect(() => commit(base, ...updates)).toThrow(
      expect.objectContaining({ code: 'invalid_input', message: expect.stringMatching(problem) }),
    )
  }
})

test('the partition spec by days stays, whatever the default is: a flush falls back on it', () => {
  const unpartitioned = commit(
    table,
    { action: 'add-spec', spec: { fields: [] } },
    { action: 'set-default-spec', 'spec-id': -1 },
  )
  expect(unpartitioned.defaultSpecId).toBe(1)
  expect(() => commit(unpartitioned, { action: 'remove-partition-specs', 'spec-ids': [0] })).toThrow(
    'the partition spec of trades by day of exchange_timestamp stays',
  )
})
