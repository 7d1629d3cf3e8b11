import { type Logger, type OffsetVector, SEQUENCE_GAPS, type TableName, TicklakeError } from '#core'
import type { TableEngine } from '#engine'
import { Append } from './append.js'
import { type GapRow, gapRelation, gapRows, type InstrumentGap, openGapsOf } from './gap-rows.js'
import { ancestry, currentSnapshot, type TableMetadata } from './iceberg/metadata.js'
import type { Snapshot } from './iceberg/snapshot.js'
import { LEDGER_KEY, readLedger } from './ledger-file.js'
import { currentOffsets } from './position.js'
import { prepareFiles } from './prepare.js'
import type { TableHead } from './table-head.js'

/** The tables whose ledgers are followed. The order is that of the vector, and never changes. */
export const GAP_SOURCES = ['trades', 'quotes'] as const satisfies readonly TableName[]

/** Summary key: by source, the id of the snapshot that the table reflects. */
const SOURCES_KEY = 'ticklake.sources'
/** So many snapshots of a source without news are read again at a start; one more, and a commit notes where we are. */
const MAX_UNNOTED_SNAPSHOTS = 100
/** While it catches up, it commits when there are so many rows. */
const COMMIT_ROWS = 50_000

export interface GapTableOptions {
  readonly engine: TableEngine
  readonly head: TableHead
  readonly logger: Logger
}

/** How far a source has been read. */
interface Position {
  /** 0: not at all. */
  readonly sequenceNumber: number
  readonly snapshotId: bigint | null
  /** Open gaps there. */
  readonly open: ReadonlyMap<string, InstrumentGap>
  /** Location of the ledger there. */
  readonly ledger: string | undefined
}

/**
 * Keeps `sequence_gaps` abreast of the snapshots of its sources. Its position vector holds, for each source, the Iceberg
 * sequence number of the snapshot that it reflects: a commit moves it, as one of log rows moves the offsets, so that each
 * snapshot counts once, whatever fails in between. It is never in the way of its sources: what cannot be written now is
 * logged, and written with the next commit or at the next start.
 */
export class GapTable {
  readonly #options: GapTableOptions
  readonly #sources = new Map<TableName, TableHead>()
  /** After a failure, which may have been a success: all is read anew. */
  #isUncertain = false
  readonly #positions = new Map<TableName, Position>()
  /** What is not read yet must not expire. */
  readonly #releases = new Map<TableName, () => void>()
  #work: Promise<void> = Promise.resolve()
  #isWaiting = false

  constructor(options: GapTableOptions) {
    this.#options = options
  }

  /** Takes in what a source has committed, soon. Returns at once; a table that is no source is passed over. */
  follow(head: TableHead): void {
    const source = GAP_SOURCES.find((name) => name === head.name)
    if (!source) return
    this.#sources.set(source, head)
    if (!this.#releases.has(source)) this.#releases.set(source, head.hold(this.#noted(source, head)))
    if (this.#isWaiting) return
    this.#isWaiting = true
    this.#work = this.#work.then(() => {
      this.#isWaiting = false
      return this.#catchUp()
    })
  }

  #letGo(): void {
    for (const release of this.#releases.values()) release()
  }

  /** The snapshot from which there is something to read; null: from the first, or from none any more. */
  #noted(source: (typeof GAP_SOURCES)[number], { metadata }: TableHead): bigint | null {
    const noted = currentOffsets(this.#options.head.metadata)[GAP_SOURCES.indexOf(source)] ?? 0
    return oldestFrom(noted, metadata)?.snapshotId ?? null
  }

  /** Resolves when all that was followed is committed, or has failed to be. */
  settled(): Promise<void> {
    return this.#work
  }

