import { join } from 'node:path'
import { expect, test } from 'vitest'
import { compact, compactionPlan } from '../../../src/storage/maintenance/compact.js'
import { engineFixture } from '../../support/engine-fixture.js'
import { SeededRandom } from '../../support/seeded-random.js'
import { RUN, ThinnedTable } from '../../support/thinned-table.js'
import { drawnRow, type TypedRow } from '../../support/typed-table.js'

const MAX_ROUNDS = 6

const lab = engineFixture('compact')

/** Rows of one day, of few symbols, one of which has most of them. */
function skewedRows(random: SeededRandom): readonly TypedRow[] {
  return Array.from({ length: 200 + random.below(400) }, () => {
    const [moment, , ...rest] = drawnRow(random, 3)
    return [moment!, random.oneIn(5) ? random.pick(['AAA', 'ZZZ', null]) : 'MMM', ...rest]
  })
}

test.each([1, 2, 3, 4])(
  'compaction comes to rest, however the rows lie, and keeps them: seed %i',
  async (seed) => {
    const random = new SeededRandom(seed)
    const table = await ThinnedTable.create(lab.engine, join(lab.directory, `rest-${seed}`), seed)
    for (let files = 0; files < 6; files++) await table.append(skewedRows(random))
    const { compactable } = table
    const { files } = await table.index.selectFiles(table.head.metadata, table.snapshotId, [])
    const bytes = files.reduce((sum, file) => sum + file.fileSizeBytes, 0)
    const options = { targetBytes: Math.ceil(bytes / random.pick([2, 20, 60])), minInputs: 2, patient: false }
    let rounds = 0
    while ((await compactionPlan(compactable, options)).length > 0) {
      expect(++rounds).toBeLessThanOrEqual(MAX_ROUNDS)
      expect((await compact(compactable, options, RUN)).passedOver).toBe(0)
      await table.check()
    }
    expect(rounds).toBeGreaterThan(0)
  },
)

test('it comes to rest too where the sort order is one that nobody here can follow', async () => {
  const table = await ThinnedTable.create(lab.engine, join(lab.directory, 'unsorted'), 7)
  const [direction, nullOrder] = ['asc', 'nulls-first'] as const
  const order = {
    orderId: 9,
    fields: [{ sourceId: 2, transform: 'bucket[4]', direction, nullOrder, extra: {} }],
    extra: {},
  }
  await table.change((base) => ({ ...base, sortOrders: [...base.sortOrders, order], defaultSortOrderId: 9 }))
  for (let files = 0; files < 3; files++) await table.append(skewedRows(new SeededRandom(files)))
  const options = { targetBytes: 2 ** 26, minInputs: 2, patient: true }
  expect((await compact(table.compactable, options, RUN)).filesAfter).toBe(1)
  expect(await compactionPlan(table.compactable, options)).toEqual([])
  await table.check()
})

test('a compaction that is told to stop ends within its statement, and leaves the table as it was', async () => {
  const table = await ThinnedTable.create(lab.engine, join(lab.directory, 'stopped'), 9)
  for (let files = 0; files < 3; files++) await table.append(skewedRows(new SeededRandom(files)))
  const { snapshotId, compactable } = table
  const stopping = new AbortController()
  const told = new Error('told to stop')
  const slow = {
    ...compactable,
    engine: {
      // As slow as it takes: it only ends by being interrupted.
      read: (_: string, signal?: AbortSignal) => {
        const ended = lab.engine.read(
          'SELECT count(*) FROM range(1000000000000) t(i) WHERE hash(i) = 0',
          signal,
        )
        stopping.abort(told)
        return ended
      },
      writeParquet: lab.engine.writeParquet.bind(lab.engine),
    },
  }
  const options = { targetBytes: 2 ** 26, minInputs: 2, patient: false }
  const run = { ...RUN, signal: stopping.signal }
  await expect(compact(slow, options, run)).rejects.toBe(told)
  expect(table.snapshotId).toBe(snapshotId)
  await table.check()
})
