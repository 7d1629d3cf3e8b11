import { describe, expect, test } from 'vitest'
import { formatDecimal, MICROS_PER_DAY, QualityFlag, TicklakeError, TRADES } from '#core'
import { appliedOffsetsAt, changeSpec, type RowChange, type RowCorrection, RowCorrections } from '#storage'
import { expireSnapshots } from '../../src/storage/maintenance/expire.js'
import { currentOffsets } from '../../src/storage/position.js'
import { FileIndex } from '../../src/storage/prune.js'
import { CorrectionTable, type Trade, trade } from '../support/correction-table.js'
import { engineFixture } from '../support/engine-fixture.js'
import { SeededRandom } from '../support/seeded-random.js'

/** Trades of the model are of so many days. */
const DAYS = 3

const RUN = { signal: new AbortController().signal, progress: () => {} }

const lab = engineFixture('corrections')

const CANCEL: RowChange = { isCancelled: true, values: new Map(), flags: 0 }

function replace(values: Readonly<Record<string, string>>, flags = 0): RowChange {
  return { isCancelled: false, values: new Map(Object.entries(values)), flags }
}

function at(offset: number, change: RowChange, must: { symbol?: string } = {}): RowCorrection {
  const target = { kind: 'place', partition: 0, offset, symbol: must.symbol ?? null, exchange: null } as const
  return { target, change }
}

function of(messageId: string, change: RowChange, before = 1_000_000): RowCorrection {
  return { target: { kind: 'message', messageId, before: [before], symbol: null, exchange: null }, change }
}

async function correct(
  table: CorrectionTable,
  corrections: readonly RowCorrection[],
): Promise<ReadonlyMap<number, string>> {
  const from = table.rows.position(1)
  const plan = await table.rows.plan(corrections)
  await table.rows.commit(plan, from, [from[0]! + corrections.length])
  return plan.refused
}

