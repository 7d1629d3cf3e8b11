import {
  type AddedColumn,
  assert,
  batchColumnNames,
  type Column,
  type ColumnType,
  type Ledger,
  type OffsetVector,
  type TableDefinition,
} from '#core'
import { type BatchAppender, sqlName, type TableEngine } from '#engine'
import { duckdbType, type FileColumn } from './file-columns.js'
import type { LogRows } from './table.js'

/** The column of a DuckDB table that holds a column of ours. */
export const DUCKDB_TYPES: Readonly<Record<ColumnType, string>> = {
  string: 'VARCHAR',
  int: 'INTEGER',
  long: 'BIGINT',
  timestamptz: 'TIMESTAMPTZ',
  decimal: 'DECIMAL(18,8)',
  binary: 'BLOB',
}

/** The definition's columns from a segment's: a loaded row's message id is its source and its row there. */
function tableColumnsSql(definition: TableDefinition): string {
  return definition.columns
    .map(({ name }) =>
      name === 'message_id' ? `coalesce(message_id, source || ':' || source_row) AS message_id` : name,
    )
    .join(', ')
}

/** What an added column is called in a segment, whatever the table calls it meanwhile. */
function addedName({ id }: { readonly id: number }): string {
  return `added_${id}`
}

/**
 * A run of log rows in a DuckDB table of its own. It begins where the segment before it ended, grows while it is
 * open, and ends, sealed, exactly at a position vector: to be in the segment is to lie between the two vectors.
 * Readers hold it by reference count; the DuckDB table is dropped once it is retired and nobody reads it.
 */
export class TailSegment {
  readonly start: OffsetVector
  readonly name: string
  readonly days = new Set<number>()
  /** What its rows have besides the definition's columns. */
  readonly added: readonly AddedColumn[]
  readonly #definition: TableDefinition
  readonly #engine: TableEngine
  readonly #appender: BatchAppender
  #end: OffsetVector
  #appendedEnd: OffsetVector
  #rowCount = 0
  #appendedRowCount = 0
  #sizeBytes = 0
  #readerCount = 0
  #retired = false
  #watermarks: ReadonlyMap<string, bigint> = new Map()
  #ledger: Ledger | null = null

  private constructor(
    name: string,
    definition: TableDefinition,
    added: readonly AddedColumn[],
    engine: TableEngine,
    appender: BatchAppender,
    start: OffsetVector,
  ) {
    this.name = name
    this.start = start
    this.added = added
    this.#definition = definition
    this.#engine = engine
    this.#appender = appender
    this.#end = start
    this.#appendedEnd = start
  }

  /** Makes the DuckDB table; the segment is given its start once it becomes the open one. */
  static async prepare(
    name: string,
    definition: TableDefinition,
    added: readonly AddedColumn[],
    engine: TableEngine,
  ): Promise<(start: OffsetVector) => TailSegment> {
    const types = new Map(definition.columns.map((column) => [column.name, DUCKDB_TYPES[column.type]]))
    const columns = [
      ...batchColumnNames(definition).map((column) => `${column} ${types.get(column) ?? 'BIGINT'}`),
      ...added.map((column) => `${addedName(column)} ${duckdbType(column)}`),
    ]
    await engine.run(`CREATE TABLE ${name} (${columns.join(', ')})`)
    const appender = await engine.appender(name)
    return (start) => new TailSegment(name, definition, added, engine, appender, start)
  }

  /** Where the visible rows end. */
  get end(): OffsetVector {
    return this.#end
  }

  /** Visible rows. */
  get rowCount(): number {
    return this.#rowCount
  }

  get appendedRowCount(): number {
    return this.#appendedRowCount
  }

  get unflushedRowCount(): number {
    return this.#appendedRowCount - this.#rowCount
  }

  /** Newest event time by exchange in the log up to `end`; known once it is sealed. */
  get watermarks(): ReadonlyMap<string, bigint> {
    return this.#watermarks
  }

  /** The ledger at `end`, or null when it is that of the segment before; known once it is sealed. */
  get ledger(): Ledger | null {
    return this.#ledger
  }

  /** Where the appended rows end, visible or not. */
  get appendedEnd(): OffsetVector {
    return this.#appendedEnd
  }

  /** Bytes of column data taken. */
  get sizeBytes(): number {
    return this.#sizeBytes
  }

  append(rows: LogRows | null, next: OffsetVector): void {
    if (rows && rows.batch.rowCount > 0) {
      this.#appender.append(rows.batch)
      this.#appendedRowCount += rows.batch.rowCount
      for (const column of rows.batch.columns) {
        this.#sizeBytes += sizeOf(column)
      }
      for (const day of rows.days) this.days.add(day)
    }
    this.#appendedEnd = next
  }

  /** Makes all appended rows visible. */
  publish(): void {
    if (this.#appender.unflushedRowCount > 0) this.#appender.flush()
    this.#rowCount = this.#appendedRowCount
    this.#end = this.#appendedEnd
  }

  /** No further rows. Watermarks and ledger are those of the log up to its end. */
  seal(watermarks: ReadonlyMap<string, bigint>, ledger: Ledger | null): void {
    this.publish()
    this.#watermarks = watermarks
    this.#ledger = ledger
    this.#appender.close()
  }

  /** Those of a table's columns that its rows have besides the definition's. */
  addedOf(columns: readonly FileColumn[]): readonly FileColumn[] {
    if (this.added.length === 0) return NONE
    return columns.filter((column) => this.added.some(({ id }) => id === column.id))
  }

  /**
   * The rows that are visible now, limited by a condition on the log position: SQL for use after FROM. Their columns are
   * the definition's and these added ones, named and as wide as they are given.
   */
  relation(added: readonly FileColumn[], where: string | null = null): string {
    // Rows are only ever appended, so the first N row ids are the N rows that are visible now.
    const conditions = [`rowid < ${this.#rowCount}`, ...(where === null ? [] : [`(${where})`])]
    return `(${this.#select(added)} WHERE ${conditions.join(' AND ')})`
  }

  /** All rows, once it is sealed, in the same columns. */
  sealedRelation(added: readonly FileColumn[]): string {
    return `(${this.#select(added)})`
  }

  #select(added: readonly FileColumn[]): string {
    const columns = added.map(
      (column) => `CAST(${addedName(column)} AS ${duckdbType(column)}) AS ${sqlName(column.name)}`,
    )
    return `SELECT ${[tableColumnsSql(this.#definition), ...columns].join(', ')} FROM ${this.name}`
  }

  retain(): void {
    assert(!this.#retired || this.#readerCount > 0, 'a dropped segment is not read')
    this.#readerCount++
  }

  release(): void {
    this.#readerCount--
    this.#dropIfUnused()
  }

  /** Its rows are committed: nobody new will read it here. */
  retire(): void {
    this.#retired = true
    this.#dropIfUnused()
  }

  #dropIfUnused(): void {
    if (this.#retired && this.#readerCount === 0) this.#engine.drop(this.name, this.#sizeBytes)
  }
}

const NONE: readonly FileColumn[] = []

function sizeOf(column: Column): number {
  if (column.kind !== 'string') return column.values.byteLength
  let sizeBytes = column.cells.byteLength
  for (const bytes of column.long.values()) sizeBytes += bytes.length
  return sizeBytes
}
