import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { damagedBatch } from './support/lake-faults.js'
import { FROM_SOURCE } from './support/ticklake-process.js'
import { writeTradesFile } from './support/trades-file.js'

const folder = mkdtempSync(join(tmpdir(), 'ticklake-faults-'))
afterAll(() => rmSync(folder, { recursive: true }))

test('a damaged batch of the log ends the server, which says where it is; made whole again, no row is missing', {
  timeout: 300_000,
}, async () => {
  const file = join(folder, 'made.csv')
  await writeTradesFile(file, { seed: 3, rowCount: 20_000, symbolCount: 5 })
  const { partition, offset, said, rows } = await damagedBatch({
    program: FROM_SOURCE,
    file,
    data: join(folder, 'damaged'),
  })
  expect(said).toContain(`topic market-data.trades, partition ${partition}, offset ${offset} is damaged`)
  expect(rows).toHaveLength(20_000)
  expect(new Set(rows.map((row) => JSON.parse(row).message_id)).size).toBe(20_000)
})
