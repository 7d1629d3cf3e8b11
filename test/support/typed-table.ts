import type { LayoutColumn, TableLayout } from '#core'
import { type Engine, sqlName, sqlString } from '#engine'
import {
  duckdbType,
  type FileColumn,
  fileColumns,
  parquetRelation,
  type ReadableFile,
  type TableMetadata,
} from '#storage'
import { layoutColumns } from '../../src/storage/file-columns.js'
import { currentSchema, newTableMetadata } from '../../src/storage/iceberg/metadata.js'
import type { PartitionField, PartitionSpec, SortField } from '../../src/storage/iceberg/partition.js'
import { baseType, type Value } from '../../src/storage/iceberg/values.js'
import type { SeededRandom } from './seeded-random.js'

const HOUR = 3_600_000_000n

const COLUMN_TYPES: readonly (readonly [name: string, type: LayoutColumn['type']])[] = [
  ['moment', 'timestamptz'],
  ['symbol', 'string'],
  ['exchange', 'string'],
  ['price', 'decimal'],
  ['number', 'long'],
  ['flags', 'int'],
  ['session', 'date'],
  ['raw', 'binary'],
]
/** A table with a column of each type. */
export const TYPED: TableLayout = {
  name: 'rows',
  columns: COLUMN_TYPES.map(([name, type], index) => ({ id: index + 1, name, type, doc: name })),
  partitionColumn: 'moment',
  sortColumns: ['symbol', 'moment', 'number'],
}
const idOf = (name: string) => TYPED.columns.find((column) => column.name === name)!.id

/** Values as Iceberg has them, by field id, which count from one. */
export type TypedRow = readonly (Value | null)[]

/** A column by name or id, and its transform. */
export type Field = readonly [column: string | number, transform: string]

/** The fields of a spec, whose ids count from one. */
export function partitionFields(fields: readonly Field[], firstId: number): readonly PartitionField[] {
  return fields.map(([column, transform], index) => ({
    sourceId: typeof column === 'number' ? column : idOf(column),
    fieldId: firstId + index,
    name: `p${index}_${transform.replace(/\W/g, '')}`,
    transform,
    extra: {},
  }))
}

/** A new table, below a folder, whose default spec has these fields; its spec of days has id 0. */
export function typedTable(
  location: string,
  fields: readonly Field[],
  sort: readonly SortField[] | null = null,
  layout: TableLayout = TYPED,
): TableMetadata {
  const metadata = newTableMetadata(layout, { location, uuid: 'u', nowMs: 0, partitionCount: 1 })
  const spec: PartitionSpec = {
    specId: 1,
    fields: partitionFields(fields, 1001),
    extra: {},
  }
  return {
    ...metadata,
    partitionSpecs: [...metadata.partitionSpecs, spec],
    defaultSpecId: 1,
    lastPartitionId: 1000 + fields.length,
    ...(sort && {
      sortOrders: [...metadata.sortOrders, { orderId: 2, fields: sort, extra: {} }],
      defaultSortOrderId: 2,
    }),
  }
}

export const sortField = (
  column: string,
  transform: string,
  direction: 'asc' | 'desc',
  nulls: 'first' | 'last',
): SortField => ({
  sourceId: idOf(column),
  transform,
  direction,
  nullOrder: `nulls-${nulls}`,
  extra: {},
})

export function drawnRow(random: SeededRandom, hours: number): TypedRow {
  const orNull = (value: Value): Value | null => (random.oneIn(8) ? null : value)
  return [
    // Always there, as at ingest; around the turn of the year, before and after 1970.
    BigInt(random.below(hours) - 2) * HOUR + random.pick([0n, 1n, HOUR - 1n]),
    orNull(random.pick(['BHP', 'CBA', "O'X", 'a/b', '😀', '', 'null', '\0'])),
    orNull(random.pick(['ASX', 'NYSE'])),
    orNull(BigInt(random.below(5)) * 50_000_000n - 100_000_000n),
    orNull(BigInt(random.below(40)) - 20n),
    orNull(random.below(24) - 12),
    orNull(random.below(28) - 14),
    orNull(Uint8Array.of(random.below(3), 255)),
  ]
}

