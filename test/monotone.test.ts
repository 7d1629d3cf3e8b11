import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { watchCount } from './support/count-watch.js'
import { FROM_SOURCE, runTicklake, TicklakeServer } from './support/ticklake-process.js'
import { writeTradesFile } from './support/trades-file.js'

const SEED = 11
const folder = mkdtempSync(join(tmpdir(), 'ticklake-monotone-'))
afterAll(() => rmSync(folder, { recursive: true }))

test(`a count never falls while files are loaded and flushed, and ends exact (seed ${SEED})`, async () => {
  const files: string[] = []
  let expected = 0
  for (let number = 0; number < 3; number++) {
    const file = join(folder, `made-${number}.csv`)
    const counts = await writeTradesFile(file, { seed: SEED + number, rowCount: 15_000, symbolCount: 3 })
    files.push(file)
    expected += counts.get('S0') ?? 0
  }
  const options = { program: FROM_SOURCE, settings: { TICKLAKE_FLUSH_ROWS: '2000' } }
  const server = await TicklakeServer.start(join(folder, 'data'), options)
  try {
    const load = runTicklake(['load', ...files, '--format', 'csv-trades', '--url', server.url], options)
    const watch = await watchCount(server, 'S0', 0, load)
    expect(watch.falls).toEqual([])
    expect(watch.last).toBe(expected)
    expect(watch.polls).toBeGreaterThan(1)
    const { body } = await server.get('/v1/snapshots', { table: 'trades' })
    expect(JSON.parse(body).data.length).toBeGreaterThan(1)
  } finally {
    await server.stop()
  }
})
