import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { crashRun } from './support/crash-run.js'
import { SeededRandom } from './support/seeded-random.js'
import { FROM_SOURCE } from './support/ticklake-process.js'
import { writeTradesFile } from './support/trades-file.js'

const SEED = 7
const folder = mkdtempSync(join(tmpdir(), 'ticklake-crash-'))
afterAll(() => rmSync(folder, { recursive: true }))

test(`a load that is killed and restarted leaves each row once (seed ${SEED})`, {
  timeout: 300_000,
}, async () => {
  const file = join(folder, 'made.csv')
  await writeTradesFile(file, { seed: SEED, rowCount: 20_000, symbolCount: 5 })
  const result = await crashRun({
    program: FROM_SOURCE,
    settings: { TICKLAKE_FLUSH_ROWS: '3000' },
    folder,
    file,
    random: new SeededRandom(SEED),
    killCount: 3,
    report: (line) => console.log(line),
  })
  expect(result).toMatchObject({
    kills: 3,
    different: [],
    rowCount: 20_000,
    secondLoad: { already_loaded: true, accepted: 20_000 },
    rowCountAfterSecondLoad: 20_000,
  })
})
