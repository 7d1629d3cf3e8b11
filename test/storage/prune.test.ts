import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { TRADES } from '#core'
import { commitAppend } from '../../src/storage/append.js'
import type { DataFile } from '../../src/storage/iceberg/manifest.js'
import { newTableMetadata, type TableMetadata } from '../../src/storage/iceberg/metadata.js'
import { MemoryObjectStore } from '../../src/storage/objects/memory.js'
import { predicatesOf } from '../../src/storage/predicates.js'
import { FileIndex } from '../../src/storage/prune.js'
import type { RowFilter } from '../../src/storage/table.js'
import { commitContext } from '../support/commit-context.js'
import { type PrunedRow, tradesFile } from '../support/data-file.js'
import { ManualClock } from '../support/manual-clock.js'

const DAY = 86_400_000_000n
const LOCATION = 'memory:///w/trades'
const clock = new ManualClock()

interface StoredFile {
  readonly file: DataFile
  readonly rows: readonly PrunedRow[]
}

async function openTable() {
  const objects = new MemoryObjectStore(clock)
  const context = commitContext(objects, 'memory:///w', { clock })
  const { manifests } = context
  const first = newTableMetadata(TRADES, {
    location: LOCATION,
    uuid: 'u',
    nowMs: clock.nowMs(),
    partitionCount: 1,
  })
  let { metadata } = await context.catalog.create('trades', first)
  let offset = 0
  const append = async (files: readonly DataFile[]): Promise<TableMetadata> => {
    const request = { files, from: [offset], to: [offset + 1], summary: {} }
    metadata = (await commitAppend(context, 'trades', request)).table.metadata
    offset += 1
    return metadata
  }
  return { objects, metadata, append, index: new FileIndex(manifests) }
}

function matches(row: PrunedRow, { symbols, exchange, startMicros, endMicros }: RowFilter): boolean {
  const { symbol, micros } = row
  if (exchange !== undefined && row.exchange !== exchange) return false
  if (symbols && (symbol === null || !symbols.includes(symbol))) return false
  if (startMicros !== undefined && (micros === null || micros < startMicros)) return false
  return endMicros === undefined || (micros !== null && micros < endMicros)
}

const symbols = fc.oneof(
  fc.constantFrom('BHP', 'CBA', 'ANZ', '', '\uffff', '😀'),
  // Longer than a bound, and alike up to where bounds are cut.
  fc.constantFrom(
    'AAAAAAAAAAAAAAAAA',
    'AAAAAAAAAAAAAAAAB',
    '\u{10ffff}'.repeat(17),
    `${'\ud7ff'.repeat(16)}x`,
  ),
)
// Around the turns of days before and after 1970, so that edges are met often.
const micros = fc
  .record({ day: fc.integer({ min: -2, max: 2 }), off: fc.constantFrom(0n, 1n, DAY / 2n, DAY - 1n) })
  .map(({ day, off }) => BigInt(day) * DAY + off)
const exchanges = fc.constantFrom('ASX', 'NYSE', 'A name of more than sixteen characters')
const nullable = <T>(value: fc.Arbitrary<T>) => fc.option(value, { freq: 8 })
const filters: fc.Arbitrary<RowFilter> = fc.record(
  {
    symbols: fc.array(symbols, { maxLength: 3 }),
    exchange: exchanges,
    startMicros: micros,
    endMicros: micros,
  },
  { requiredKeys: [] },
)
/** One commit's files: rows as drawn, split by day as the flush does. */
const commits = fc.array(
  fc.array(
    fc.record({ symbol: nullable(symbols), exchange: nullable(exchanges), micros: nullable(micros) }),
    {
      minLength: 1,
      maxLength: 12,
    },
  ),
  { minLength: 1, maxLength: 5 },
)

function filesOf(rows: readonly PrunedRow[], commit: number): readonly StoredFile[] {
  const byDay = new Map<string, PrunedRow[]>()
  for (const row of rows) {
    const day = row.micros === null ? 'null' : String((row.micros - (((row.micros % DAY) + DAY) % DAY)) / DAY)
    byDay.set(day, [...(byDay.get(day) ?? []), row])
  }
  return Array.from(byDay, ([day, inDay]) => ({
    file: tradesFile(`${LOCATION}/data/${commit}-${day}`, inDay),
    rows: inDay,
  }))
}

