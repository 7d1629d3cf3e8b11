import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { CrashMatrix } from './support/crash-matrix.js'
import { SeededRandom } from './support/seeded-random.js'
import { FROM_SOURCE } from './support/ticklake-process.js'
import { writeTradesFile } from './support/trades-file.js'

const SEED = 7
const folder = mkdtempSync(join(tmpdir(), 'ticklake-crash-'))
afterAll(() => rmSync(folder, { recursive: true }))

test(`a server that is killed and restarted in its loads leaves each row once, and never answers wrongly (seed ${SEED})`, {
  timeout: 300_000,
}, async () => {
  const file = join(folder, 'made.csv')
  await writeTradesFile(file, { seed: SEED, rowCount: 20_000, symbolCount: 5 })
  const { kills, ...result } = await CrashMatrix.run({
    program: FROM_SOURCE,
    folder,
    file,
    random: new SeededRandom(SEED),
    killCount: 4,
    flushRows: 3000,
    report: (line) => console.log(line),
  })
  expect([...kills.values()].reduce((sum, count) => sum + count, 0)).toBe(4)
  expect(result).toMatchObject({
    lost: 0,
    duplicated: 0,
    different: [],
    ledgerErrors: [],
    border: { violations: [] },
    rowCount: 20_000,
    isSecondLoadNoOp: true,
  })
  expect(result.border.answers).toBeGreaterThan(0)
})
