import { statSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import {
  type ColumnType,
  dayOfMicros,
  EMPTY_LEDGER,
  formatDecimal,
  type InstrumentState,
  type TableDefinition,
  TicklakeError,
  type Version,
} from '#core'
import { type Engine, sqlString } from '#engine'
import type {
  DataFile,
  DayStamps,
  FileSelection,
  PinnedVersion,
  RecordColumns,
  RowFilter,
  Snapshot,
  StreamTable,
  TableMetadata,
  TableStatus,
  TimeRange,
} from '#storage'
import { fileColumns } from '#storage'
import { icebergSchema } from '../../src/storage/iceberg/schema.js'
import { DUCKDB_TYPES } from '../../src/storage/tail-segment.js'
import { bareFile } from './data-file.js'
import type { CellValue, Row } from './row-batch.js'

/** A run of rows, first in a DuckDB table, then in a Parquet file. */
interface Batch {
  readonly name: string
  readonly rows: readonly Row[]
  file: DataFile | null
}

/**
 * A table whose rows a test lays out itself: batches that it keeps in the tail or flushes, one file each, with any
 * rows, those of foreign engines without log position too. A version is how many batches there were and how many of
 * them were flushed. Committed batches always come first.
 */
export class FixtureTable implements StreamTable {
  readonly definition: TableDefinition
  readonly watermarks = new Map<string, bigint>()
  readonly instruments = new Map<string, InstrumentState>()
  /** Versions that are held now. */
  pinCount = 0
  readonly #unpinned: (() => void)[] = []
  #lastChange: Promise<void> = Promise.resolve()
  readonly #engine: Engine
  readonly #directory: string
  readonly #batches: Batch[] = []
  #flushed = 0
  #generation = 0

  /** What slices by time look at. */
  get #timeId(): number | undefined {
    return this.definition.columns.find(({ name }) => name === 'exchange_timestamp')?.id
  }

  constructor(definition: TableDefinition, engine: Engine, directory: string) {
    this.definition = definition
    this.#engine = engine
    this.#directory = directory
  }

  get rows(): readonly Row[] {
    return this.#batches.flatMap((batch) => batch.rows)
  }

  /** Begins anew, without a row. */
  clear(): Promise<void> {
    return this.#inTurn(() => this.#clear())
  }

  async #clear(): Promise<void> {
    for (const batch of this.#batches.splice(0)) await this.#engine.run(`DROP TABLE ${batch.name}`)
    this.#flushed = 0
    this.#generation++
  }

  /** Adds rows to the tail. */
  add(rows: readonly Row[]): Promise<void> {
    return this.#inTurn(() => this.#add(rows))
  }

  async #add(rows: readonly Row[]): Promise<void> {
    const name = `fixture_${this.definition.name}_${this.#generation}_${this.#batches.length}`
    const columns = this.definition.columns
    const values = rows.map(
      (row) => `(${columns.map((c) => literal(c.type, row[c.name] ?? null)).join(', ')})`,
    )
    const ddl = columns.map((column) => `${column.name} ${DUCKDB_TYPES[column.type]}`)
    await this.#engine.run(`CREATE TABLE ${name} (${ddl.join(', ')})`)
    if (rows.length > 0) await this.#engine.run(`INSERT INTO ${name} VALUES ${values.join(', ')}`)
    this.#batches.push({ name, rows, file: null })
  }

  /** Adds rows and commits them, and the tail before them. */
  async addCommitted(rows: readonly Row[]): Promise<void> {
    await this.add(rows)
    await this.flush()
  }

  fail(error: Error): void {
    throw error
  }

  flush(): Promise<void> {
    return this.#inTurn(() => this.#flush())
  }

  async #flush(): Promise<void> {
    for (const batch of this.#batches.slice(this.#flushed)) {
      const path = join(this.#directory, `${batch.name}.parquet`)
      const order = this.definition.sortColumns.join(', ')
      const ids = this.definition.columns.map(({ name, id }) => `${name}: ${id}`)
      await this.#engine.run(
        `COPY (SELECT * FROM ${batch.name} ORDER BY ${order}) TO ${sqlString(path)}
         (FORMAT parquet, FIELD_IDS {${ids.join(', ')}})`,
      )
      const file = bareFile(pathToFileURL(path).href, [], batch.rows.length, statSync(path).size)
      const timeless = batch.rows.filter((row) => typeof row.exchange_timestamp !== 'bigint').length
      const timeId = this.#timeId
      batch.file = timeId === undefined ? file : { ...file, nullValueCounts: new Map([[timeId, timeless]]) }
    }
    this.#flushed = this.#batches.length
  }

  /** Resolves when no version is held. */
  async unpinned(): Promise<void> {
    if (this.pinCount > 0) await new Promise<void>((resolve) => this.#unpinned.push(resolve))
  }

  #inTurn(change: () => Promise<void>): Promise<void> {
    this.#lastChange = this.#lastChange.then(change)
    return this.#lastChange
  }

  pin(): PinnedVersion {
    const snapshotId = this.#flushed === 0 ? null : BigInt(this.#flushed)
    return this.pinAt({ snapshotId, offsets: [this.#batches.length] })
  }

  pinAt(version: Version): PinnedVersion {
    const end = version.offsets[0] ?? 0
    const committed = Number(version.snapshotId ?? 0n)
    if (end > this.#batches.length || committed > this.#flushed) {
      throw new TicklakeError('gone', `snapshot ${version.snapshotId} has expired`)
    }
    this.pinCount++
    const files = (from: number, to: number, filter: RowFilter) =>
      this.#batches.slice(from, to).filter((batch) => batch.file && this.#mayMatch(batch, filter))
    const tail = this.#batches.slice(Math.min(this.#flushed, end), end)
    return {
      version,
      metadata: this.metadata(),
      columns: fileColumns(this.definition, icebergSchema(this.definition)),
      tail: tail.map((batch) => ({
        relation: batch.name,
        columns: new Set(this.definition.columns.map(({ name }) => name)),
        rowCount: batch.rows.length,
        days: this.#daysOf(batch.rows),
      })),
      watermarks: new Map(this.watermarks),
      instruments: this.instruments,
      areInstrumentsKnown: false,
      withOpenGaps: [...this.instruments.values()],
      select: async (filter): Promise<FileSelection> => ({
        files: files(0, committed, filter).map((batch) => batch.file!),
        filesTotal: committed,
      }),
      selectAppended: async (filter) => ({
        files: files(committed, Math.min(this.#flushed, end), filter).map((batch) => batch.file!),
        where: 'true',
      }),
      dayStamps: async (range) => this.#stamps(committed, range),
      // Its files are there as long as the table is.
      retain: () => () => {},
      release: () => {
        this.pinCount--
        if (this.pinCount === 0) for (const resolve of this.#unpinned.splice(0)) resolve()
      },
    }
  }

  pinAsOf(): Promise<PinnedVersion> {
    return Promise.reject(new Error('a fixture table has no history'))
  }

  evolve(): Promise<TableMetadata> {
    return Promise.reject(new Error('a fixture table stays as it is'))
  }

  recordColumns(): Promise<RecordColumns> {
    return Promise.reject(new Error('a fixture table has the columns of its definition'))
  }

  metadata(): TableMetadata {
    const snapshots = this.#batches.slice(0, this.#flushed).map(
      (batch, index): Snapshot => ({
        snapshotId: BigInt(index + 1),
        parentSnapshotId: index === 0 ? null : BigInt(index),
        sequenceNumber: index + 1,
        timestampMs: 1_700_000_000_000 + index,
        manifestList: 'file:///none',
        schemaId: 0,
        summary: {
          operation: 'append',
          'added-records': String(batch.rows.length),
          'ticklake.offsets': '{"0":1}',
        },
        extra: {},
      }),
    )
    return {
      formatVersion: 2,
      tableUuid: `00000000-0000-4000-8000-${this.definition.name.padStart(12, '0')}`,
      location: pathToFileURL(this.#directory).href,
      lastSequenceNumber: this.#flushed,
      lastUpdatedMs: 1_700_000_000_000,
      lastColumnId: this.definition.columns.length,
      currentSchemaId: 0,
      schemas: [],
      defaultSpecId: 0,
      partitionSpecs: [],
      lastPartitionId: 1000,
      defaultSortOrderId: 0,
      sortOrders: [],
      properties: {},
      currentSnapshotId: this.#flushed === 0 ? null : BigInt(this.#flushed),
      refs: {},
      snapshots,
      snapshotLog: [],
      metadataLog: [],
      statistics: [],
      partitionStatistics: [],
      extra: {},
    }
  }

  status(): TableStatus {
    const tail = this.#batches.slice(this.#flushed)
    return {
      visible: [this.#batches.length],
      tailRows: tail.reduce((sum, batch) => sum + batch.rows.length, 0),
      tailBytes: 0,
      tailFill: 0,
      withOpenGaps: [...this.instruments.values()],
      snapshotMs: this.metadata().snapshots.at(-1)?.timestampMs ?? null,
      flushes: { segments: this.#flushed, rows: 0, failures: 0, writeMs: 0, commitMs: 0, lastFailure: null },
    }
  }

  committedOffsets() {
    return [this.#flushed]
  }

  async ledger() {
    return EMPTY_LEDGER
  }

  async visible(): Promise<void> {}

  async beyond(): Promise<void> {}
  async start(): Promise<void> {}
  async stop(): Promise<void> {}
  append(): Promise<void> {
    throw new Error('a fixture table takes rows by add()')
  }

  /** Rows are only ever added: the newest batch of a day tells which are there. */
  #stamps(committed: number, range: TimeRange): DayStamps {
    const days = new Map<number, string>()
    let rest: string | null = null
    for (const [index, { rows }] of this.#batches.slice(0, committed).entries()) {
      const stamp = `${this.#generation}/${index}`
      for (const day of this.#daysOf(rows)) if (isWithin(day, range)) days.set(day, stamp)
      if (rows.some((row) => typeof row[this.definition.partitionColumn] !== 'bigint')) rest = stamp
    }
    return { days, rest }
  }

  #daysOf(rows: readonly Row[]): ReadonlySet<number> {
    const times = rows.map((row) => row[this.definition.partitionColumn])
    return new Set(times.flatMap((micros) => (typeof micros === 'bigint' ? [dayOfMicros(micros)] : [])))
  }

  /** By exchange and time, as the statistics of a file would tell. */
  #mayMatch(batch: Batch, { exchange: wanted, startMicros, endMicros }: RowFilter): boolean {
    return batch.rows.some(({ exchange, exchange_timestamp: micros }) => {
      if (wanted !== undefined && exchange !== wanted) return false
      // What is refused has a time of another name: of that, every row may match.
      if (typeof micros !== 'bigint')
        return this.#timeId === undefined || (startMicros === undefined && endMicros === undefined)
      return (
        (startMicros === undefined || micros >= startMicros) &&
        (endMicros === undefined || micros < endMicros)
      )
    })
  }
}

function isWithin(day: number, { startMicros, endMicros }: TimeRange): boolean {
  return (
    (startMicros === undefined || day >= dayOfMicros(startMicros)) &&
    (endMicros === undefined || day <= dayOfMicros(endMicros - 1n))
  )
}

/** A cell as SQL. */
export function literal(type: ColumnType, value: CellValue): string {
  if (value === null) return 'NULL'
  switch (type) {
    case 'string':
      return sqlString(String(value))
    case 'binary':
      return value instanceof Uint8Array ? `unhex('${Buffer.from(value).toString('hex')}')` : 'NULL'
    case 'timestamptz':
      return `make_timestamptz(${value})`
    case 'decimal':
      return typeof value === 'bigint' ? `CAST('${formatDecimal(value)}' AS DECIMAL(18,8))` : 'NULL'
    case 'int':
    case 'long':
      return String(value)
  }
}
