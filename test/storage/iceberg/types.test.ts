import fc from 'fast-check'
import { expect, test } from 'vitest'
import { NO_FIELDS } from '../../../src/storage/iceberg/json.js'
import {
  type Column,
  everyColumn,
  isWidening,
  parseType,
  renumbered,
  type Type,
  typeJson,
  typeName,
} from '../../../src/storage/iceberg/types.js'

const primitive = fc.constantFrom(
  'int',
  'long',
  'decimal(9, 2)',
  'fixed[16]',
  'timestamptz',
  'string',
  'uuid',
)
const part = (name: string, type: Type, required = false): Column => ({
  id: 1,
  name,
  required,
  type,
  doc: null,
  extra: NO_FIELDS,
})
const { type: anyType } = fc.letrec<{ type: Type }>((tie) => ({
  type: fc.oneof(
    { maxDepth: 3 },
    primitive,
    fc.tuple(tie('type'), fc.boolean()).map(
      ([type, required]): Type => ({
        kind: 'list',
        parts: [part('element', type, required)],
        extra: NO_FIELDS,
      }),
    ),
    fc.tuple(tie('type'), tie('type')).map(
      ([key, value]): Type => ({
        kind: 'map',
        parts: [part('key', key, true), part('value', value)],
        extra: NO_FIELDS,
      }),
    ),
    fc.array(tie('type'), { maxLength: 3 }).map(
      (types): Type => ({
        kind: 'struct',
        parts: types.map((type, n) => part(`f${n}`, type)),
        extra: NO_FIELDS,
      }),
    ),
  ),
}))

test('a type is written as it was read, and numbered anew without a hole (a failure prints its seed)', () => {
  fc.assert(
    fc.property(fc.array(anyType, { minLength: 1, maxLength: 4 }), (types) => {
      let last = 0
      const columns = renumbered(
        types.map((type, n) => part(`c${n}`, type)),
        () => ++last,
      )
      const ids = [...everyColumn(columns)].map(({ id }) => id)
      expect([...ids].sort((a, b) => a - b)).toEqual(ids.map((_, index) => index + 1))
      expect(columns.map(({ id }) => id)).toEqual(types.map((_, index) => index + 1))
      for (const { type } of columns) expect(parseType(typeJson(type), 'type')).toEqual(type)
    }),
  )
})

test.each([
  ['decimal( 9 ,2)', 'decimal(9, 2)'],
  ['fixed[ 4 ]', 'fixed[4]'],
  ['timestamp', 'timestamp'],
])('%s is spelt %s', (written, name) => {
  expect(parseType(written, 'type')).toBe(name)
})

test.each([
  'decimal(0, 0)',
  'decimal(39, 0)',
  'decimal(3, 4)',
  'Int',
  'timestamp_ns',
  'fixed',
  '',
  'geometry',
])('%j is no type of version 2', (name) => {
  expect(() => parseType(name, 'type')).toThrow(/is not a type of format version 2/)
})

test.each([[1], [null], [{ type: 'set' }], [{ type: 'list', 'element-id': 1 }]])('%j is no type', (json) => {
  expect(() => parseType(json, 'type')).toThrow(expect.objectContaining({ code: 'corrupt' }))
})

test.each<[from: string, to: string, widens: boolean]>([
  ['int', 'long', true],
  ['long', 'int', false],
  ['int', 'double', false],
  ['float', 'double', true],
  ['double', 'float', false],
  ['decimal(9, 2)', 'decimal(18, 2)', true],
  ['decimal(18, 2)', 'decimal(9, 2)', false],
  ['decimal(9, 2)', 'decimal(18, 3)', false],
  ['decimal(9, 2)', 'decimal(9, 2)', false],
  ['date', 'timestamptz', false],
  ['string', 'binary', false],
])('%s to %s: %s', (from, to, widens) => {
  expect(isWidening(from, to)).toBe(widens)
})

test('a nested type reads as one does in SQL', () => {
  const type = parseType({ type: 'list', 'element-id': 1, element: 'int', 'element-required': true }, 'type')
  expect(typeName(type)).toBe('list<element: int>')
})
