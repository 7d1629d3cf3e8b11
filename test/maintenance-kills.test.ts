import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { MaintenanceKills } from './support/maintenance-kills.js'
import { SeededRandom } from './support/seeded-random.js'
import { FROM_SOURCE } from './support/ticklake-process.js'

const SEED = 11
const KILLS = 3
const folder = mkdtempSync(join(tmpdir(), 'ticklake-maintenance-kills-'))
afterAll(() => rmSync(folder, { recursive: true }))

test(`a server that is killed in its maintenance leaves sound tables, each row once, and nothing but orphans (seed ${SEED}) [inv 4]`, {
  timeout: 300_000,
}, async () => {
  const { kills, ...result } = await MaintenanceKills.run({
    program: FROM_SOURCE,
    folder,
    random: new SeededRandom(SEED),
    killCount: KILLS,
    killsOfLake: KILLS,
    firstBodies: 10,
    bodies: 5,
    stranger: null,
    report: (line) => console.log(line),
  })
  expect([...kills.values()].reduce((sum, count) => sum + count, 0)).toBe(KILLS)
  expect(result).toMatchObject({ lakes: 1, lost: 0, beyond: 0, leftAtEnd: 0, violations: [] })
  expect(result.rows).toBeGreaterThan(300)
})
