import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  createLogger,
  EMPTY_LEDGER,
  type FilledGap,
  type Ledger,
  SEQUENCE_GAPS,
  TicklakeError,
  TRADES,
} from '#core'
import { Engine } from '#engine'
import { fileColumns, parquetRelation, type TableMetadata } from '#storage'
import { Append } from '../../src/storage/append.js'
import type { Catalog } from '../../src/storage/catalog/catalog.js'
import { FileCatalog } from '../../src/storage/catalog/file-catalog.js'
import type { CommitContext } from '../../src/storage/commit.js'
import { GapTable } from '../../src/storage/gap-table.js'
import { currentSnapshot, newTableMetadata } from '../../src/storage/iceberg/metadata.js'
import { icebergSchema } from '../../src/storage/iceberg/schema.js'
import { LEDGER_KEY, readLedger, writeLedger } from '../../src/storage/ledger-file.js'
import { expireSnapshots } from '../../src/storage/maintenance/expire.js'
import { Manifests } from '../../src/storage/manifests.js'
import { LocalObjectStore, localLocation } from '../../src/storage/objects/local.js'
import type { ObjectStore } from '../../src/storage/objects/object-store.js'
import { currentOffsets } from '../../src/storage/position.js'
import { FileIndex } from '../../src/storage/prune.js'
import { TableHead } from '../../src/storage/table-head.js'
import { FaultyObjectStore } from '../support/faulty-object-store.js'
import { ManualClock } from '../support/manual-clock.js'
import { SeededRandom } from '../support/seeded-random.js'
import { newTracker, OPEN_MICROS, observe } from '../support/sequence-rows.js'

const logger = createLogger({ level: 'silent', format: 'text' })
const objects = new LocalObjectStore()
const COLUMNS = fileColumns(SEQUENCE_GAPS, icebergSchema(SEQUENCE_GAPS))
let directory: string
let engine: Engine

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ticklake-gaps-'))
  const tempDirectory = join(directory, 'tmp')
  engine = await Engine.open({
    memoryLimit: '1GB',
    threads: 1,
    tempDirectory,
    connections: 2,
  })
})
afterAll(async () => {
  await engine.close()
  await rm(directory, { recursive: true })
})

/** Trades whose snapshots have ledgers and no rows, and the table of their gaps. */
class Fixture {
  readonly #location: string
  #offset = 0
  readonly trades: TableHead

  private constructor(location: string, trades: TableHead) {
    this.#location = location
    this.trades = trades
  }

  static async open(seed: number): Promise<Fixture> {
    const location = localLocation(await mkdtemp(join(directory, 'warehouse-')))
    const context = contextOver(objects, location, seed)
    const create = (layout: typeof SEQUENCE_GAPS, partitionCount: number) =>
      context.catalog.create(
        layout.name,
        newTableMetadata(layout, {
          location: `${location}/${layout.name}`,
          ...{ uuid: `u-${layout.name}`, nowMs: 0, partitionCount },
        }),
      )
    await create(SEQUENCE_GAPS, 2)
    const { metadata } = await create(TRADES, 1)
    return new Fixture(location, new TableHead(TRADES.name, metadata, context))
  }

