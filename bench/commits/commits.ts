import { join } from 'node:path'
import { createLogger, MICROS_PER_DAY, systemRandom, TRADES } from '#core'
import { Engine } from '#engine'
import { type Compactable, Maintenance, type MaintenancePolicy } from '#storage'
import { Append } from '../../src/storage/append.js'
import { FileCatalog } from '../../src/storage/catalog/file-catalog.js'
import { newTableMetadata } from '../../src/storage/iceberg/metadata.js'
import { formatMetadata } from '../../src/storage/iceberg/metadata-file.js'
import { LEDGER_KEY } from '../../src/storage/ledger-file.js'
import { compact } from '../../src/storage/maintenance/compact.js'
import { Manifests } from '../../src/storage/manifests.js'
import { LocalObjectStore, localLocation } from '../../src/storage/objects/local.js'
import { currentOffsets } from '../../src/storage/position.js'
import { predicatesOf } from '../../src/storage/predicates.js'
import { prepareFiles } from '../../src/storage/prepare.js'
import { FileIndex } from '../../src/storage/prune.js'
import { TableHead } from '../../src/storage/table-head.js'
import { DUCKDB_TYPES } from '../../src/storage/tail-segment.js'
import { UnnumberedFiles } from '../../src/storage/unnumbered-files.js'
import { formatWatermarks } from '../../src/storage/watermarks.js'
import { ManualClock } from '../../test/support/manual-clock.js'
import { median, percentile } from '../statistics.js'
import { type Life, type Stage, stageRow } from './stage.js'

/** A flush each five minutes, as the configuration has it when little is going on: 288 a day. */
const FLUSH_MS = 300_000
const ROWS_A_FLUSH = 200
const SYMBOLS = 50
const PARTITIONS = 4
/** Commits that one figure is taken of. */
const WINDOW = 100
/** Commits between two looks at the table. */
const STAGE = 500
const PLANS = 20
const BEGIN_MS = Date.UTC(2026, 0, 1)
const ENGINE = { memoryLimit: '2GB', threads: 1, connections: 2 }
const RUN = { signal: new AbortController().signal, progress: () => {} }

/** Says when the next timer is set: the policy sets it when it is done. */
class WatchedClock extends ManualClock {
  #set = () => {}

  timer(): Promise<void> {
    return new Promise((resolve) => {
      this.#set = resolve
    })
  }

  override after(delayMs: number, callback: () => void): () => void {
    this.#set()
    return super.after(delayMs, callback)
  }
}

/** Trades of one flush, as SQL: of some symbols, in the five minutes before `nowMicros`. */
function rowsSql(flush: number, nowMicros: bigint): string {
  const cells: Readonly<Record<string, string>> = {
    symbol: `'SYM' || (hash(i, ${flush}) % ${SYMBOLS})`,
    exchange: `'MADE'`,
    exchange_timestamp: `make_timestamptz(${nowMicros} - ${FLUSH_MS * 1000} + i * ${(FLUSH_MS * 1000) / ROWS_A_FLUSH})`,
    exchange_nanos: '0',
    sequence_number: `${flush * ROWS_A_FLUSH} + i`,
    price: `100 + (hash(i, ${flush}, 1) % 1000) / 100`,
    size: `1 + hash(i, ${flush}, 2) % 500`,
    side: `'unknown'`,
    quality_flags: '0',
    ingest_timestamp: `make_timestamptz(${nowMicros})`,
    source: `'made'`,
    log_partition: `i % ${PARTITIONS}`,
    log_offset: `${(flush * ROWS_A_FLUSH) / PARTITIONS} + i // ${PARTITIONS}`,
  }
  const columns = TRADES.columns.map(
    ({ name, type }) => `(${cells[name] ?? 'NULL'})::${DUCKDB_TYPES[type]} AS ${name}`,
  )
  return `(SELECT ${columns.join(', ')} FROM range(${ROWS_A_FLUSH}) r(i))`
}

