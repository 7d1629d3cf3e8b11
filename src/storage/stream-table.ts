import {
  covers,
  formatVector,
  type Ledger,
  type Logger,
  type OffsetVector,
  type TableDefinition,
  TicklakeError,
  type Version,
  widened,
} from '#core'
import type { TableEngine } from '#engine'
import { allOrNothing } from './all-or-nothing.js'
import { Append } from './append.js'
import { DayStamping } from './day-stamps.js'
import { type Evolution, Evolve } from './evolution.js'
import { type FileColumn, fileColumns, flushedColumns } from './file-columns.js'
import { Flusher, type PreparedSegment } from './flusher.js'
import { type FlushPolicy, HotTail } from './hot-tail.js'
import { currentSchema, currentSnapshot, snapshotById, type TableMetadata } from './iceberg/metadata.js'
import { type AsOf, schemaAsOf, snapshotAsOf } from './iceberg/refs.js'
import { instrumentsAt } from './known-instruments.js'
import { TableLedger } from './ledger.js'
import { LEDGER_KEY, readLedger, writeLedger } from './ledger-file.js'
import { currentOffsets, offsetsOf } from './position.js'
import { predicatesOf } from './predicates.js'
import { prepareFiles } from './prepare.js'
import type { FileIndex } from './prune.js'
import { planRecordColumns, type RecordColumn, type RecordColumns } from './record-columns.js'
import type {
  FileSelection,
  LogRows,
  PinnedVersion,
  RowFilter,
  StreamTable,
  TableStatus,
  TailSlice,
  TimeRange,
} from './table.js'
import type { TableHead } from './table-head.js'
import type { TailSegment } from './tail-segment.js'
import { UnnumberedFiles } from './unnumbered-files.js'
import { formatWatermarks, parseWatermarks } from './watermarks.js'

export interface StreamTableOptions {
  readonly definition: TableDefinition
  readonly head: TableHead
  /** Of the topic: at least as many as the table was filled from. */
  readonly partitionCount: number
  readonly engine: TableEngine
  readonly index: FileIndex
  readonly flush: FlushPolicy
  readonly logger: Logger
}

/**
 * The table of one topic: hot tail and history, with one border between them.
 * What readers see is (metadata, tail segments). It changes in one synchronous step after a commit, so that whoever
 * pins sees each row either in the tail or in the snapshot, never in both and never in neither.
 */
export class IcebergStreamTable implements StreamTable {
  readonly definition: TableDefinition
  readonly #options: StreamTableOptions
  readonly #flusher: Flusher
  readonly #unnumbered: UnnumberedFiles
  readonly #stamping: DayStamping
  readonly #head: TableHead
  readonly #tailColumns: ReadonlySet<string>
  #tail: HotTail | null = null

