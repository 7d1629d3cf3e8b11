import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createLogger, TRADES } from '#core'
import { changeSpec, type Job, type JobKind, Maintenance } from '#storage'
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

/** Counts what waits for its time: of a policy, the looks that have ended, and one for its start. */
class CountingClock extends ManualClock {
  waits = 0

  override after(delayMs: number, callback: () => void): () => void {
    this.waits++
    return super.after(delayMs, callback)
  }
}

/** A table that is maintained by policy, an hour from one look to the next. */
async function maintained({ compactable }: ThinnedTable) {
  const clock = new CountingClock(1_400_000_000_000)
  const policy = { ...POLICY, orphansOlderThanMs: 10 ** 12 }
  const maintenance = new Maintenance({ ...OPTIONS, tables: [compactable], policy, clock })
  await maintenance.start()
  const jobs = (kind: JobKind) => maintenance.jobs.list().filter((job) => job.kind === kind)
  const looked = async (afterMs = 3_600_000) => {
    const { waits } = clock
    clock.advance(afterMs)
    while (clock.waits === waits) await new Promise((resolve) => setImmediate(resolve))
  }
  return { maintenance, clock, jobs, looked }
}

describe('a compaction that comes to nothing', () => {
  /** Together of more partitions than a compaction writes, and so they stay in files by days. */
  async function tooMany(folder: string): Promise<ThinnedTable> {
    const table = await ThinnedTable.create(lab.engine, join(lab.directory, folder), 1)
    await table.change((base) =>
      changeSpec(base, [{ change: 'add', column: 'number', transform: 'identity' }], 0),
    )
    for (const half of [0, 1]) {
      await table.append(Array.from({ length: 6000 }, (_, at) => row(half * 6000 + at)))
    }
    return table
  }
  const row = (number: number): TypedRow => [0n, 'A', 'X', 1n, BigInt(number), 1, 1, null]
  const measured = ({ report }: Job) => Object(Object(report).measured)

  test('is tried ever more seldom, and leaves no file behind', async () => {
    const table = await tooMany('many')
    const { context, metadata } = table.head
    const paths = async () => (await context.objects.list(metadata.location)).map(({ location }) => location)
    const before = await paths()
    const { maintenance, looked, jobs } = await maintained(table)
    await looked()
    expect(jobs('compact').map(measured)).toMatchObject([{ filesBefore: 0, passedOver: 1 }])
    for (let hours = 0; hours < 24; hours++) await looked()
    // After ten minutes, twenty and so on: at the hours 1, 2, 3, 5, 8, 14.
    expect(jobs('compact')).toHaveLength(7)
    expect(await paths()).toEqual(before)
    await maintenance.stop()
  })

  test('is not tried again because of others that do not', async () => {
    const table = await tooMany('among others')
    const { maintenance, looked, jobs } = await maintained(table)
    await looked()
    for (let others = 1; others < 5; others++) {
      for (let files = 0; files < 2; files++) await table.append([row(others)])
      await looked(60_000)
    }
    const [first, ...others] = jobs('compact').reverse().map(measured)
    expect(first).toMatchObject({ passedOver: 1 })
    expect(others).toEqual(others.map(() => expect.objectContaining({ filesBefore: 2, passedOver: 0 })))
    expect(others).toHaveLength(4)
    await maintenance.stop()
  })

  test('because a file cannot be read, does not keep others from theirs', async () => {
    const table = await ThinnedTable.create(lab.engine, join(lab.directory, 'lost'), 3)
    await table.change((base) =>
      changeSpec(base, [{ change: 'add', column: 'number', transform: 'identity' }], 0),
    )
    for (const number of [1, 1, 2, 2]) await table.append([row(number)])
    const { live } = await table.index.liveFiles(table.head.metadata, table.snapshotId, [])
    await table.head.context.objects.remove(live[0]!.file.path)
    const { maintenance, looked, jobs } = await maintained(table)
    for (let looks = 0; looks < 3; looks++) await looked(60_000)
    const states = jobs('compact').map(({ state }) => state)
    expect(states.sort()).toEqual(['done', 'failed'])
    expect(jobs('compact').map(measured)).toContainEqual(
      expect.objectContaining({ filesBefore: 2, filesAfter: 1 }),
    )
    await maintenance.stop()
  })
})

test('orphans are looked for each day, whatever becomes of the time on the wall', async () => {
  const table = await ThinnedTable.create(lab.engine, join(lab.directory, 'back'), 2)
  const { maintenance, looked, jobs, clock } = await maintained(table)
  await looked()
  clock.setWall(clock.nowMs() - 365 * 86_400_000)
  for (let hours = 0; hours < 23; hours++) await looked()
  expect(jobs('remove-orphans')).toHaveLength(1)
  await looked()
  expect(jobs('remove-orphans')).toHaveLength(2)
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
