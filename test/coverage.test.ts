import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { loadWithoutSome } from './support/removed-trades.js'
import { SeededRandom } from './support/seeded-random.js'
import { FROM_SOURCE } from './support/ticklake-process.js'

const SEED = 8
const folder = mkdtempSync(join(tmpdir(), 'ticklake-coverage-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** Messages of two symbols, in the minutes around a midnight; every fiftieth id was never sent. */
function messages(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => {
    const id = Math.floor(index / 2)
    const symbol = index % 2 === 0 ? 'BTCUSDT' : 'ETHUSDT'
    const ms = 1_723_161_500_000 + index * 20
    const trade = {
      e: 'trade',
      E: ms,
      T: ms,
      s: symbol,
      t: 700 + id,
      p: '61837.63',
      q: '0.02',
      m: true,
      M: true,
    }
    return `${ms}000000 ${JSON.stringify({ stream: `${symbol.toLowerCase()}@trade`, data: trade })}`
  }).filter((_, index) => index % 100 !== 37)
}

test(`coverage names exactly the trades that were taken out, until they come (seed ${SEED})`, async () => {
  const result = await loadWithoutSome({
    program: FROM_SOURCE,
    settings: { TICKLAKE_FLUSH_ROWS: '3000' },
    folder,
    files: new Map([['made', messages(8_000)]]),
    random: new SeededRandom(SEED),
    removeCount: 200,
    shuffleCount: 100,
  })
  expect(result).toEqual({
    tradeCount: 7_920,
    neverRecorded: 80,
    removed: 200,
    unnamed: [],
    wronglyNamed: [],
    missingInMeta: 280,
    after: { unnamed: [], wronglyNamed: [], missingInMeta: 80 },
    derived: { missing: 80, ended: expect.any(Number) },
  })
  // Those that were taken out lay in so many gaps at least.
  expect(result.derived.ended).toBeGreaterThan(100)
})
