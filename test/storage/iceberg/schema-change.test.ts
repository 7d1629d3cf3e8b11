import { describe, expect, test } from 'vitest'
import { currentSchema, type TableMetadata } from '../../../src/storage/iceberg/metadata.js'
import { changeSchema, type SchemaChange } from '../../../src/storage/iceberg/schema-change.js'
import { EMPTY_TRADES, NOW, updated, withAppends } from '../../support/table-metadata.js'

const table = withAppends(EMPTY_TRADES, 2)
const change = (...changes: readonly SchemaChange[]) => changeSchema(table, changes, NOW + 5000)
const namesOf = (of: TableMetadata) => currentSchema(of).fields.map(({ name }) => name)
const columnOf = (of: TableMetadata, name: string) =>
  currentSchema(of).fields.find((one) => one.name === name)

describe('a schema changes', () => {
  test('by columns that are added: optional, with the next id, where they are asked for', () => {
    const next = change(
      { change: 'add', name: 'note', type: 'decimal(9,2)', doc: 'a text' },
      { change: 'add', name: 'first', type: 'int', position: { at: 'first' } },
      { change: 'add', name: 'beside', type: 'int', position: { at: 'before', column: 'exchange' } },
      { change: 'add', name: 'behind', type: 'int', position: { at: 'after', column: 'exchange' } },
    )
    expect(namesOf(next).slice(0, 5)).toEqual(['first', 'symbol', 'beside', 'exchange', 'behind'])
    expect(columnOf(next, 'note')).toMatchObject({
      id: 19,
      type: 'decimal(9, 2)',
      required: false,
      doc: 'a text',
    })
    expect(columnOf(next, 'behind')).toMatchObject({ id: 22, doc: null })
    expect(next).toMatchObject({ currentSchemaId: 1, lastColumnId: 22, lastUpdatedMs: NOW + 5000 })
    expect(next.schemas).toHaveLength(2)
  })

  test('by a column that is nested, with ids inside of it', () => {
    const type = { type: 'list', 'element-id': 1, element: 'int', 'element-required': false }
    const next = change({ change: 'add', name: 'levels', type })
    expect(columnOf(next, 'levels')).toMatchObject({ id: 19, type: { 'element-id': 20 } })
    expect(next.lastColumnId).toBe(20)
  })

  test('by names, text, order and width, one after the other', () => {
    const next = change(
      { change: 'rename', name: 'venue', to: 'executed_at' },
      { change: 'doc', name: 'executed_at', doc: 'where' },
      { change: 'move', name: 'executed_at', position: { at: 'first' } },
      { change: 'widen', name: 'exchange_nanos', type: 'long' },
      { change: 'widen', name: 'price', type: 'decimal(38, 8)' },
      { change: 'rename', name: 'side', to: 'Side' },
    )
    const venue = columnOf(table, 'venue')!
    expect(currentSchema(next).fields[0]).toEqual({ ...venue, name: 'executed_at', doc: 'where' })
    expect([columnOf(next, 'exchange_nanos')!.type, columnOf(next, 'price')!.type]).toEqual([
      'long',
      'decimal(38, 8)',
    ])
    expect(columnOf(next, 'Side')!.id).toBe(columnOf(table, 'side')!.id)
    expect(next.lastColumnId).toBe(18)
  })

  test('by columns that go; one of the same name later is another one', () => {
    const next = change({ change: 'drop', name: 'venue' }, { change: 'add', name: 'venue', type: 'int' })
    expect(columnOf(next, 'venue')!.id).toBe(19)
    const gone = change({ change: 'drop', name: 'venue' })
    const again = changeSchema(gone, [{ change: 'add', name: 'venue', type: 'int' }], NOW)
    expect(columnOf(again, 'venue')!.id).toBe(19)
  })

  test('back to one that the table had, under its number', () => {
    const next = change({ change: 'rename', name: 'venue', to: 'place' })
    const back = changeSchema(next, [{ change: 'rename', name: 'place', to: 'venue' }], NOW)
    expect([next.currentSchemaId, back.currentSchemaId, back.schemas.length]).toEqual([1, 0, 2])
  })

  test('or not at all', () => {
    expect(change({ change: 'doc', name: 'venue', doc: columnOf(table, 'venue')!.doc })).toBe(table)
    expect(
      change(
        { change: 'make-optional', name: 'venue' },
        { change: 'widen', name: 'price', type: 'decimal(18,8)' },
      ),
    ).toBe(table)
    expect(change({ change: 'add', name: 'a', type: 'int' }, { change: 'drop', name: 'a' })).toBe(table)
  })

  test('a required column becomes optional, unless it tells rows apart', () => {
    const json = {
      type: 'struct',
      'identifier-field-ids': [1],
      fields: [
        { id: 1, name: 'symbol', required: true, type: 'string' },
        { id: 3, name: 'exchange_timestamp', required: true, type: 'timestamptz' },
      ],
    }
    const foreign = updated(
      EMPTY_TRADES,
      NOW,
      { action: 'set-default-sort-order', 'sort-order-id': 0 },
      { action: 'add-schema', schema: json },
      { action: 'set-current-schema', 'schema-id': -1 },
    )
    const optional = changeSchema(foreign, [{ change: 'make-optional', name: 'exchange_timestamp' }], NOW)
    expect(columnOf(optional, 'exchange_timestamp')!.required).toBe(false)
    for (const one of ['make-optional', 'drop'] as const) {
      expect(() => changeSchema(foreign, [{ change: one, name: 'symbol' }], NOW)).toThrow(/tells rows apart/)
    }
  })
})

test.each<[problem: RegExp, ...changes: readonly SchemaChange[]]>([
  [/column: "nothing" is not one of symbol, exchange,/, { change: 'drop', name: 'nothing' }],
  [
    /there is a column venue already: VENUE needs another name/,
    { change: 'add', name: 'VENUE', type: 'int' },
  ],
  [/there is a column venue already/, { change: 'rename', name: 'side', to: 'Venue' }],
  [/"1st" is not a name of letters/, { change: 'add', name: '1st', type: 'int' }],
  [/"a b" is not a name of letters/, { change: 'rename', name: 'side', to: 'a b' }],
  [/is not a name of letters/, { change: 'add', name: 'a'.repeat(256), type: 'int' }],
  [/note: "money" is not a type of format version 2/, { change: 'add', name: 'note', type: 'money' }],
  [/the name of a column/, { change: 'add', name: 'exchange_timestamp_day', type: 'int' }],
  [
    /exchange_nanos is int and cannot become string without a rewrite/,
    { change: 'widen', name: 'exchange_nanos', type: 'string' },
  ],
  [
    /price is decimal\(18, 8\) and cannot become decimal\(18, 9\)/,
    { change: 'widen', name: 'price', type: 'decimal(18, 9)' },
  ],
  [
    /exchange_timestamp partitions the table \(partition spec 0\): change the partition/,
    { change: 'drop', name: 'exchange_timestamp' },
  ],
  [/symbol sorts the table \(sort order 1\)/, { change: 'drop', name: 'symbol' }],
  [
    /"side" is not another column/,
    { change: 'move', name: 'side', position: { at: 'after', column: 'side' } },
  ],
  [/"x" is not one of/, { change: 'move', name: 'side', position: { at: 'before', column: 'x' } }],
])('refused: %s', (problem, ...changes) => {
  expect(() => change(...changes)).toThrow(
    expect.objectContaining({ code: 'invalid_input', message: expect.stringMatching(problem) }),
  )
})
