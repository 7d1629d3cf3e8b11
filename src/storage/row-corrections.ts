import {
  assert,
  formatVector,
  type OffsetVector,
  parseVector,
  type TableLayout,
  TicklakeError,
  widened,
} from '#core'
import { type FileEngine, sqlString } from '#engine'
import { allOrNothing } from './all-or-nothing.js'
import { correctedRelation, type PlacedChange, type RowChange, untouchedRelation } from './corrected-rows.js'
import { type FileColumn, wholeColumns } from './file-columns.js'
import { overwrittenDays } from './file-days.js'
import type { DataFile } from './iceberg/manifest.js'
import { currentSchema, currentSnapshot, type TableMetadata } from './iceberg/metadata.js'
import { snapshotAsOf } from './iceberg/refs.js'
import type { Snapshot } from './iceberg/snapshot.js'
import { parquetRelation } from './parquet-relation.js'
import { type PreparedFiles, prepareFiles } from './prepare.js'
import type { FileIndex } from './prune.js'
import { Rewrite } from './rewrite.js'
import { contentOf } from './row-content.js'
import { contradiction, type FoundRow, isMeant, type RowTarget, targetPredicates } from './row-target.js'
import type { FileNames, TableHead } from './table-head.js'
import { type ReadableFile, UnnumberedFiles } from './unnumbered-files.js'

/** Summary key: how far the topic of the corrections has been applied to the table. Snapshots carry it forward. */
const CORRECTIONS_KEY = 'ticklake.corrections'
/** Summary key: how many rows corrections have cancelled so far. */
const CANCELLED_KEY = 'ticklake.cancelled'

/** One row, and what is to become of it. */
export interface RowCorrection {
  readonly target: RowTarget
  readonly change: RowChange
}

/** What corrections would do to the snapshot at which their rows were looked for. */
export interface CorrectionPlan {
  /** Why a correction can't be made, by its index. */
  readonly refused: ReadonlyMap<number, string>
  readonly snapshotId: bigint | null
  /** Files that hold rows that change. */
  readonly files: readonly { readonly file: ReadableFile; readonly changes: readonly PlacedChange[] }[]
}

export interface RowCorrectionsOptions {
  readonly head: TableHead
  readonly layout: TableLayout
  readonly engine: FileEngine
  readonly index: FileIndex
}

/** A row that was found, and what has become of it so far. */
interface State extends FoundRow {
  readonly file: ReadableFile
  change: PlacedChange | null
}

/**
 * Corrects committed rows of one table: files that hold them are written anew, copy-on-write, so older snapshots show what
 * was known before. How far the corrections have come is in the snapshot that makes them, so that each is made once.
 */
export class RowCorrections {
  readonly #options: RowCorrectionsOptions
  readonly #unnumbered: UnnumberedFiles

  constructor(options: RowCorrectionsOptions) {
    this.#options = options
    this.#unnumbered = new UnnumberedFiles(options.engine)
  }

