import { expect, test } from 'vitest'
import { withVwap } from '../../src/query/bar-fields.js'
import { engineFixture } from '../support/engine-fixture.js'
import { decimal, halfEven } from '../support/exact-decimal.js'
import { SeededRandom } from '../support/seeded-random.js'

const fixture = engineFixture('quotients')

const SEED = 20_261_126
const PAIRS = 5_000

/** Of any size, and such whose remainder is nothing, almost everything, or about a half. */
function pairs(random: SeededRandom): readonly (readonly [notional: bigint, volume: bigint])[] {
  const upTo = (digits: number) => random.bigBelow(10n ** BigInt(1 + random.below(digits)))
  const signed = (value: bigint) => (random.oneIn(4) ? -value : value)
  return Array.from({ length: PAIRS }, (_, index) => {
    if (index % 2 === 0) return [signed(upTo(38)), signed(upTo(38))]
    const volume = 1n + upTo(18)
    const left = random.pick([0n, 1n, volume - 1n, volume / 2n, (volume + 1n) / 2n])
    return [signed(upTo(18) * volume + left), signed(volume)]
  })
}

test(`a vwap is the quotient, half to even, whatever its size (seed ${SEED})`, async () => {
  const made = pairs(new SeededRandom(SEED))
  const list = (scale: number, part: 0 | 1) =>
    made.map((pair) => `'${decimal(pair[part], scale)}'`).join(', ')
  const sums = `SELECT unnest([${list(16, 0)}])::DECIMAL(38,16) AS notional,
    unnest([${list(8, 1)}])::DECIMAL(38,8) AS volume, unnest(range(${PAIRS})) AS index`
  const { columns } = await fixture.engine.query(
    `SELECT rtrim(rtrim(vwap, '0'), '.') FROM (${withVwap(sums)}) ORDER BY index`,
  )
  const expected = made.map(([notional, volume]) =>
    volume === 0n ? null : decimal(halfEven(notional, volume), 8),
  )
  expect(columns[0]).toEqual(expected)
})
