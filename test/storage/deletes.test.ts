import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { sqlString } from '#engine'
import { changeSchema, type DataFile } from '#storage'
import { compact, compactionPlan } from '../../src/storage/maintenance/compact.js'
import { Rewrite } from '../../src/storage/rewrite.js'
import { engineFixture } from '../support/engine-fixture.js'
import { equalityDeletes } from '../support/foreign-deletes.js'
import { SeededRandom } from '../support/seeded-random.js'
import { COMPACTION, RUN, ThinnedTable } from '../support/thinned-table.js'
import type { TypedRow } from '../support/typed-table.js'

const STEPS = 12

const lab = engineFixture('deletes')

/** Each in a folder of its own. */
let tables = 0
const newTable = (seed = 1) => ThinnedTable.create(lab.engine, join(lab.directory, `table-${tables++}`), seed)

const ACTIONS = [
  'append',
  'append',
  'upsert',
  'deletePositions',
  'deletePositions',
  'deleteValues',
  'deleteValues',
  'compact',
  'changeSpec',
  'changeSchema',
] as const

describe('a table that other engines delete rows of', () => {
  test.each([1, 2, 3, 4, 5, 6])(
    'holds what is left of it, at every version: seed %i [inv 11]',
    async (seed) => {
      const random = new SeededRandom(1000 + seed)
      const table = await newTable(seed)
      const done: string[] = []
      for (let step = 0; step < STEPS; step++) {
        const action = step === 0 ? 'append' : random.pick(ACTIONS)
        done.push(action)
        try {
          await table[action]()
          await table.check()
        } catch (error) {
          throw new Error(`seed ${seed}, after ${done.join(', ')}: ${String(error)}`, { cause: error })
        }
      }
    },
  )
})

const row = (micros: bigint, symbol: string, number: bigint | null, flags: number): TypedRow => [
  micros,
  symbol,
  'ASX',
  100n,
  number,
  flags,
  1,
  null,
]
const numbers = (rows: readonly TypedRow[]) => rows.map(([, , , , number]) => Number(number)).sort()

