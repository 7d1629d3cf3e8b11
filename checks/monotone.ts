// For 60 s, asks for the count of a symbol each 20 ms while files are loaded and flushed: it never falls and ends exact.
import { join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { watchCount } from '../test/support/count-watch.js'
import { AS_BUILT, runTicklake, TicklakeServer } from '../test/support/ticklake-process.js'
import { writeTradesFile } from '../test/support/trades-file.js'
import { withTemporaryFolder } from './temporary-folder.js'

const SECONDS = 60
const POLL_EVERY_MS = 20
const seed = Number(process.argv[2] ?? 20_140_508)

console.log(`seed ${seed}`)
await withTemporaryFolder(async (folder) => {
  const settings = { TICKLAKE_FLUSH_ROWS: '20000' }
  const server = await TicklakeServer.start(join(folder, 'data'), { program: AS_BUILT, settings })
  let expected = 0
  let loaded = 0
  let isOver = false
  const loadFiles = async () => {
    for (let number = 0; !isOver; number++) {
      const file = join(folder, `made-${number}.csv`)
      const counts = await writeTradesFile(file, { seed: seed + number, rowCount: 50_000, symbolCount: 10 })
      await runTicklake(['load', file, '--format', 'csv-trades', '--url', server.url], { program: AS_BUILT })
      expected += counts.get('S0') ?? 0
      loaded++
    }
  }
  const time = after(SECONDS * 1000).then(() => {
    isOver = true
  })
  const watch = await watchCount(server, 'S0', POLL_EVERY_MS, Promise.all([loadFiles(), time]))
  const { body } = await server.get('/v1/snapshots', { table: 'trades' })
  await server.stop()
  const { polls, falls, routes, last } = watch
  const snapshots = JSON.parse(body).data.length
  console.log(`${loaded} files loaded, ${snapshots} snapshots, ${polls} polls (${JSON.stringify(routes)})`)
  console.log(
    `${falls.length} falls${falls.map((fall) => `; ${fall}`).join('')}; ends with ${last}, loaded were ${expected}`,
  )
  process.exitCode = falls.length === 0 && last === expected ? 0 : 1
})
