// Kills the real server with SIGKILL at 100 seeded moments of its maintenance (compaction, rewriting of manifests, expiry,
// removal of orphans), spread over the stages of each, while rows and corrections come in. After each kill PyIceberg reads
// the tables as they lie there; then the server is started again, every table is verified, and held row for row against
// what was fed. In the end a folder holds what its snapshots name, and no file more.
//
//     npm run check:maintenance-kills -- [seed] [kills]
import { strangerOf } from '../test/peers/readers/fed-tables.js'
import { READERS } from '../test/peers/readers/readers.js'
import { MaintenanceKills, type MaintenanceKillsResult } from '../test/support/maintenance-kills.js'
import { KILLED_JOBS } from '../test/support/maintenance-stage.js'
import { SeededRandom } from '../test/support/seeded-random.js'
import { AS_BUILT } from '../test/support/ticklake-process.js'
import { withTemporaryFolder } from './temporary-folder.js'

const seed = Number(process.argv[2] ?? 20_140_508)
const killCount = Number(process.argv[3] ?? 100)

console.log(`seed ${seed}`)
await withTemporaryFolder(async (folder) => {
  const stranger = await strangerOf(READERS.find(({ id }) => id === 'pyiceberg')!)
  const result = await MaintenanceKills.run({
    program: AS_BUILT,
    folder,
    random: new SeededRandom(seed),
    killCount,
    killsOfLake: 10,
    firstBodies: 20,
    bodies: 5,
    stranger,
    report: (line) => console.log(line),
  })
  tell(result)
  process.exitCode = result.violations.length === 0 ? 0 : 1
})

function tell(result: MaintenanceKillsResult): void {
  const { kills, lakes, rows, corrections, lost, beyond, verified, readByStranger, violations } = result
  for (const job of KILLED_JOBS) {
    const ofJob = [...kills].filter(([name]) => name.startsWith(`${job}, `))
    const total = ofJob.reduce((sum, [, count]) => sum + count, 0)
    const byStage = ofJob.map(([name, count]) => `${name.slice(job.length + 2)} ${count}`)
    console.log(`kills during ${job}: ${total} (${byStage.sort().join(', ')})`)
  }
  console.log(
    `${lakes} lakes of ${rows} rows, ${corrections} corrections: lost ${lost}, twice or foreign ${beyond}`,
  )
  console.log(`tables verified ${verified}, read by PyIceberg ${readByStranger}`)
  console.log(`files left behind by kills ${result.leftBehind}, left at the end ${result.leftAtEnd}`)
  console.log(`violations ${violations.length}; ${process.uptime().toFixed(0)} s`)
}