describe('file selection', () => {
  test('never leaves out a file with a row of the filter, and takes few others', async () => {
    let needless = 0
    let selected = 0
    await fc.assert(
      fc.asyncProperty(commits, fc.array(filters, { minLength: 5, maxLength: 5 }), async (rows, asked) => {
        const { index, append } = await openTable()
        const stored: StoredFile[] = []
        let metadata: TableMetadata | undefined
        for (const [i, inCommit] of rows.entries()) {
          const files = filesOf(inCommit, i)
          stored.push(...files)
          metadata = await append(files.map(({ file }) => file))
        }
        for (const filter of asked) {
          const { files, filesTotal } = await index.selectFiles(
            metadata!,
            metadata!.currentSnapshotId,
            predicatesOf(TRADES, filter),
          )
          const needed = stored.filter((file) => file.rows.some((row) => matches(row, filter)))
          const paths = new Set(files.map(({ path }) => path))
          expect(needed.filter(({ file }) => !paths.has(file.path))).toEqual([])
          expect(filesTotal).toBe(stored.length)
          needless += files.length - needed.length
          selected += files.length
        }
      }),
      // How many are few depends on the draw.
      { numRuns: 60, seed: 20_261_124 },
    )
    expect(selected).toBeGreaterThan(100)
    expect(needless / selected).toBeLessThan(0.5)
  })

  test('reads only manifests whose days can match', async () => {
    const { objects, append, index } = await openTable()
    let metadata: TableMetadata | undefined
    for (let day = 0n; day < 5n; day++) {
      metadata = await append(
        filesOf([{ symbol: 'BHP', exchange: 'ASX', micros: day * DAY + 5n }], Number(day)).map(
          ({ file }) => file,
        ),
      )
    }
    const manifests = (await objects.list(LOCATION)).filter(({ location }) => location.endsWith('-m0.avro'))
    expect(manifests).toHaveLength(5)
    // Manifests that cannot match need not even be there.
    for (const { location } of manifests.slice(0, 4)) await objects.remove(location)
    const filter = { startMicros: 4n * DAY, endMicros: 4n * DAY + 6n }
    const { files, filesTotal } = await index.selectFiles(
      metadata!,
      metadata!.currentSnapshotId,
      predicatesOf(TRADES, filter),
    )
    expect(files.map(({ path }) => path)).toEqual([`${LOCATION}/data/4-4`])
    expect(filesTotal).toBe(5)
    await expect(index.selectFiles(metadata!, metadata!.currentSnapshotId, [])).rejects.toMatchObject({
      code: 'not_found',
    })
  })

  test('takes a file without statistics, by its partition alone', async () => {
    const { append, index } = await openTable()
    const [{ file }] = filesOf([{ symbol: 'BHP', exchange: 'ASX', micros: 5n }], 0) as [StoredFile]
    const nothing = new Map<number, never>()
    const bare = {
      ...file,
      valueCounts: nothing,
      nullValueCounts: nothing,
      lowerBounds: nothing,
      upperBounds: nothing,
    }
    const metadata = await append([bare])
    const select = async (of: TableMetadata, filter: RowFilter) =>
      (await index.selectFiles(of, of.currentSnapshotId, predicatesOf(TRADES, filter))).files.length
    expect(await select(metadata, { symbols: ['ZZZ'], startMicros: 6n, endMicros: 7n })).toBe(1)
    expect(await select(metadata, { exchange: 'ZZZ' })).toBe(1)
    expect(await select(metadata, { startMicros: 9n * DAY })).toBe(0)
  })

  test('of no snapshot is nothing; of an unknown one is gone', async () => {
    const { metadata, index } = await openTable()
    expect(await index.selectFiles(metadata, null, [])).toEqual({ files: [], filesTotal: 0 })
    await expect(index.selectFiles(metadata, 5n, [])).rejects.toMatchObject({ code: 'gone' })
  })
})

describe('files appended since a snapshot', () => {
  test('are those of the appends after it, oldest first, that may match', async () => {
    const { append, index } = await openTable()
    let metadata: TableMetadata | undefined
    for (let day = 0; day < 4; day++) {
      metadata = await append(
        filesOf([{ symbol: 'BHP', exchange: 'ASX', micros: BigInt(day) * DAY }], day).map(({ file }) => file),
      )
    }
    const since = async (snapshotId: bigint | null, filter: RowFilter = {}) =>
      (await index.appendedSince(metadata!, snapshotId, predicatesOf(TRADES, filter))).map(
        ({ partition }) => partition[0],
      )
    const ids = metadata!.snapshots.map(({ snapshotId }) => snapshotId)
    expect(await since(ids[3]!)).toEqual([])
    expect(await since(ids[1]!)).toEqual([2, 3])
    expect(await since(ids[0]!, { endMicros: 3n * DAY })).toEqual([1, 2])
    expect(await since(null)).toEqual([0, 1, 2, 3])

    const replaced = metadata!.snapshots.map((snapshot) =>
      snapshot.snapshotId === ids[2]
        ? { ...snapshot, summary: { ...snapshot.summary, operation: 'replace' } }
        : snapshot,
    )
    const compacted = { ...metadata!, snapshots: replaced }
    expect((await index.appendedSince(compacted, ids[1]!)).map(({ partition }) => partition[0])).toEqual([3])
  })

  test('are gone once the way back is cut', async () => {
    const { append, index } = await openTable()
    await append([])
    await append([])
    const metadata = await append([])
    const [, second, third] = metadata.snapshots
    const expired = { ...metadata, snapshots: [third!] }
    expect(await index.appendedSince(expired, second!.snapshotId)).toEqual([])
    await expect(index.appendedSince(expired, metadata.snapshots[0]!.snapshotId)).rejects.toMatchObject({
      code: 'gone',
    })
    await expect(index.appendedSince(expired, null)).rejects.toMatchObject({ code: 'gone' })
    await expect(index.appendedSince(metadata, 77n)).rejects.toMatchObject({ code: 'gone' })
  })
})
