import fc from 'fast-check'
import { beforeAll, expect, test } from 'vitest'
import { type ConditionTable, PRINT_USES } from '#core'
import { sqlString } from '#engine'
import { loadConditions } from '../../src/cli/conditions.js'
import { countsFor } from '../../src/query/print-uses.js'
import { counts } from '../support/condition-tables.js'
import { engineFixture } from '../support/engine-fixture.js'

const fixture = engineFixture('prints')
let shipped: readonly ConditionTable[]
beforeAll(async () => {
  shipped = await loadConditions(new URL('../../config/conditions', import.meta.url).pathname)
})

const USES = fc.subarray([...PRINT_USES])

/** Tables of few codes, so that prints meet them often. */
function table(exchange: string, written: ConditionTable['written'], codes: readonly string[]) {
  const code = fc.record({
    code: fc.constantFrom(...codes),
    counts: USES,
    unless: fc.subarray([...codes], { maxLength: 2 }),
  })
  return fc.record({
    exchanges: fc.constant([exchange]),
    written: fc.constant(written),
    codes: fc.uniqueArray(code, { selector: (one) => one.code, maxLength: 4 }),
    others: USES,
  })
}

const tables = fc.tuple(
  table('C', 'characters', ['@', 'T', "'", '-']),
  table('W', 'words', ['1', '25', 'XT', "'"]),
  table('F', 'flags', ['1', '20', '80000000', 'suspicious']),
)
const prints = fc.array(
  fc.oneof(
    fc.tuple(
      fc.constant('C'),
      fc.array(fc.constantFrom('@', 'T', "'", '-', ' ', 'Q')).map((all) => all.join('')),
    ),
    fc.tuple(
      fc.constantFrom('W', 'nobody'),
      fc.array(fc.constantFrom('1', '25', '2', 'XT', "'", '')).map((all) => all.join(', ')),
    ),
    fc.tuple(
      fc.constant('F'),
      fc
        .tuple(fc.subarray([1, 4, 0x20, 0x80000000]), fc.subarray(['suspicious', 'odd']))
        .map(([bits, words]) => [bits.reduce((sum, bit) => sum + bit, 0).toString(16), ...words].join(' ')),
    ),
    fc.tuple(fc.constantFrom('C', 'W', 'F'), fc.constant(null)),
  ),
  { minLength: 1, maxLength: 30 },
)

test('a print counts for what each of its codes lets it count for (a failure prints its seed)', async () => {
  const property = fc.asyncProperty(tables, prints, async (chosen, rows) => {
    expect(await usesOf(rows, chosen)).toEqual(usesByHand(rows, chosen))
  })
  await fc.assert(property, { numRuns: 100, verbose: true })
})

test.each<[string, string | null, string]>([
  ['XNYS', '@', 'openClose highLow volume'],
  ['XNYS', '@ T', 'volume'],
  ['XNYS', '@FI', 'volume'],
  ['XNYS', 'B', 'volume'],
  ['XNAS', 'B', 'openClose highLow volume'],
  ['XNAS', '@Z', 'highLow volume'],
  ['XNAS', 'M', ''],
  ['XNAS', '9', 'openClose highLow'],
  ['XNAS', '@?', 'volume'],
  ['XNAS', null, 'openClose highLow volume'],
  ['US-SIP', '1', 'openClose highLow volume'],
  ['US-SIP', '20000020', 'volume'],
  ['US-SIP', '20002020', 'openClose highLow volume'],
  ['US-SIP', '4800', 'openClose highLow volume'],
  ['US-SIP', '1 suspicious', 'volume'],
  ['ASX', '0', 'openClose highLow volume'],
  ['ASX', '3', 'volume'],
  ['elsewhere', 'T', 'openClose highLow volume'],
])('%s %j counts for %s', async (exchange, conditions, uses) => {
  expect(await usesOf([[exchange, conditions]], shipped)).toEqual([uses])
  expect(usesByHand([[exchange, conditions]], shipped)).toEqual([uses])
})

type Print = readonly [exchange: string, conditions: string | null]

async function usesOf(rows: readonly Print[], chosen: readonly ConditionTable[]): Promise<readonly string[]> {
  const values = rows.map(
    ([exchange, conditions], index) =>
      `(${index}, ${sqlString(exchange)}, ${conditions === null ? 'NULL' : sqlString(conditions)})`,
  )
  const uses = PRINT_USES.map((use) => `CASE WHEN ${countsFor(use, chosen)} THEN '${use}' END`)
  const { columns } = await fixture.engine.query(
    `SELECT concat_ws(' ', ${uses.join(', ')}) FROM (VALUES ${values.join(', ')}) AS t(i, exchange, conditions) ORDER BY i`,
  )
  return (columns[0] ?? []).map(String)
}

function usesByHand(rows: readonly Print[], chosen: readonly ConditionTable[]): readonly string[] {
  return rows.map(([exchange, conditions]) =>
    PRINT_USES.filter((use) => counts(exchange, conditions, use, chosen)).join(' '),
  )
}