  /** Next offset of each partition of the corrections' topic: what is before it has been made, or was refused. */
  position(partitionCount: number): OffsetVector {
    return widened(appliedOffsets(this.#options.head.metadata), partitionCount)
  }

  /** Looks for the rows, in the order in which they are to be corrected. Rows of the log that are not committed are not found. */
  async plan(corrections: readonly RowCorrection[]): Promise<CorrectionPlan> {
    const { head } = this.#options
    const { metadata } = head
    const snapshotId = metadata.currentSnapshotId
    const targets = corrections.map(({ target }) => target)
    const release = head.hold(snapshotId)
    const states = await this.#find(metadata, targets).finally(release)
    const refused = new Map<number, string>()
    for (const [index, { target, change }] of corrections.entries()) {
      const meant = states.filter((state) => isMeant(target, state))
      const problem = problemOf(target, meant)
      if (problem !== null) refused.set(index, problem)
      else meant[0]!.change = merged(meant[0]!, change)
    }
    const byFile = new Map<ReadableFile, PlacedChange[]>()
    for (const { file, change } of states) {
      if (change === null) continue
      const known = byFile.get(file)
      if (known) known.push(change)
      else byFile.set(file, [change])
    }
    const files = [...byFile].map(([file, changes]) => ({ file, changes }))
    return { refused, snapshotId, files }
  }

  /**
   * Makes what was planned in one snapshot, which also says that the corrections are applied from `from` up to `to`.
   * `conflict`: somebody else has rewritten these files, or applied corrections, meanwhile: plan again.
   */
  async commit({ snapshotId, files }: CorrectionPlan, from: OffsetVector, to: OffsetVector): Promise<void> {
    if (files.length === 0) return
    assert(snapshotId !== null, 'rows are found in a snapshot')
    const { head } = this.#options
    const release = head.hold(snapshotId)
    const names = head.claimNames()
    try {
      const { metadata } = head
      const cancelled = files
        .flatMap(({ changes }) => changes)
        .filter(({ isCancelled }) => isCancelled).length
      const added = await this.#writeAnew(metadata, files, names)
      const change = new Rewrite(head.context, {
        operation: added.length === 0 ? 'delete' : 'overwrite',
        snapshotId,
        removed: files.map(({ file }) => file),
        added,
        overwritten: overwrittenDays(
          this.#options.layout,
          files.map(({ file }) => file),
          added.flatMap(({ files }) => files),
        ),
        summary: {
          [CORRECTIONS_KEY]: formatVector(to),
          // Counted on from this metadata: any other with corrections since is refused below.
          [CANCELLED_KEY]: String(cancelledRows(metadata) + cancelled),
        },
        check: (base) => requirePosition(base, from),
      })
      await head.commit(change)
    } finally {
      names.release()
      release()
    }
  }

  /** Looks what is committed, after a commit that failed or whose outcome is not known. */
  async reload(): Promise<void> {
    await this.#options.head.reload()
  }

  async #find(metadata: TableMetadata, targets: readonly RowTarget[]): Promise<readonly State[]> {
    const { layout, index, engine } = this.#options
    const candidates = new Map<string, ReadableFile>()
    for (const predicates of targetPredicates(layout, targets)) {
      const { live } = await index.liveFiles(metadata, metadata.currentSnapshotId, predicates)
      for (const { file } of live) candidates.set(file.path, file)
    }
    const where = whereMeant(targets)
    const states: State[] = []
    for (const file of candidates.values()) {
      const relation = await this.#relation(metadata, file)
      const { columns, rowCount } = await engine.read(
        `SELECT log_partition, log_offset, message_id, symbol, exchange FROM ${relation} WHERE ${where}`,
      )
      for (let row = 0; row < rowCount; row++) {
        const text = (column: number) => {
          const value = columns[column]?.[row]
          return typeof value === 'string' ? value : null
        }
        states.push({
          file,
          partition: Number(columns[0]?.[row]),
          offset: Number(columns[1]?.[row]),
          messageId: text(2),
          symbol: text(3),
          exchange: text(4),
          change: null,
        })
      }
    }
    return states
  }

  /** The rows of the files as they are then, as new files. `corrupt`, when any other row were changed. */
  #writeAnew(
    metadata: TableMetadata,
    corrected: CorrectionPlan['files'],
    names: FileNames,
  ): Promise<readonly PreparedFiles[]> {
    const { layout, engine, head } = this.#options
    const { objects } = head.context
    const columns = this.#columns(metadata)
    return allOrNothing(objects, async (written) => {
      // By specs: files that take too many partitions are by days, as those of a flush are.
      const bySpec = new Map<number, readonly DataFile[]>()
      for (const { file, changes } of corrected) {
        const before = await this.#relation(metadata, file)
        const relation = correctedRelation(layout, columns, before, changes)
        const { rows } = await contentOf(engine, relation)
        if (rows === 0) continue
        const { files, specId } = await prepareFiles(
          { layout, engine, objects, metadata },
          { relation, columns, rowCount: rows, days: null },
          names.next(),
        )
        written.push(...files.map(({ path }) => path))
        bySpec.set(specId, [...(bySpec.get(specId) ?? []), ...files])
        const untouched = await contentOf(engine, untouchedRelation(before, changes))
        const after = await contentOf(engine, untouchedRelation(parquetRelation(files, columns), changes))
        const kept = changes.filter(({ isCancelled }) => !isCancelled).length
        if (untouched.checksum === after.checksum && rows === untouched.rows + kept) continue
        const message = `${untouched.rows} other rows (${untouched.checksum}) became ${after.rows} (${after.checksum})`
        throw new TicklakeError(
          'corrupt',
          `a correction of rows in ${file.path} would change others: ${message}`,
        )
      }
      return [...bySpec].map(([specId, files]) => ({ specId, files }))
    })
  }

