import { expect, test } from 'vitest'
import { createLogger, TRADES } from '#core'
import { Maintenance } from '#storage'
import { FileIndex } from '../../../src/storage/prune.js'
import { UnnumberedFiles } from '../../../src/storage/unnumbered-files.js'
import { CorrectionTable, trade } from '../../support/correction-table.js'
import { engineFixture } from '../../support/engine-fixture.js'
import { ManualClock } from '../../support/manual-clock.js'

const lab = engineFixture('maintenance')

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
    policy: {
      everyMs: 1000,
      targetFileBytes: 2 ** 20,
      minInputFiles: 2,
      snapshots: { maxAgeMs: 60_000, minToKeep: 1, maxCount: 10 },
      orphansOlderThanMs: 3_600_000,
    },
    clock,
    logger: createLogger({ level: 'silent', format: 'text' }),
    mayRun: () => true,
  })
  await maintenance.start()
  clock.advance(1000)
  await maintenance.stop()
  const jobs = maintenance.jobs.list().length
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(maintenance.jobs.list()).toHaveLength(jobs)
  expect(maintenance.jobs.isIdle).toBe(true)
})
