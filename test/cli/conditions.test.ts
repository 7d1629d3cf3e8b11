import { expect, test } from 'vitest'
import { parseConditions } from '../../src/cli/conditions.js'

const HEAD = 'exchanges: [X]\nothers: [volume]\n'

test('a condition table is read', () => {
  const text = `${HEAD}written: flags\ncodes: { 1: [], 20: { counts: [volume], unless: [1, late] } }`
  expect(parseConditions('x.yaml', text)).toEqual({
    exchanges: ['X'],
    written: 'flags',
    codes: [
      { code: '1', counts: [], unless: [] },
      { code: '20', counts: ['volume'], unless: ['1', 'late'] },
    ],
    others: ['volume'],
  })
})

test.each([
  ['written: letters\ncodes: {}', 'x.yaml, written', /characters, words, flags/],
  ['written: words\ncodes: { A: [price] }', 'x.yaml, codes.A', /openClose, highLow, volume/],
  ['written: words\ncodes: { A: [volume] }\nother: []', 'x.yaml', /a setting here; there are exchanges/],
  ['written: characters\ncodes: { AB: [volume] }', 'x.yaml, codes', /one character/],
  ['written: words\ncodes: { "A B": [volume] }', 'x.yaml, codes', /one word/],
])('%j is told by file and key, with what would be right', (text, field, expected) => {
  expect(() => parseConditions('x.yaml', HEAD + text)).toThrow(
    expect.objectContaining({
      code: 'invalid_input',
      detail: expect.objectContaining({ field, expected: expect.stringMatching(expected) }),
    }),
  )
})