describe('a corrected row', () => {
  test('keeps its place in the log; what was known before is still known at the snapshots before', async () => {
    const table = await CorrectionTable.open(lab.engine, lab.directory, 1)
    await table.append([trade(0), trade(1), trade(2)])
    const before = table.head.metadata.currentSnapshotId
    const refused = await correct(table, [at(1, replace({ price: '2.5' })), at(2, CANCEL)])
    expect(refused.size).toBe(0)
    expect(await table.trades()).toEqual([
      trade(0),
      trade(1, { price: 250_000_000n, flags: QualityFlag.corrected }),
    ])
    expect(await table.trades(before)).toEqual([trade(0), trade(1), trade(2)])
    expect(table.head.metadata.snapshots.at(-1)?.summary).toMatchObject({
      operation: 'overwrite',
      'ticklake.corrections': '{"0":2}',
      'ticklake.cancelled': '1',
      'ticklake.offsets': '{"0":3}',
      'total-records': '2',
    })
  })

  test('goes to the partition of its new day', async () => {
    const table = await CorrectionTable.open(lab.engine, lab.directory, 2)
    await table.append([trade(0), trade(1)])
    const micros = trade(0).micros + BigInt(MICROS_PER_DAY)
    await correct(table, [of('m0', replace({ exchange_timestamp: String(micros) }))])
    expect(await table.trades()).toEqual([trade(0, { micros, flags: QualityFlag.corrected }), trade(1)])
    expect(table.head.metadata.snapshots.at(-1)?.summary).toMatchObject({
      'added-data-files': '2',
      'deleted-data-files': '1',
    })
  })

  test('has no longer the flags of a price that is another now', async () => {
    const table = await CorrectionTable.open(lab.engine, lab.directory, 3)
    const odd = QualityFlag.priceOutlier | QualityFlag.priceMove | QualityFlag.sequenceGap
    await table.append([trade(0, { flags: odd }), trade(1, { flags: odd })])
    await correct(table, [of('m0', replace({ price: '3' })), of('m1', replace({ venue: 'ASX' }))])
    const [priced, placed] = await table.trades()
    expect(priced?.flags).toBe(QualityFlag.sequenceGap | QualityFlag.corrected)
    expect(placed?.flags).toBe(odd | QualityFlag.corrected)
  })

  test('is corrected though its file would become more files than are written at once: by days then', async () => {
    const table = await CorrectionTable.open(lab.engine, lab.directory, 5)
    const trades = Array.from({ length: 40 }, (_, offset) => trade(offset, { symbol: `S${offset}` }))
    await table.append(trades)
    let isDone = false
    await table.head.commit({
      id: () => 'spec',
      isApplied: () => isDone,
      apply: async (base) => {
        isDone = true
        return changeSpec(base, [{ change: 'add', column: 'symbol', transform: 'identity' }], 0)
      },
    })
    await correct(table, [at(7, replace({ price: '2.5' }))])
    const corrected = { price: 250_000_000n, flags: QualityFlag.corrected }
    expect(await table.trades()).toEqual(trades.map((one, at) => (at === 7 ? { ...one, ...corrected } : one)))
    await table.compact()
    expect((await table.trades()).length).toBe(40)
    expect(table.head.metadata.snapshots.at(-1)?.summary['total-data-files']).toBe('40')
  })

  test('is told from a copy of it that another engine has made, place and all', async () => {
    const table = await CorrectionTable.open(lab.engine, lab.directory, 8)
    await table.append([trade(0), trade(1, { messageId: null })])
    const copies = [trade(0, { messageId: 'copy' }), trade(0, { messageId: null })]
    await table.append([...copies, trade(2)])
    // All in one file.
    await table.compact()
    const refused = await correct(table, [
      of('m0', replace({ price: '2.5' })),
      at(1, CANCEL),
      at(0, CANCEL),
      of('copy', CANCEL),
    ])
    expect([...refused.values()]).toEqual([
      '3 rows are at offset 0 of partition 0: name the one that is meant by its message id',
    ])
    const corrected = trade(0, { price: 250_000_000n, flags: QualityFlag.corrected })
    const left = await table.trades()
    expect(left).toHaveLength(3)
    expect(left).toEqual(expect.arrayContaining([corrected, trade(0, { messageId: null }), trade(2)]))
  })

  test('leaves nothing of its file when it was alone in it', async () => {
    const table = await CorrectionTable.open(lab.engine, lab.directory, 4)
    await table.append([trade(0)])
    await correct(table, [of('m0', CANCEL)])
    expect(await table.trades()).toEqual([])
    expect(table.head.metadata.snapshots.at(-1)?.summary).toMatchObject({
      operation: 'delete',
      'total-data-files': '0',
    })
  })
})

describe('a correction is refused', () => {
  test.each<readonly [why: string, corrections: readonly RowCorrection[], problem: string]>([
    ['when no row has the message id', [of('m9', CANCEL)], 'there is no row with message id "m9"'],
    ['when no row is there', [at(9, CANCEL)], 'there is no row at offset 9 of partition 0'],
    ['when the row came after it', [of('m1', CANCEL, 1)], 'there is no row with message id "m1"'],
    [
      'when two rows have the message id',
      [of('twice', CANCEL)],
      '2 rows are with message id "twice": name the one that is meant by its place in the log',
    ],
    [
      'when the row is of another symbol',
      [at(0, CANCEL, { symbol: 'CBA' })],
      'the row at offset 0 of partition 0 is another: its symbol is "BHP", not "CBA"',
    ],
    [
      'when one before it in the batch has cancelled the row',
      [of('m1', CANCEL), at(1, replace({ price: '2' }))],
      'the row at offset 1 of partition 0 was cancelled',
    ],
  ])('%s', async (_, corrections, problem) => {
    const table = await CorrectionTable.open(lab.engine, lab.directory, 5)
    await table.append([
      trade(0),
      trade(1),
      trade(2, { messageId: 'twice' }),
      trade(3, { messageId: 'twice' }),
    ])
    const { refused } = await table.rows.plan(corrections)
    expect([...refused.values()]).toEqual([problem])
  })
})

