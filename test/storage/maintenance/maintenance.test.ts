import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createLogger, TRADES } from '#core'
import { changeSpec, Maintenance } from '#storage'
import { FileIndex } from '../../../src/storage/prune.js'
import { UnnumberedFiles } from '../../../src/storage/unnumbered-files.js'
import { CorrectionTable, trade } from '../../support/correction-table.js'
import { engineFixture } from '../../support/engine-fixture.js'
import { ManualClock } from '../../support/manual-clock.js'
import { ThinnedTable } from '../../support/thinned-table.js'
import type { TypedRow } from '../../support/typed-table.js'

const POLICY = {
  everyMs: 1000,
  targetFileBytes: 2 ** 20,
  minInputFiles: 2,
  snapshots: { maxAgeMs: 60_000, minToKeep: 1, maxCount: 10 },
  orphansOlderThanMs: 3_600_000,
}
const OPTIONS = {
  policy: POLICY,
  logger: createLogger({ level: 'silent', format: 'text' }),
  mayRun: () => true,
}

const lab = engineFixture('maintenance')

test('what comes to nothing is not tried again and again, and leaves no file behind', async () => {
  const table = await ThinnedTable.create(lab.engine, join(lab.directory, 'many'), 1)
  await table.change((base) =>
    changeSpec(base, [{ change: 'add', column: 'number', transform: 'identity' }], 0),
  )
  // Together of more partitions than a compaction writes, and so they stay in files by days.
  for (const half of [0, 1]) {
    const row = (at: number): TypedRow => [0n, 'A', 'X', 1n, BigInt(half * 6000 + at), 1, 1, null]
    await table.append(Array.from({ length: 6000 }, (_, at) => row(at)))
  }
  const { context, metadata } = table.head
  const paths = async () => (await context.objects.list(metadata.location)).map(({ location }) => location)
  const before = await paths()
  const clock = new ManualClock(1_400_000_000_000)
  const policy = { ...POLICY, orphansOlderThanMs: 10 ** 12 }
  const maintenance = new Maintenance({ ...OPTIONS, tables: [table.compactable], policy, clock })
  await maintenance.start()
  const jobs = () =>
    maintenance.jobs.list().filter(({ kind, endedMs }) => kind === 'compact' && endedMs !== null)
  const looked = async () => {
    clock.advance(3_600_000)
    for (let turns = 0; turns < 50; turns++) await new Promise((resolve) => setImmediate(resolve))
    while (!maintenance.jobs.isIdle) await new Promise((resolve) => setImmediate(resolve))
  }
  while (jobs().length === 0) await looked()
  expect(jobs()).toMatchObject([{ report: { measured: { filesBefore: 0, passedOver: 1 } } }])
  for (let looks = 0; looks < 5; looks++) await looked()
  expect(jobs()).toHaveLength(1)
  expect(await paths()).toEqual(before)
  await maintenance.stop()
})

test('what has been stopped begins nothing more, whatever there is to do', async () => {
  const filled = await CorrectionTable.open(lab.engine, lab.directory, 1)
  await filled.append([trade(0)])
  // Nothing of it is in memory: to plan is to read.
  await filled.restart()
  const { head } = filled
  const table = { head, layout: TRADES, engine: lab.engine }
  const clock = new ManualClock(1_400_000_000_000)
  const maintenance = new Maintenance({
    tables: [
      { ...table, index: new FileIndex(head.context.manifests), unnumbered: new UnnumberedFiles(lab.engine) },
    ],
    ...OPTIONS,
    clock,
  })
  await maintenance.start()
  clock.advance(1000)
  await maintenance.stop()
  const jobs = maintenance.jobs.list().length
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(maintenance.jobs.list()).toHaveLength(jobs)
  expect(maintenance.jobs.isIdle).toBe(true)
})
