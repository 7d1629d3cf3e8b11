import type {
  ColumnBatch,
  InstrumentState,
  Ledger,
  OffsetVector,
  Service,
  TableDefinition,
  Version,
} from '#core'
import type { Evolution } from './evolution.js'
import type { FileColumn } from './file-columns.js'
import type { TableMetadata } from './iceberg/metadata.js'
import type { AsOf } from './iceberg/refs.js'
import type { RecordColumn, RecordColumns } from './record-columns.js'
import type { ReadableFile } from './unnumbered-files.js'

/** Rows outside of it are of no interest; what the pruner may use to leave files out. Nothing given: everything. */
export interface RowFilter {
  readonly symbols?: readonly string[]
  readonly exchange?: string
  /** Event time, inclusive, µs since 1970 UTC. */
  readonly startMicros?: bigint
  /** Event time, exclusive, µs since 1970 UTC. */
  readonly endMicros?: bigint
}

/** Decoded log rows, with what was learnt of them on the way. There may be none, when all records were refused. */
export interface LogRows {
  readonly batch: ColumnBatch
  /** UTC days (from 1970-01-01) of the partition column. */
  readonly days: ReadonlySet<number>
  /** Newest event time by exchange, µs since 1970 UTC. */
  readonly watermarks: ReadonlyMap<string, bigint>
  /** What these records change in the ledger. */
  readonly ledger: Ledger
}

/** Of event times, as in `RowFilter`. */
export type TimeRange = Pick<RowFilter, 'startMicros' | 'endMicros'>

/**
 * Stamps of the UTC days that the files of a version hold rows of. Where two versions of a table have the same stamp for a
 * day, and read the same columns, their files hold the same rows of it, however they are laid out: compaction keeps stamps.
 */
export interface DayStamps {
  /** By day, counted from 1970-01-01. */
  readonly days: ReadonlyMap<number, string>
  /** Of any other day of the range, and, when that is open at both ends, of rows without a time; null: there are no such rows. */
  readonly rest: string | null
}

/** A relation over the hot tail: DuckDB SQL for use after FROM, that yields rows of the version. */
export interface TailSlice {
  readonly relation: string
  /** Names of its columns; others of the version are null in it. */
  readonly columns: ReadonlySet<string>
  readonly rowCount: number
  /** UTC days (from 1970-01-01) that its rows are of. */
  readonly days: ReadonlySet<number>
}

/** The files of a snapshot that may hold rows of a filter, and how many there were to choose from. */
export interface FileSelection {
  readonly files: readonly ReadableFile[]
  readonly filesTotal: number
}

/** Files that were appended after a snapshot, and the condition that keeps their rows to the version. */
export interface AppendedFiles {
  readonly files: readonly ReadableFile[]
  /** On log_partition and log_offset, for use in WHERE; null when there are no such files. */
  readonly where: string | null
}

/**
 * One version of a table, held: its files and tail segments stay until `release`. Pin right when asked, so that an answer
 * is of that moment, release at the end of the result, and bound the time in between: what waits for its turn holds it.
 */
export interface PinnedVersion {
  readonly version: Version
  readonly metadata: TableMetadata
  /** What files may be asked for: the definition's columns, then what the table's schema has besides. */
  readonly columns: readonly FileColumn[]
  readonly tail: readonly TailSlice[]
  /** Newest event time by exchange, µs: in the log prefix of this version, or, of `pinAt`, of the newest snapshot. */
  readonly watermarks: ReadonlyMap<string, bigint>
  /** By `instrumentKey`, as of the newest version, or, of `pinAsOf`, of the snapshot. Read it in the turn of the pin. */
  readonly instruments: ReadonlyMap<string, InstrumentState>
  /** True when each row is of one of these instruments: no other engine has written any, and none is not followed. */
  readonly areInstrumentsKnown: boolean
  /** Those of them whose sequence numbers have holes. */
  readonly withOpenGaps: readonly InstrumentState[]
  /** Files of the snapshot: all their rows belong to the version. `gone` when the snapshot has expired. */
  select(filter: RowFilter): Promise<FileSelection>
  /** Log rows of the version that were flushed since its snapshot. `gone` when that has expired. */
  selectAppended(filter: RowFilter): Promise<AppendedFiles>
  /** Of the files of `select`, and the days that the range touches. Costs nothing until it is asked. Errors as of `select`. */
  dayStamps(range: TimeRange): Promise<DayStamps>
  /** Holds its files once more, until what it gives is called: for whoever goes on reading when this one has released. */
  retain(): () => void
  release(): void
}

