// Kills a load with SIGKILL at 30 seeded moments, restarts it each time and compares the finished tables with that of
// an undisturbed load, row for row.
import { join } from 'node:path'
import { crashRun } from '../test/support/crash-run.js'
import { SeededRandom } from '../test/support/seeded-random.js'
import { AS_BUILT } from '../test/support/ticklake-process.js'
import { writeTradesFile } from '../test/support/trades-file.js'
import { withTemporaryFolder } from './temporary-folder.js'

const seed = Number(process.argv[2] ?? 20_140_508)
const killCount = Number(process.argv[3] ?? 30)

console.log(`seed ${seed}`)
await withTemporaryFolder(async (folder) => {
  const file = join(folder, 'made.csv')
  await writeTradesFile(file, { seed, rowCount: 300_000, symbolCount: 50 })
  const result = await crashRun({
    program: AS_BUILT,
    settings: { TICKLAKE_FLUSH_ROWS: '40000' },
    folder,
    file,
    random: new SeededRandom(seed),
    killCount,
    report: (line) => console.log(line),
  })
  const { kills, different, rowCount, secondLoad, rowCountAfterSecondLoad } = result
  const isNoOp = secondLoad.already_loaded && rowCountAfterSecondLoad === rowCount
  console.log(`second load: ${JSON.stringify(secondLoad)}`)
  console.log(
    `${kills} kills, ${rowCount} rows, ${different.length} tables differ, second load ${isNoOp ? 'a no-op' : 'NOT A NO-OP'}`,
  )
  process.exitCode = different.length === 0 && isNoOp ? 0 : 1
})
