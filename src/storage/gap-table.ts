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
  /** What is not read yet must not expire; while nothing can be read or written, it may. */
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
    if (this.#isWaiting) return
    this.#isWaiting = true
    this.#work = this.#work.then(() => {
      this.#isWaiting = false
      return this.#catchUp()
    })
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
      for (const release of this.#releases.values()) release()
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
    // A restart goes on from what is noted.
    const kept = currentOffsets(head.metadata)[index] ?? 0
    this.#releases.set(source, from.hold(snapshotNumbered(metadata, kept)))
    release?.()
  }

  /** The position that the table has noted of a source. */
  async #positionAt(source: TableName, sequenceNumber: number, metadata: TableMetadata): Promise<Position> {
    if (sequenceNumber === 0) return { sequenceNumber, snapshotId: null, open: new Map(), ledger: undefined }
    const snapshot = metadata.snapshots.find((candidate) => candidate.sequenceNumber === sequenceNumber)
    if (!snapshot) {
      const message = `${SEQUENCE_GAPS.name} reflects snapshot number ${sequenceNumber} of ${source}, which has expired`
      throw new TicklakeError('gone', message)
    }
    const { snapshotId, summary } = snapshot
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
    const { objects } = context
    const fileName = head.newFileName()
    const { files, specId } = await prepareFiles(
      { layout: SEQUENCE_GAPS, engine, objects, metadata },
      gapRelation(rows),
      fileName,
    )
    const from = currentOffsets(metadata)
    const vector: OffsetVector = from.map((number, at) => (at === index ? to.sequenceNumber : number))
    // Read back from what was written here.
    const sources: Record<string, string> = JSON.parse(
      currentSnapshot(metadata)?.summary[SOURCES_KEY] ?? '{}',
    )
    const summary = { [SOURCES_KEY]: JSON.stringify({ ...sources, [source]: String(to.snapshotId) }) }
    await head.commit(new Append(context, { files, specId, from, to: vector, summary }))
  }
}

/** Its id; null before the first. */
function snapshotNumbered({ snapshots }: TableMetadata, sequenceNumber: number): bigint | null {
  return snapshots.find((snapshot) => snapshot.sequenceNumber === sequenceNumber)?.snapshotId ?? null
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