/** How a table is doing. */
export interface TableStatus {
  /** Where the visible rows end. */
  readonly visible: OffsetVector
  /** Rows that no snapshot holds yet, and the bytes of their columns. */
  readonly tailRows: number
  readonly tailBytes: number
  /** How full the tail is, 0 to 1. At 1 appends wait for a flush. */
  readonly tailFill: number
  /** When the newest snapshot was committed, ms since 1970 UTC; null before the first. */
  readonly snapshotMs: number | null
  /** Instruments with holes in their sequence numbers, as of the visible rows. */
  readonly withOpenGaps: readonly InstrumentState[]
  readonly flushes: FlushCounts
}

/** What was flushed since the process began. */
export interface FlushCounts {
  /** Segments that were committed, and their rows. */
  readonly segments: number
  readonly rows: number
  /** Attempts that failed. */
  readonly failures: number
  /** Time spent on files and on commits, failed attempts included. */
  readonly writeMs: number
  readonly commitMs: number
  /** Why the newest attempt failed, or null when it succeeded. */
  readonly lastFailure: Error | null
}

/** A table that is filled from one topic: hot tail in memory, history in Iceberg, one border between them. */
export interface StreamTable extends Service {
  readonly definition: TableDefinition

  /** The vector of the newest snapshot: where a consumer begins. */
  committedOffsets(): OffsetVector

  /** The ledger of the newest snapshot, to go on from. */
  ledger(): Promise<Ledger>

  /**
   * Takes the rows that were read up to `next`; `null` advances the position only. They are visible to `pin` within
   * 15 ms, or, when the log holds `more` to read at once, with the rows that come next. Waits while two sealed
   * segments are unflushed (backpressure). Aborting the signal ends the wait with its reason: nothing was taken then.
   */
  append(rows: LogRows | null, next: OffsetVector, more: boolean, signal?: AbortSignal): Promise<void>

  /** The reader of the log has stopped for good: whoever waits for rows gets this error. What is there stays readable. */
  fail(error: Error): void

  /**
   * Seals what the tail holds and resolves when all of it is committed. Throws why an attempt failed; one that may
   * pass is made again all the same.
   */
  flush(): Promise<void>

  /** The newest version. Synchronous. */
  pin(): PinnedVersion

  /**
   * The version that a page token names; `unavailable` while the tail has not reached it. Synchronous: that
   * its snapshot has expired is told by `select`.
   */
  pinAt(version: Version): PinnedVersion

  /**
   * Changes schema, partition spec, sort order, tags or branches, in metadata only, and gives the table as it is then.
   * `invalid_input` with the reason when the table does not allow it.
   */
  evolve(evolution: Evolution): Promise<TableMetadata>

  /**
   * The columns that optional fields of records fill which the definition does not know. Of names that are new, columns
   * are added to the table while it has fewer than `limit` besides the definition's; the others come with the reason.
   */
  recordColumns(fields: readonly RecordColumn[], limit: number): Promise<RecordColumns>

  /**
   * A state of history, without the tail: its rows, schema, ledger and watermarks are those of its snapshot. `snapshotId`
   * is of an earlier answer about the same state, and stays whatever a branch or a time has come to mean since. `gone` when
   * the snapshot has expired, `not_found` when there is no such state.
   */
  pinAsOf(asOf: AsOf, snapshotId: bigint | null): Promise<PinnedVersion>

  /** Resolves when the visible version covers the vector. Aborting the signal ends the wait with its reason. */
  visible(offsets: OffsetVector, signal: AbortSignal): Promise<void>

  /** Resolves when the visible version lies beyond the vector in any partition. Aborting the signal ends the wait with its reason. */
  beyond(offsets: OffsetVector, signal: AbortSignal): Promise<void>

  /** The newest committed metadata. */
  metadata(): TableMetadata

  status(): TableStatus
}

/** A table whose versions can be held, whoever fills it. */
export type VersionedTable = Pick<StreamTable, 'pin' | 'pinAsOf'>