describe('deletes', () => {
  test('by value reach older data only; by position that of their own commit too', async () => {
    const table = await newTable()
    await table.append([row(0n, 'BHP', 1n, 0), row(0n, 'CBA', 2n, 0)])
    const before = table.snapshotId
    const file = await table.deletes.valueDeletes(['symbol'], [row(0n, 'BHP', 9n, 0)], [])
    await table.commit([], [{ specId: 1, files: [file] }])
    await table.append([row(0n, 'BHP', 3n, 0)])
    expect(numbers(await table.read(table.snapshotId))).toEqual([2, 3])
    expect(numbers(await table.read(before))).toEqual([1, 2])
  })

  test('by values of a column that was dropped since still hold', async () => {
    const table = await newTable()
    await table.append([row(0n, 'BHP', 1n, 7), row(0n, 'CBA', 2n, 8)])
    const file = await table.deletes.valueDeletes(['flags'], [row(0n, '', 0n, 7)], [])
    await table.commit([], [{ specId: 1, files: [file] }])
    await table.change((base) => changeSchema(base, [{ change: 'drop', name: 'flags' }], 0))
    expect(numbers(await table.read(table.snapshotId))).toEqual([2])
  })

  test('that came since the files were read are a conflict for who rewrites them, and for nobody else', async () => {
    const table = await newTable()
    const { head } = table
    await table.append([row(0n, 'BHP', 1n, 0)])
    const read = table.snapshotId
    const { live } = await table.index.liveFiles(head.metadata, read, [])
    const removed = live.map(({ file }) => file)
    const rewritten = async (snapshotId: bigint) => {
      const request = { operation: 'delete', snapshotId, removed, added: [] } as const
      await head.commit(new Rewrite(head.context, request))
    }
    const touching = await table.deletes.valueDeletes(['symbol'], [row(0n, 'BHP', 0n, 0)], [], true)
    await table.commit([], [{ specId: 1, files: [touching] }])
    const known = table.snapshotId
    const other = await table.deletes.valueDeletes(['symbol'], [row(0n, 'CBA', 0n, 0)], [], true)
    await table.commit([], [{ specId: 1, files: [other] }])
    await expect(rewritten(read)).rejects.toMatchObject({ code: 'conflict' })
    expect(table.snapshotId).not.toBe(known)
    await rewritten(known)
    expect((await table.index.selectFiles(head.metadata, table.snapshotId, [])).files).toEqual([])
  })

  test('that were taken back while files were written anew without their rows have taken no row', async () => {
    const table = await newTable()
    for (const number of [1n, 2n, 3n]) await table.append([row(0n, `S${number}`, number, 0)])
    const before = table.snapshotId
    const file = await table.deletes.valueDeletes(['symbol'], [row(0n, 'S2', 0n, 0)], [])
    await table.commit([], [{ specId: 1, files: [file] }])
    expect(numbers(await table.read(table.snapshotId))).toEqual([1, 3])
    let isBack = false
    const rollingBack = {
      ...table.compactable,
      engine: {
        read: lab.engine.read.bind(lab.engine),
        writeParquet: async (...request: Parameters<typeof lab.engine.writeParquet>) => {
          const written = await lab.engine.writeParquet(...request)
          if (!isBack) await table.rollBack(before)
          isBack = true
          return written
        },
      },
    }
    expect(await compact(rollingBack, COMPACTION, RUN)).toMatchObject({ filesAfter: 0, passedOver: 1 })
    expect(table.snapshotId).toBe(before)
    expect(numbers(await table.read(before))).toEqual([1, 2, 3])
  })

  test('of other values by their bounds leave a file alone, and the compaction drops them', async () => {
    const table = await newTable()
    await table.append([row(0n, 'BHP', 1n, 0)])
    const file = await table.deletes.valueDeletes(['symbol'], [row(0n, 'CBA', 0n, 0)], [], true)
    await table.commit([], [{ specId: 1, files: [file] }])
    const { files } = await table.index.selectFiles(table.head.metadata, table.snapshotId, [])
    expect(files.map(({ deletes }) => deletes)).toEqual([undefined])
    expect(await compactionPlan(table.compactable, COMPACTION)).toEqual([])
    const report = await compact(table.compactable, COMPACTION, RUN)
    expect(report).toMatchObject({ filesBefore: 0, deletesDropped: 1 })
    expect(table.head.metadata.snapshots.at(-1)!.summary).toMatchObject({
      operation: 'replace',
      'removed-delete-files': '1',
      'removed-equality-deletes': '1',
      'total-delete-files': '0',
      'total-equality-deletes': '0',
    })
  })

  test('have a file written anew, whatever its size; when they take every row there is none after it', async () => {
    const table = await newTable()
    await table.append([row(0n, 'BHP', 1n, 0)])
    const { files } = await table.index.selectFiles(table.head.metadata, table.snapshotId, [])
    const options = { targetBytes: files[0]!.fileSizeBytes, minInputs: 3, patient: false }
    await table.change((base) => ({ ...base, defaultSortOrderId: files[0]!.sortOrderId ?? 0 }))
    expect(await compactionPlan(table.compactable, options)).toEqual([])
    const file = await table.deletes.valueDeletes(['symbol'], [row(0n, 'BHP', 0n, 0)], [])
    await table.commit([], [{ specId: 1, files: [file] }])
    const report = await compact(table.compactable, options, RUN)
    expect(report).toMatchObject({ filesBefore: 1, filesAfter: 0, rows: 0, deletesDropped: 1 })
    expect((await table.index.selectFiles(table.head.metadata, table.snapshotId, [])).files).toEqual([])
  })

  test('that cannot be read are refused rather than left out [inv 11]', async () => {
    const target = { path: join(lab.directory, 'odd.parquet'), partition: [] }
    const file = await equalityDeletes(lab.engine, target, `SELECT 'BHP' AS symbol`, { symbol: 2 }, 1)
    const { foreign } = file
    const read = async (changed: Partial<DataFile>) => {
      const odd = await newTable()
      await odd.append([row(0n, 'BHP', 1n, 0)])
      await odd.commit([], [{ specId: 1, files: [{ ...file, ...changed }] }])
      return odd.read(odd.snapshotId)
    }
    expect(await read({})).toEqual([])
    await expect(read({ foreign: { ...foreign!, format: 'AVRO' } })).rejects.toThrow('delete files')
    await expect(read({ foreign: { ...foreign!, equalityIds: [99] } })).rejects.toThrow('field 99')
    await expect(read({ foreign: { ...foreign!, equalityIds: null } })).rejects.toThrow('compares no column')
    await lab.engine.run(`COPY (SELECT 'BHP' AS symbol) TO ${sqlString(target.path)} (FORMAT parquet)`)
    await expect(read({})).rejects.toThrow('no field ids')
  })
})