test('files that are looked into for rows are not removed by an expiry meanwhile [inv 4]', async () => {
  const table = await CorrectionTable.open(lab.engine, lab.directory, 9)
  await table.append([trade(0)])
  await table.append([trade(1)])
  const { head } = table
  const { manifests } = head.context
  let isExpired = false
  const engine = {
    writeParquet: lab.engine.writeParquet.bind(lab.engine),
    read: async (sql: string) => {
      if (!isExpired) {
        isExpired = true
        await table.compact()
        await expireSnapshots(head, { maxAgeMs: 1, minToKeep: 1, maxCount: 1 }, RUN)
      }
      return lab.engine.read(sql)
    },
  }
  const rows = new RowCorrections({ head, layout: TRADES, engine, index: new FileIndex(manifests) })
  const plan = await rows.plan([of('m0', CANCEL), of('m1', CANCEL)])
  expect(plan.refused.size).toBe(0)
  expect(plan.files).toHaveLength(2)
})

describe('a commit of corrections', () => {
  test('that meets a compaction is planned again, and is not lost to it', async () => {
    const table = await CorrectionTable.open(lab.engine, lab.directory, 6)
    await table.append([trade(0)])
    await table.append([trade(1)])
    const corrections = [of('m0', replace({ price: '2' }))]
    const plan = await table.rows.plan(corrections)
    await table.compact()
    const failure = await table.rows.commit(plan, [0], [1]).catch((error: unknown) => error)
    expect(failure).toMatchObject({ code: 'conflict' })
    await correct(table, corrections)
    expect((await table.trades()).map(({ price }) => price)).toEqual([200_000_000n, 100_000_000n])
  })

  test('is made once: from another position it is refused', async () => {
    const table = await CorrectionTable.open(lab.engine, lab.directory, 7)
    await table.append([trade(0), trade(1)])
    const plan = await table.rows.plan([of('m0', CANCEL)])
    await correct(table, [of('m1', replace({ price: '2' }))])
    await expect(table.rows.commit(plan, [0], [1])).rejects.toMatchObject({ code: 'conflict' })
    expect(table.rows.position(1)).toEqual([1])
  })
})

test('how far corrections had come at a time is told while the table knows that time, and never guessed', async () => {
  const table = await CorrectionTable.open(lab.engine, lab.directory, 10)
  await table.append([trade(0), trade(1)])
  const { head } = table
  const newestMs = () => head.metadata.snapshots.at(-1)!.timestampMs
  const before = newestMs()
  expect(appliedOffsetsAt(head.metadata, before)).toEqual([])
  await correct(table, [of('m0', replace({ price: '2' }))])
  const between = newestMs()
  await correct(table, [of('m1', CANCEL)])
  const at = (timeMs: number) => appliedOffsetsAt(head.metadata, timeMs)
  expect([0, before, between, newestMs(), newestMs() + 1].map(at)).toEqual([[], [], [1], [2], [2]])
  await expireSnapshots(head, { maxAgeMs: 1, minToKeep: 1, maxCount: 1 }, RUN)
  expect(at(newestMs())).toEqual([2])
  expect(() => at(between)).toThrow(expect.objectContaining({ code: 'gone' }))
})