  async #catchUp(): Promise<void> {
    try {
      if (this.#isUncertain) await this.#options.head.reload()
      this.#isUncertain = false
      for (const [index, source] of GAP_SOURCES.entries()) {
        const head = this.#sources.get(source)
        if (head) await this.#read(source, index, head)
      }
    } catch (error) {
      this.#isUncertain = true
      this.#positions.clear()
      // What was to be read has gone: there is nothing left to hold back for.
      if (error instanceof TicklakeError && error.code === 'gone') this.#letGo()
      this.#options.logger.error('sequence_gaps could not be brought up to date; it is tried again later', {
        error: error instanceof Error ? error.message : String(error),
      })
    }
  }

  async #read(source: TableName, index: number, from: TableHead): Promise<void> {
    const { head } = this.#options
    const { metadata } = from
    const noted = currentOffsets(head.metadata)[index] ?? 0
    let position = this.#positions.get(source) ?? (await this.#positionAt(source, noted, metadata))
    let rows: GapRow[] = []
    for (const snapshot of snapshotsAfter(position.sequenceNumber, metadata)) {
      position = await this.#advance(source, position, snapshot, rows)
      if (rows.length < COMMIT_ROWS) continue
      await this.#commit(source, index, position, rows)
      rows = []
    }
    const committed = currentOffsets(head.metadata)[index] ?? 0
    const isLate = position.sequenceNumber - committed >= MAX_UNNOTED_SNAPSHOTS
    if (rows.length > 0 || isLate) await this.#commit(source, index, position, rows)
    this.#positions.set(source, position)
    const release = this.#releases.get(source)
    this.#releases.set(source, from.hold(position.snapshotId))
    release?.()
  }

  /**
   * Where to go on, by what the table has noted of a source. What was read after that and brought no rows may have
   * expired since: nothing began or ended in it, so that the oldest snapshot that is left tells the same.
   */
  async #positionAt(source: TableName, noted: number, metadata: TableMetadata): Promise<Position> {
    const snapshot = startingPoint(noted, metadata)
    if (!snapshot) return { sequenceNumber: 0, snapshotId: null, open: new Map(), ledger: undefined }
    const { sequenceNumber, snapshotId, summary } = snapshot
    if (sequenceNumber > noted) this.#options.logger.debug('history was let go', { source, sequenceNumber })
    const open = openGapsOf(await readLedger(this.#options.head.context.objects, summary))
    return { sequenceNumber, snapshotId, open, ledger: summary[LEDGER_KEY] }
  }

  /** Adds what a snapshot tells to the rows, and gives the position after it. */
  async #advance(
    source: TableName,
    before: Position,
    { sequenceNumber, snapshotId, summary }: Snapshot,
    rows: GapRow[],
  ): Promise<Position> {
    const ledger = summary[LEDGER_KEY]
    const isNews = ledger !== undefined && ledger !== before.ledger
    if (!isNews) return { ...before, sequenceNumber, snapshotId }
    const content = await readLedger(this.#options.head.context.objects, summary)
    const open = openGapsOf(content)
    const step = { before: before.open, after: open, filledGaps: content.filledGaps }
    for (const row of gapRows(source, step)) rows.push(row)
    return { sequenceNumber, snapshotId, open, ledger }
  }

  async #commit(source: TableName, index: number, to: Position, rows: readonly GapRow[]): Promise<void> {
    const { engine, head } = this.#options
    const { metadata, context } = head
    const from = currentOffsets(metadata)
    const vector: OffsetVector = from.map((number, at) => (at === index ? to.sequenceNumber : number))
    // Read back from what was written here.
    const sources: Record<string, string> = JSON.parse(
      currentSnapshot(metadata)?.summary[SOURCES_KEY] ?? '{}',
    )
    const summary = { [SOURCES_KEY]: JSON.stringify({ ...sources, [source]: String(to.snapshotId) }) }
    const names = head.claimNames()
    try {
      const { files, specId } = await prepareFiles(
        { layout: SEQUENCE_GAPS, engine, objects: context.objects, metadata },
        gapRelation(rows),
        names.next(),
      )
      await head.commit(new Append(context, { files, specId, from, to: vector, summary }))
    } finally {
      names.release()
    }
  }
}

/** Where to begin to read; null: at the first, of which nothing is gone. `gone` when main is behind what was read. */
function startingPoint(sequenceNumber: number, metadata: TableMetadata): Snapshot | null {
  const oldest = oldestFrom(sequenceNumber, metadata)
  if (sequenceNumber > 0 && oldest === null) {
    const message = `${SEQUENCE_GAPS.name} reflects snapshot number ${sequenceNumber} of ${metadata.location}`
    throw new TicklakeError('gone', `${message}, which is not on main`)
  }
  return sequenceNumber === 0 && oldest?.parentSnapshotId === null ? null : oldest
}

/** The snapshot of that number on main, or the oldest after it that is left. */
function oldestFrom(sequenceNumber: number, metadata: TableMetadata): Snapshot | null {
  let oldest: Snapshot | null = null
  for (const snapshot of ancestry(metadata, metadata.currentSnapshotId)) {
    if (snapshot.sequenceNumber < sequenceNumber) break
    oldest = snapshot
  }
  return oldest
}

/** What followed a snapshot on main, oldest first. `gone` when some of it has expired already. */
function snapshotsAfter(sequenceNumber: number, metadata: TableMetadata): readonly Snapshot[] {
  const newer: Snapshot[] = []
  for (const snapshot of ancestry(metadata, metadata.currentSnapshotId)) {
    if (snapshot.sequenceNumber <= sequenceNumber) return newer.reverse()
    newer.push(snapshot)
  }
  const oldest = newer.at(-1)
  if (oldest && oldest.parentSnapshotId !== null) {
    throw new TicklakeError('gone', `snapshot ${oldest.parentSnapshotId} of ${metadata.location} has expired`)
  }
  return newer.reverse()
}
