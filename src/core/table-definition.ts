/**
 * A column of a table. Iceberg schema, DuckDB DDL, Avro schema and HTTP fields all come from these lists.
 * Types are Iceberg's: `timestamptz` is microseconds since 1970 UTC, `decimal` has precision 18 and scale 8.
 */
export type ColumnType = 'string' | 'int' | 'long' | 'timestamptz' | 'decimal' | 'binary'

/** Where a column gets its value: the producer's record, or the log position at which it was read. */
export type ColumnOrigin = 'record' | 'log'

/** A decimal of 38 digits, as sums need them: Iceberg's name of it. */
export type WideDecimal = `decimal(38, ${number})`

/** A column as files have it. */
export interface LayoutColumn {
  /** The Iceberg field id. Never reused. */
  readonly id: number
  readonly name: string
  readonly type: ColumnType | 'date' | WideDecimal
  readonly doc: string
}

export interface ColumnDefinition extends LayoutColumn {
  readonly type: ColumnType
  /** A record that lacks it is refused at ingest. (Iceberg columns are all optional.) */
  readonly required: boolean
  readonly origin: ColumnOrigin
}

export type TableName = 'trades' | 'quotes' | 'quarantine' | 'corrections'

/** How the rows of a table lie in files, whoever fills it. */
export interface TableLayout {
  readonly name: string
  readonly columns: readonly LayoutColumn[]
  /** The timestamptz column whose UTC day is the partition. */
  readonly partitionColumn: string
  /** Ascending, nulls last. */
  readonly sortColumns: readonly string[]
}

/** One topic feeds one table. */
export interface TableDefinition extends TableLayout {
  readonly name: TableName
  readonly topic: string
  readonly columns: readonly ColumnDefinition[]
}

export const DECIMAL_PRECISION = 18
export const DECIMAL_SCALE = 8

export type ColumnRow = readonly [
  name: string,
  type: ColumnType,
  presence: 'required' | 'optional' | 'log',
  doc: string,
]

/** Builds a column list whose field ids count from 1 in the order written. */
export function columns(list: readonly ColumnRow[]): readonly ColumnDefinition[] {
  return list.map(([name, type, presence, doc], index) => ({
    id: index + 1,
    name,
    type,
    required: presence !== 'optional',
    origin: presence === 'log' ? 'log' : 'record',
    doc,
  }))
}