describe('corrections in the order of their log', () => {
  test.each(Array.from({ length: 5 }, (_, seed) => seed + 1))(
    'agree with a list of rows at every version, whatever fails, restarts or is compacted meanwhile: seed %i',
    async (seed) => {
      const random = new SeededRandom(seed)
      const fault = () => (random.oneIn(25) ? random.pick(['before', 'after'] as const) : 'none')
      const table = await CorrectionTable.open(lab.engine, lab.directory, seed, fault)
      const log: RowCorrection[] = []
      const model = new Map<number, Trade>()
      const refused = new Set<RowCorrection>()
      let [next, made] = [0, 0]
      const versions = new Map<bigint, readonly Trade[]>()
      const untilItHolds = async (work: () => Promise<void>) => {
        for (;;) {
          try {
            return await work()
          } catch (error) {
            if (!(error instanceof TicklakeError)) throw error
            // Whoever was at work has ended: the next one finds what is committed.
            await table.restart()
          }
        }
      }
      for (let step = 0; step < 15; step++) {
        const rows = Array.from({ length: 1 + random.below(20) }, () => randomTrade(random, next++))
        await untilItHolds(async () => {
          if (currentOffsets(table.head.metadata)[0] === next) return
          await table.append(rows)
        })
        for (const row of rows) model.set(row.offset, row)
        for (let count = random.below(6); count > 0; count--) log.push(randomCorrection(random, next))
        await untilItHolds(async () => {
          const from = table.rows.position(1)
          const pending = log.slice(from[0]).filter((one) => !refused.has(one))
          const plan = await table.rows.plan(pending)
          if (random.oneIn(5)) await table.compact()
          // Durable before the commit, as in the topic.
          for (const index of plan.refused.keys()) refused.add(pending[index]!)
          await table.rows.commit(plan, from, [log.length])
        })
        for (const one of log.slice(made)) expect(apply(model, one)).toBe(!refused.has(one))
        made = log.length
        if (random.oneIn(4)) await untilItHolds(() => table.compact())
        const expected = [...model.values()].sort((a, b) => a.offset - b.offset)
        expect(await table.trades()).toEqual(expected)
        versions.set(table.head.metadata.currentSnapshotId!, expected)
      }
      for (const [snapshotId, expected] of [...versions].slice(-6)) {
        expect(await table.trades(snapshotId)).toEqual(expected)
      }
      expect(log.length - refused.size).toBeGreaterThan(5)
      expect(refused.size).toBeGreaterThan(0)
    },
  )
})

function randomTrade(random: SeededRandom, offset: number): Trade {
  const micros = trade(offset).micros + BigInt(random.below(DAYS)) * BigInt(MICROS_PER_DAY)
  const messageId = random.oneIn(10) ? null : `m${random.oneIn(30) ? Math.max(0, offset - 1) : offset}`
  return trade(offset, {
    micros,
    messageId,
    symbol: random.pick(['BHP', 'CBA']),
    price: BigInt(random.uint32()),
  })
}

function randomCorrection(random: SeededRandom, end: number): RowCorrection {
  const offset = random.below(end + 2)
  const day = BigInt(random.below(DAYS)) * BigInt(MICROS_PER_DAY)
  const change = random.oneIn(3)
    ? CANCEL
    : replace({
        ...(random.oneIn(2) && { price: formatDecimal(1n + BigInt(random.uint32())) }),
        ...(random.oneIn(2) && { exchange_timestamp: String(trade(offset).micros + day) }),
        venue: 'ASX',
      })
  if (random.oneIn(2)) return of(`m${offset}`, change, end)
  return at(offset, change, random.oneIn(3) ? { symbol: random.pick(['BHP', 'CBA']) } : {})
}

/** Makes a correction in a plain list of rows, or says that it can't be. */
function apply(model: Map<number, Trade>, { target, change }: RowCorrection): boolean {
  const meant = [...model.values()].filter((row) =>
    target.kind === 'place'
      ? row.offset === target.offset
      : row.messageId === target.messageId && row.offset < target.before[0]!,
  )
  const [row] = meant
  if (!row || meant.length > 1 || (target.symbol !== null && target.symbol !== row.symbol)) return false
  if (change.isCancelled) return model.delete(row.offset)
  const price = change.values.get('price')
  const micros = change.values.get('exchange_timestamp')
  model.set(row.offset, {
    ...row,
    price: price === undefined ? row.price : scaled(price),
    micros: micros === undefined ? row.micros : BigInt(micros),
    flags: row.flags | QualityFlag.corrected,
  })
  return true
}

function scaled(text: string): bigint {
  const [whole = '', fraction = ''] = text.split('.')
  return BigInt(whole + fraction.padEnd(8, '0'))
}