  /** One more snapshot, with a ledger or that of the one before. */
  async commit(ledger: Ledger | null): Promise<void> {
    const from = [this.#offset++]
    const path = `${this.#location}/trades/metadata/ledger-${this.#offset}.json.gz`
    if (ledger) await writeLedger(objects, path, ledger)
    const summary = ledger ? { [LEDGER_KEY]: path } : {}
    const request = { files: [], from, to: [this.#offset], summary }
    await this.trades.commit(new Append(this.trades.context, request))
  }

  /** What keeps the gaps, as after a start, over a store of its own; some commits go through and are never heard of. */
  async gaps(
    fence: number,
    store: ObjectStore = objects,
    isUnheard: () => boolean = () => false,
  ): Promise<GapTable> {
    const context = { ...contextOver(store, this.#location, fence), fence }
    const catalog = silenced(context.catalog, isUnheard)
    const head = new TableHead(SEQUENCE_GAPS.name, await this.metadata(), { ...context, catalog })
    return new GapTable({ engine, head, logger })
  }

  async metadata(): Promise<TableMetadata> {
    return (await contextOver(objects, this.#location, 0).catalog.load(SEQUENCE_GAPS.name)).metadata
  }

  /** Every row: symbol, numbers, and when it was filled; session and detection are told by a test of their own. */
  async rows(): Promise<readonly string[]> {
    const metadata = await this.metadata()
    const { files } = await new FileIndex(new Manifests(objects)).selectFiles(
      metadata,
      metadata.currentSnapshotId,
      [],
    )
    if (files.length === 0) return []
    const { columns } = await engine.query(
      `SELECT concat_ws(' ', table_name, exchange, symbol, from_sequence || '–' || to_sequence, session_date,
         epoch_us(detected_at), epoch_us(filled_at)) AS row
       FROM ${parquetRelation(files, COLUMNS)} ORDER BY row`,
    )
    return (columns[0] ?? []).map(String)
  }

  /** Found, and not filled. */
  async open(): Promise<readonly string[]> {
    const metadata = await this.metadata()
    const { files } = await new FileIndex(new Manifests(objects)).selectFiles(
      metadata,
      metadata.currentSnapshotId,
      [],
    )
    if (files.length === 0) return []
    const { columns } = await engine.query(
      `SELECT from_sequence || '–' || to_sequence FROM ${parquetRelation(files, COLUMNS)}
       GROUP BY exchange, symbol, table_name, session_date, from_sequence, to_sequence, detected_at
       HAVING max(filled_at) IS NULL ORDER BY from_sequence`,
    )
    return (columns[0] ?? []).map(String)
  }
}

function contextOver(store: ObjectStore, location: string, seed: number): CommitContext {
  const catalog = new FileCatalog(store, location)
  const random = new SeededRandom(seed)
  const manifests = new Manifests(store)
  return { objects: store, manifests, catalog, clock: new ManualClock(), random, fence: 1, logger }
}

/** Of some commits the outcome cannot be read back either. */
function silenced(catalog: Catalog, isUnheard: () => boolean): Catalog {
  let isSilent = false
  return {
    create: (table, metadata) => catalog.create(table, metadata),
    load: async (table) => {
      const wasSilent = isSilent
      isSilent = false
      if (wasSilent) throw new TicklakeError('unavailable', 'injected: nothing can be read')
      return catalog.load(table)
    },
    commit: async (table, base, next) => {
      const committed = await catalog.commit(table, base, next)
      isSilent = isUnheard()
      if (isSilent) throw new TicklakeError('unavailable', 'injected: the answer is lost')
      return committed
    },
  }
}

const NOTHING_OLD = { maxAgeMs: -1, minToKeep: 1, maxCount: 1 }
const RUN = { signal: new AbortController().signal, progress: () => {} }
const GAP = { sessionDay: 19_800, afterMicros: 1, beforeMicros: 2, detectedMicros: OPEN_MICROS }

function ledgerOf(gaps: Ledger['instruments'][0]['runs'][0]['gaps'], filledGaps: FilledGap[] = []): Ledger {
  const run = { first: 1n, last: 2n ** 63n - 1n, startMicros: 0, endMicros: 9, gaps }
  const counts = { accepted: 1, newestMicros: null, duplicates: 0, refused: {}, prices: null }
  const instrument = { partition: 0, exchange: "L'X", symbol: '日本 "A"', ...counts, runs: [run] }
  return { ...EMPTY_LEDGER, instruments: [instrument], filledGaps }
}

describe('sequence_gaps', () => {
  test('has a row for each gap that begins and for each that ends, and tells which snapshot it reflects', async () => {
    const lake = await Fixture.open(1)
    const gaps = await lake.gaps(1)
    const whole = { ...GAP, from: 2n ** 62n, to: 2n ** 62n + 9n }
    const rest = { ...whole, from: 2n ** 62n + 4n }
    const piece = { ...whole, to: rest.from - 1n, exchange: "L'X", symbol: '日本 "A"' }
    const short = { ...piece, from: 7n, to: 7n, detectedMicros: OPEN_MICROS + 1 }
    await lake.commit(ledgerOf([whole]))
    gaps.follow(lake.trades)
    await gaps.settled()
    await lake.commit(
      ledgerOf(
        [rest],
        [
          { ...piece, to: piece.to - 1n, filledMicros: OPEN_MICROS + 5 },
          { ...piece, from: piece.to, filledMicros: OPEN_MICROS + 6 },
          { ...short, filledMicros: OPEN_MICROS + 2 },
        ],
      ),
    )
    gaps.follow(lake.trades)
    await gaps.settled()
    const row = (from: bigint, to: bigint, detected: number, filled: number | null) =>
      `trades L'X 日本 "A" ${from}–${to} 2024-03-18 ${detected}${filled === null ? '' : ` ${filled}`}`
    expect(await lake.rows()).toEqual(
      [
        row(whole.from, whole.to, OPEN_MICROS, null),
        row(whole.from, whole.to, OPEN_MICROS, OPEN_MICROS + 6),
        row(rest.from, rest.to, OPEN_MICROS, null),
        row(7n, 7n, OPEN_MICROS + 1, OPEN_MICROS + 2),
      ].sort(),
    )
    expect(await lake.open()).toEqual([`${rest.from}–${rest.to}`])
    const metadata = await lake.metadata()
    expect(currentOffsets(metadata)).toEqual([2, 0])
    expect(JSON.parse(currentSnapshot(metadata)?.summary['ticklake.sources'] ?? '')).toEqual({
      trades: String(lake.trades.metadata.currentSnapshotId),
    })
  })

  test('leaves a gap open that was given up, and notes now and then how far it has read', async () => {
    const lake = await Fixture.open(2)
    const gaps = await lake.gaps(1)
    const noted = async () => {
      gaps.follow(lake.trades)
      await gaps.settled()
      return currentOffsets(await lake.metadata())
    }
    await lake.commit(ledgerOf([{ ...GAP, from: 2n, to: 3n }]))
    expect(await noted()).toEqual([1, 0])
    await lake.commit(ledgerOf([]))
    for (let more = 0; more < 98; more++) await lake.commit(null)
    expect(await noted()).toEqual([1, 0])
    await lake.commit(null)
    expect(await noted()).toEqual([101, 0])
    expect(await lake.open()).toEqual(['2–3'])
  })

  test.each(Array.from({ length: 8 }, (_, seed) => seed + 1))(
    'agrees with the newest ledger, each row once, whatever fails and restarts: seed %i [inv 2]',
    async (seed) => {
      const random = new SeededRandom(seed)
      const lake = await Fixture.open(seed)
      const store = new FaultyObjectStore(objects, () =>
        random.oneIn(5) ? random.pick(['before', 'after'] as const) : 'none',
      )
      const late: number[] = []
      const order = Array.from({ length: 200 }, (_, number) => number).flatMap((number) => {
        if (number > 0 && random.oneIn(20)) return []
        if (number > 0 && random.oneIn(4)) late.push(number)
        else return random.oneIn(3) && late.length > 0 ? [number, late.shift()!] : [number]
        return []
      })
      const tracker = newTracker()
      let pending: FilledGap[] = []
      const start = (fence: number) => lake.gaps(fence, store, () => random.oneIn(3))
      const starts = [await start(1)]
      for (const [row, number] of order.entries()) {
        const [eventMicros, logMicros] = [OPEN_MICROS + number * 1_000, OPEN_MICROS + row * 50]
        observe(tracker, { sequence: BigInt(number), eventMicros, logMicros })
        const { filled } = tracker.takeEvents()
        pending.push(...filled.map((piece) => ({ ...piece, exchange: 'X', symbol: 'BHP' })))
        if (!random.oneIn(10)) continue
        const [instrument] = ledgerOf([]).instruments
        const state = { ...instrument!, exchange: 'X', symbol: 'BHP', runs: tracker.runs }
        await lake.commit({ ...EMPTY_LEDGER, instruments: [state], filledGaps: pending })
        pending = []
        // A restart forgets all that is in memory.
        if (random.oneIn(4)) starts.push(await start(starts.length + 1))
        const gaps = starts.at(-1)!
        gaps.follow(lake.trades)
        if (random.oneIn(2)) await gaps.settled()
        // All that has been read may go.
        if (random.oneIn(3)) await expireSnapshots(lake.trades, NOTHING_OLD, RUN)
      }
      for (const gaps of starts) await gaps.settled()
      const last = await lake.gaps(starts.length + 1)
      last.follow(lake.trades)
      await last.settled()
      const rows = await lake.rows()
      expect(new Set(rows).size).toBe(rows.length)
      const ledger = await readNewest(lake)
      expect(ledger.length).toBeGreaterThan(0)
      expect(await lake.open()).toEqual(ledger)
    },
  )
})

async function readNewest(lake: Fixture): Promise<readonly string[]> {
  const { instruments } = await readLedger(objects, currentSnapshot(lake.trades.metadata)!.summary)
  return instruments.flatMap(({ runs }) =>
    runs.flatMap((run) => run.gaps.map(({ from, to }) => `${from}–${to}`)),
  )
}