/** A table that takes one small flush after the other, real files and all, on a clock of its own, under a policy. */
export async function commits(folder: string, commitCount: number, policy: MaintenancePolicy): Promise<Life> {
  const objects = new LocalObjectStore()
  const location = localLocation(folder)
  const clock = new WatchedClock(BEGIN_MS)
  const logger = createLogger({ level: 'error', format: 'text' })
  const manifests = new Manifests(objects)
  const catalog = new FileCatalog(objects, location)
  const context = { objects, manifests, catalog, clock, random: systemRandom, logger, fence: 1 }
  const index = new FileIndex(manifests)
  const engine = await Engine.open({ ...ENGINE, tempDirectory: join(folder, 'temp') })
  const create = async (name: string): Promise<Compactable> => {
    const made = { location: `${location}/${name}`, uuid: name, nowMs: BEGIN_MS, partitionCount: PARTITIONS }
    const { metadata } = await catalog.create(name, newTableMetadata(TRADES, made))
    const head = new TableHead(name, metadata, context)
    return { head, layout: TRADES, engine, index, unnumbered: new UnnumberedFiles(engine) }
  }
  const table = await create('old')
  const maintenance = new Maintenance({ tables: [table], policy, clock, logger, mayRun: () => true })
  await maintenance.start()
  const timesMs: number[] = []
  const growing: Stage[] = []
  try {
    for (let commit = 1; commit <= commitCount; commit++) {
      // What the policy does at that moment is part of no commit's time.
      const looked = clock.timer()
      clock.advance(FLUSH_MS)
      await looked
      timesMs.push(await flush(table, commit))
      if (commit === WINDOW || commit % STAGE === 0) growing.push(await stage(table, timesMs))
    }
    // In turns, so that whatever else the machine does is shared by both.
    const fresh = await create('new')
    const [ofOld, ofNew]: [number[], number[]] = [[], []]
    for (let commit = 1; commit <= WINDOW; commit++) {
      ofOld.push(await flush(table, commitCount + commit))
      ofNew.push(await flush(fresh, commit))
    }
    const { targetFileBytes: targetBytes } = policy
    await compact(table, { targetBytes, minInputs: 2, patient: false }, RUN)
    const besideNew = median(ofOld) / median(ofNew)
    return { growing, besideNew, compacted: await stage(table, timesMs) }
  } finally {
    await maintenance.stop()
    await engine.close()
  }
}

/** Appends some rows; how long the commit took, ms. */
async function flush({ head, engine }: Compactable, commit: number): Promise<number> {
  const { metadata, context } = head
  const nowMicros = BigInt(context.clock.nowMs()) * 1000n
  const names = head.claimNames()
  const { files, specId } = await prepareFiles(
    { layout: TRADES, engine, objects: context.objects, metadata },
    { relation: rowsSql(commit, nowMicros), rowCount: ROWS_A_FLUSH, days: null },
    names.next(),
  )
  const from = currentOffsets(metadata)
  const summary = {
    [LEDGER_KEY]: `${metadata.location}/metadata/ledger-000001-${commit}.json.gz`,
    ...formatWatermarks(new Map([['MADE', nowMicros]])),
  }
  const to = from.map((offset) => offset + ROWS_A_FLUSH / PARTITIONS)
  const append = new Append(context, { files, specId, from, to, summary })
  const startedMs = performance.now()
  await head.commit(append)
  const tookMs = performance.now() - startedMs
  names.release()
  return tookMs
}

async function stage({ head, index }: Compactable, timesMs: readonly number[]): Promise<Stage> {
  const { metadata, context } = head
  const nowMicros = BigInt(context.clock.nowMs()) * 1000n
  const predicates = predicatesOf(TRADES, {
    symbols: ['SYM7'],
    startMicros: nowMicros - BigInt(MICROS_PER_DAY),
    endMicros: nowMicros,
  })
  const planMs: number[] = []
  for (let round = 0; round < PLANS; round++) {
    const startedMs = performance.now()
    await index.selectFiles(metadata, metadata.currentSnapshotId, predicates)
    planMs.push(performance.now() - startedMs)
  }
  const { filesTotal } = await index.selectFiles(metadata, metadata.currentSnapshotId, [])
  const window = timesMs.slice(-WINDOW)
  const { manifestList } = metadata.snapshots.at(-1)!
  const found: Stage = {
    commits: timesMs.length,
    files: filesTotal,
    manifests: (await context.manifests.list(manifestList)).length,
    snapshots: metadata.snapshots.length,
    metadataBytes: Buffer.byteLength(formatMetadata(metadata)),
    commitP50Ms: median(window),
    commitP99Ms: percentile(window, 0.99),
    planMs: median(planMs),
  }
  console.log(stageRow(found))
  return found
}