  constructor(options: StreamTableOptions) {
    const { definition, head, logger } = options
    this.definition = definition
    this.#options = options
    this.#tailColumns = new Set(definition.columns.map(({ name }) => name))
    this.#unnumbered = new UnnumberedFiles(options.engine)
    this.#stamping = new DayStamping(options.index, definition)
    this.#head = head
    head.onChange((metadata) => this.#changed(metadata))
    this.#flusher = new Flusher({
      clock: head.context.clock,
      logger: logger.child({ table: definition.name }),
      prepare: (segment) => this.#prepare(segment),
      commit: (segment, prepared) => this.#commit(segment, prepared),
    })
  }

  async start(): Promise<void> {
    const { definition, engine, flush } = this.#options
    const tail = await HotTail.open({
      definition,
      engine,
      clock: this.#head.context.clock,
      policy: flush,
      start: this.committedOffsets(),
      watermarks: parseWatermarks(currentSnapshot(this.#head.metadata)?.summary ?? {}),
      ledger: await this.ledger(),
      onSealed: () => this.#flusher.flushSealed(tail),
    })
    this.#tail = tail
  }

  /** Commits what the tail holds. What cannot be committed now is still in the log. */
  async stop(): Promise<void> {
    const tail = this.#tail
    if (!tail) return
    await this.flush().catch((error: Error) => {
      this.#options.logger.error(
        'the last flush failed; its rows will be read from the log at the next start',
        {
          table: this.definition.name,
          error: error.message,
        },
      )
    })
    await this.#flusher.stop()
    this.#tail = null
    await tail.close()
  }

  metadata(): TableMetadata {
    return this.#head.metadata
  }

  async evolve(evolution: Evolution): Promise<TableMetadata> {
    const { context } = this.#head
    const { table } = await this.#head.commit(new Evolve(context, this.definition, evolution))
    return table.metadata
  }

  async recordColumns(fields: readonly RecordColumn[], limit: number): Promise<RecordColumns> {
    for (;;) {
      const { metadata } = this.#head
      const plan = planRecordColumns(this.definition, metadata, fields, limit)
      if (plan.changes.size === 0) return plan
      try {
        await this.evolve({ of: 'schema', changes: [...plan.changes.values()] })
      } catch (error) {
        if (!(error instanceof TicklakeError) || error.code !== 'invalid_input') throw error
        // Somebody else has changed the table meanwhile, or it allows no such change: that must not stop its rows.
        if (this.#head.metadata !== metadata) continue
        const refused = [...plan.changes.keys()].map((name) => [name, error.message] as const)
        return { columns: plan.columns, left: new Map([...plan.left, ...refused]) }
      }
    }
  }

  status(): TableStatus {
    const tail = this.#running()
    return {
      visible: tail.end,
      tailRows: tail.rowCount,
      tailBytes: tail.sizeBytes,
      tailFill: tail.fill,
      snapshotMs: currentSnapshot(this.#head.metadata)?.timestampMs ?? null,
      withOpenGaps: tail.withOpenGaps,
      flushes: this.#flusher.counts,
    }
  }

  committedOffsets(): OffsetVector {
    return widened(currentOffsets(this.#head.metadata), this.#options.partitionCount)
  }

  ledger(): Promise<Ledger> {
    return readLedger(this.#head.context.objects, currentSnapshot(this.#head.metadata)?.summary ?? {})
  }

  async append(rows: LogRows | null, next: OffsetVector, more: boolean, signal?: AbortSignal): Promise<void> {
    await this.#running().append(rows, next, more, signal)
  }

  fail(error: Error): void {
    this.#tail?.fail(error)
  }

  async flush(): Promise<void> {
    const tail = this.#running()
    const target = tail.appendedEnd
    while (!covers(tail.sealedEnd, target)) await tail.seal()
    const failureBefore = this.#flusher.lastFailure
    while (!covers(this.committedOffsets(), target)) {
      if (this.#flusher.hasGivenUp)
        throw failureBefore ?? new TicklakeError('unavailable', 'the table is stopping')
      await tail.changed()
      const failure = this.#flusher.lastFailure
      if (failure && failure !== failureBefore) throw failure
    }
  }

  visible(offsets: OffsetVector, signal: AbortSignal): Promise<void> {
    return this.#running().visible(offsets, signal)
  }

  beyond(offsets: OffsetVector, signal: AbortSignal): Promise<void> {
    return this.#running().beyond(offsets, signal)
  }

  pin(): PinnedVersion {
    const tail = this.#running()
    const metadata = this.#head.metadata
    const snapshotId = metadata.currentSnapshotId
    const columns = fileColumns(this.definition, currentSchema(metadata))
    const segments = tail.segments()
    const slices = segments.map((segment) => this.#slice(segment, columns, null))
    return this.#hold(metadata, columns, segments, slices, {
      version: { snapshotId, offsets: tail.end },
      watermarks: tail.watermarks,
      ...instrumentsAt(tail, currentSnapshot(metadata), slices),
      withOpenGaps: tail.withOpenGaps,
      select: (filter) => this.#select(metadata, snapshotId, filter),
      selectAppended: async () => ({ files: [], where: null }),
      dayStamps: (range) => this.#stamping.of(metadata, snapshotId, range),
    })
  }

  pinAt(version: Version): PinnedVersion {
    const tail = this.#running()
    const metadata = this.#head.metadata
    const { snapshotId, offsets } = version
    if (!covers(tail.end, offsets)) {
      const position = formatVector(offsets)
      throw new TicklakeError(
        'unavailable',
        `${this.definition.name} has not read the log up to ${position} yet`,
      )
    }
    const where = beforeSql(offsets)
    const segments = tail.segments().filter((segment) => !covers(segment.start, offsets))
    const columns = fileColumns(this.definition, currentSchema(metadata))
    const slices = segments.map((segment) =>
      this.#slice(segment, columns, covers(offsets, segment.end) ? null : where),
    )
    return this.#hold(metadata, columns, segments, slices, {
      version,
      watermarks: parseWatermarks(currentSnapshot(metadata)?.summary ?? {}),
      ...instrumentsAt(tail, currentSnapshot(metadata), slices),
      withOpenGaps: tail.withOpenGaps,
      select: (filter) => this.#select(metadata, snapshotId, filter),
      dayStamps: (range) => this.#stamping.of(metadata, snapshotId, range),
      selectAppended: async (filter) => ({
        files: await this.#unnumbered.named(
          metadata,
          await this.#options.index.appendedSince(
            metadata,
            snapshotId,
            predicatesOf(this.definition, filter),
          ),
        ),
        where,
      }),
    })
  }

  async pinAsOf(asOf: AsOf, snapshotId: bigint | null): Promise<PinnedVersion> {
    const { metadata, context } = this.#head
    const snapshot = snapshotId === null ? snapshotAsOf(metadata, asOf) : snapshotById(metadata, snapshotId)
    const { summary } = snapshot
    const release = this.#head.hold(snapshot.snapshotId)
    try {
      const ledger = new TableLedger(await readLedger(context.objects, summary))
      const columns = fileColumns(this.definition, schemaAsOf(metadata, asOf, snapshot))
      const rest = {
        version: { snapshotId: snapshot.snapshotId, offsets: offsetsOf(snapshot) },
        watermarks: parseWatermarks(summary),
        ...instrumentsAt(ledger, snapshot, []),
        withOpenGaps: ledger.withOpenGaps,
        select: (filter: RowFilter) => this.#select(metadata, snapshot.snapshotId, filter),
        selectAppended: async () => ({ files: [], where: null }),
        dayStamps: (range: TimeRange) => this.#stamping.of(metadata, snapshot.snapshotId, range),
      }
      return this.#hold(metadata, columns, [], [], rest)
    } finally {
      release()
    }
  }

  #running(): HotTail {
    if (!this.#tail) throw new TicklakeError('unavailable', `${this.definition.name} is not running`)
    return this.#tail
  }

  async #select(
    metadata: TableMetadata,
    snapshotId: bigint | null,
    filter: RowFilter,
  ): Promise<FileSelection> {
    const predicates = predicatesOf(this.definition, filter)
    const { files, filesTotal } = await this.#options.index.selectFiles(metadata, snapshotId, predicates)
    return { files: await this.#unnumbered.named(metadata, files), filesTotal }
  }

  #slice(segment: TailSegment, columns: readonly FileColumn[], where: string | null): TailSlice {
    const { rowCount, days } = segment
    const added = segment.addedOf(columns)
    const names =
      added.length === 0
        ? this.#tailColumns
        : new Set([...this.#tailColumns, ...added.map(({ name }) => name)])
    return { relation: segment.relation(added, where), columns: names, rowCount, days }
  }

  #hold(
    metadata: TableMetadata,
    columns: readonly FileColumn[],
    segments: readonly TailSegment[],
    tail: readonly TailSlice[],
    rest: Omit<PinnedVersion, 'metadata' | 'columns' | 'tail' | 'retain' | 'release'>,
  ): PinnedVersion {
    for (const segment of segments) segment.retain()
    const releaseSnapshots = this.#head.hold(rest.version.snapshotId)
    let held = true
    return {
      ...rest,
      metadata,
      columns,
      tail,
      retain: () => this.#head.hold(rest.version.snapshotId),
      release: () => {
        if (held) for (const segment of segments) segment.release()
        releaseSnapshots()
        held = false
      },
    }
  }

  async #prepare(segment: TailSegment): Promise<PreparedSegment> {
    const names = this.#head.claimNames()
    try {
      return { ...(await this.#write(segment, names.next())), names }
    } catch (error) {
      names.release()
      throw error
    }
  }

  async #write(segment: TailSegment, fileName: string): Promise<Omit<PreparedSegment, 'names'>> {
    const { definition, engine } = this.#options
    const { metadata, context } = this.#head
    const { objects } = context
    const columns = flushedColumns(definition, currentSchema(metadata), segment.added)
    const relation = segment.sealedRelation(segment.addedOf(columns))
    return allOrNothing(objects, async (written) => {
      const prepared = await prepareFiles(
        { layout: definition, engine, objects, metadata },
        { relation, columns, rowCount: segment.rowCount, days: segment.days },
        fileName,
      )
      if (segment.ledger === null) return { ...prepared, summary: {} }
      written.push(...prepared.files.map(({ path }) => path))
      const ledger = `${metadata.location}/metadata/ledger-${fileName}.json.gz`
      await writeLedger(objects, ledger, segment.ledger)
      return { ...prepared, summary: { [LEDGER_KEY]: ledger } }
    })
  }

  async #commit(segment: TailSegment, { files, specId, summary, names }: PreparedSegment): Promise<void> {
    const request = {
      files,
      specId,
      from: segment.start,
      to: segment.end,
      summary: { ...formatWatermarks(segment.watermarks), ...summary },
    }
    await this.#head.commit(new Append(this.#head.context, request))
    names.release()
  }

  /**
   * The turn in which the new metadata is what readers see: what it holds of the tail leaves the tail. From the first
   * line to the last, nobody can pin in between.
   */
  #changed(metadata: TableMetadata): void {
    const tail = this.#tail
    if (!tail) return
    const committed = widened(currentOffsets(metadata), this.#options.partitionCount)
    for (const segment of tail.sealed) {
      if (!covers(committed, segment.end)) break
      tail.committed(segment)
      segment.retire()
    }
  }
}

/** The log rows below a position vector. Rows that never were in the log have no position and are none of them. */
function beforeSql(offsets: OffsetVector): string {
  const partitions = offsets.map(
    (offset, partition) => `(log_partition = ${partition} AND log_offset < ${offset})`,
  )
  return partitions.join(' OR ')
}