function literal(value: Value | null, { type }: FileColumn): string {
  if (value === null) return 'NULL'
  switch (baseType(type)) {
    case 'timestamptz':
      return `make_timestamptz(${value})`
    case 'string':
      return sqlString(String(value))
    case 'decimal':
      return `'${plainDecimal(String(value), scaleOf(type))}'`
    case 'date':
      return `DATE '1970-01-01' + ${value}`
    case 'binary':
      return `'${Array.from(value instanceof Uint8Array ? value : [], (byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}'::BLOB`
    default:
      return String(value)
  }
}

const scaleOf = (type: string) => Number(/, *(\d+)\)/.exec(type)?.[1])

function plainDecimal(unscaled: string, scale: number): string {
  const [sign, digits] = unscaled.startsWith('-') ? ['-', unscaled.slice(1)] : ['', unscaled]
  const padded = digits.padStart(scale + 1, '0')
  return `${sign}${padded.slice(0, -scale)}.${padded.slice(-scale)}`
}

function textSql({ name, type }: FileColumn): string {
  const cell = sqlName(name)
  if (type === 'timestamptz') return `epoch_us(${cell})::VARCHAR`
  if (type === 'date') return `(${cell} - DATE '1970-01-01')::VARCHAR`
  return type === 'binary' ? `hex(${cell})` : `${cell}::VARCHAR`
}

function parsedValue(text: string, type: string): Value {
  switch (baseType(type)) {
    case 'string':
      return text
    case 'decimal':
      return BigInt(text.replace('.', ''))
    case 'binary':
      return new Uint8Array(Buffer.from(text, 'hex'))
    case 'long':
    case 'timestamptz':
      return BigInt(text)
    default:
      return Number(text)
  }
}

/** The rows of files, of a single one in its order: what they have in these columns. */
export async function rowsIn(
  engine: Pick<Engine, 'query'>,
  files: readonly ReadableFile[],
  columns: readonly FileColumn[],
): Promise<readonly TypedRow[]> {
  const relation = parquetRelation(files, columns)
  const read = await engine.query(`SELECT ${columns.map(textSql).join(', ')} FROM ${relation}`)
  const width = Math.max(...columns.map(({ id }) => id))
  return Array.from({ length: read.rowCount }, (_, index) => {
    const row = new Array<Value | null>(width).fill(null)
    for (const [column, { id, type }] of columns.entries()) {
      const text = read.columns[column]![index]
      row[id - 1] = text === null ? null : parsedValue(String(text), type)
    }
    return row
  })
}

/** The same of a table with a column of each type, without those that it has besides. */
export function rowsOf(
  engine: Pick<Engine, 'query'>,
  files: readonly ReadableFile[],
  metadata: TableMetadata,
): Promise<readonly TypedRow[]> {
  const columns = fileColumns(TYPED, currentSchema(metadata)).slice(0, TYPED.columns.length)
  return rowsIn(engine, files, columns)
}

/** Null is not the text "null". */
export const shownRow = (row: TypedRow) =>
  row.map((cell) => (cell === null ? '∅' : cell instanceof Uint8Array ? cell.join() : String(cell))).join('|')

/** Puts rows into a new DuckDB table. */
export async function createTyped(
  engine: Pick<Engine, 'run'>,
  name: string,
  rows: readonly TypedRow[],
  columns: readonly FileColumn[] = layoutColumns(TYPED),
): Promise<void> {
  const typed = columns.map((column) => `${sqlName(column.name)} ${duckdbType(column)}`)
  await engine.run(`CREATE TABLE ${name} (${typed.join(', ')})`)
  const tuples = rows.map(
    (row) => `(${columns.map((column) => literal(row[column.id - 1] ?? null, column)).join(', ')})`,
  )
  if (rows.length > 0) await engine.run(`INSERT INTO ${name} VALUES ${tuples.join(', ')}`)
}