  async #relation(metadata: TableMetadata, file: ReadableFile): Promise<string> {
    return parquetRelation(await this.#unnumbered.named(metadata, [file]), this.#columns(metadata))
  }

  #columns(metadata: TableMetadata): readonly FileColumn[] {
    return wholeColumns(this.#options.layout, currentSchema(metadata))
  }
}

/** How far the corrections of a table have been made, as its metadata says. */
export function appliedOffsets(metadata: TableMetadata): OffsetVector {
  return appliedIn(currentSnapshot(metadata))
}

/** The same at a time, in ms since 1970 UTC. `gone` when what the table held then has expired. */
export function appliedOffsetsAt(metadata: TableMetadata, timeMs: number): OffsetVector {
  const now = appliedOffsets(metadata)
  // None was ever made: whether the table still knows that time makes no difference.
  if (now.length === 0) return now
  try {
    return appliedIn(snapshotAsOf(metadata, { kind: 'time', timeMs }))
  } catch (error) {
    if (error instanceof TicklakeError && error.code === 'not_found') return []
    throw error
  }
}

function appliedIn(snapshot: Snapshot | null): OffsetVector {
  const text = snapshot?.summary[CORRECTIONS_KEY]
  return text === undefined ? [] : parseVector(text)
}

/** How many rows of a table were cancelled by corrections, as its metadata says. */
export function cancelledRows(metadata: TableMetadata): number {
  return Number(currentSnapshot(metadata)?.summary[CANCELLED_KEY] ?? 0)
}

function requirePosition(base: TableMetadata, from: OffsetVector): void {
  const applied = widened(appliedOffsets(base), from.length)
  if (formatVector(applied) === formatVector(from)) return
  const message = `${base.location} has corrections up to ${formatVector(applied)}, not ${formatVector(from)}`
  throw new TicklakeError('conflict', `${message}: read on from there`)
}

/** Why the rows that a target names are not one row that can be corrected; null when they are. */
function problemOf(target: RowTarget, meant: readonly State[]): string | null {
  const [what, other] =
    target.kind === 'place'
      ? [`at offset ${target.offset} of partition ${target.partition}`, 'message id']
      : [`with message id ${JSON.stringify(target.messageId)}`, 'place in the log']
  const [found] = meant
  if (!found) return `there is no row ${what}`
  if (meant.length > 1) return `${meant.length} rows are ${what}: name the one that is meant by its ${other}`
  if (found.change?.isCancelled) return `the row ${what} was cancelled`
  const wrong = contradiction(target, found)
  return wrong === null ? null : `the row ${what} is another: ${wrong}`
}

/** A row after one more change: the later value of a column counts. */
function merged({ partition, offset, messageId, change }: State, next: RowChange): PlacedChange {
  const { isCancelled, flags } = next
  const values = new Map([...(change?.values ?? []), ...next.values])
  return { partition, offset, messageId, isCancelled, values, flags: (change?.flags ?? 0) | flags }
}

/** Rows without a place in the log, of other engines, are not among them: nothing tells them apart. */
function whereMeant(targets: readonly RowTarget[]): string {
  const places: string[] = []
  const messages = new Set<string>()
  for (const target of targets) {
    if (target.kind === 'place') places.push(`(${target.partition}, ${target.offset})`)
    else messages.add(sqlString(target.messageId))
  }
  const conditions = [
    ...(places.length > 0 ? [`(log_partition, log_offset) IN (${places.join(', ')})`] : []),
    ...(messages.size > 0 ? [`message_id IN (${[...messages].join(', ')})`] : []),
  ]
  return `log_partition IS NOT NULL AND log_offset IS NOT NULL AND (${conditions.join(' OR ')})`
}
