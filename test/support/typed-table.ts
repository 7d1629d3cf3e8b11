import { type LayoutColumn, parseDecimal, type TableLayout } from '#core'
import { type Engine, sqlString } from '#engine'
import { type DataFile, fileColumns, parquetRelation, type TableMetadata } from '#storage'
import { currentSchema, newTableMetadata } from '../../src/storage/iceberg/metadata.js'
import type { PartitionField, PartitionSpec, SortField } from '../../src/storage/iceberg/partition.js'
import type { Value } from '../../src/storage/iceberg/values.js'
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

/** Values as Iceberg has them. */
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
): TableMetadata {
  const metadata = newTableMetadata(TYPED, { location, uuid: 'u', nowMs: 0, partitionCount: 1 })
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

function literal(value: Value | null, type: LayoutColumn['type']): string {
  if (value === null) return 'NULL'
  switch (type) {
    case 'timestamptz':
      return `make_timestamptz(${value})`
    case 'string':
      return sqlString(String(value))
    case 'decimal':
      return `(${value}::DECIMAL(18,0) / 100000000)::DECIMAL(18,8)`
    case 'date':
      return `DATE '1970-01-01' + ${value}`
    case 'binary':
      return `'${Array.from(value instanceof Uint8Array ? value : [], (byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}'::BLOB`
    default:
      return String(value)
  }
}

const ROW_SQL = `concat_ws('|', coalesce(epoch_us(moment)::VARCHAR, '∅'), coalesce(symbol, '∅'), coalesce(exchange, '∅'), coalesce(price::VARCHAR, '∅'),
  coalesce(number::VARCHAR, '∅'), coalesce(flags::VARCHAR, '∅'), coalesce((session - DATE '1970-01-01')::VARCHAR, '∅'), coalesce(hex(raw), '∅'))`

/** The rows of files, of a single one in its order. */
export async function rowsOf(
  engine: Pick<Engine, 'query'>,
  files: readonly DataFile[],
  metadata: TableMetadata,
): Promise<readonly TypedRow[]> {
  const relation = parquetRelation(files, fileColumns(TYPED, currentSchema(metadata)))
  const { columns } = await engine.query(`SELECT ${ROW_SQL} FROM ${relation}`)
  return (columns[0] ?? []).map((text) => {
    const cells = String(text).split('|')
    return TYPED.columns.map(({ name, type }, index) => {
      const cell = cells[index]!
      if (cell === '∅') return null
      if (type === 'string') return cell
      if (type === 'decimal') return parseDecimal(name, cell)
      if (type === 'binary') return new Uint8Array(Buffer.from(cell, 'hex'))
      return type === 'long' || type === 'timestamptz' ? BigInt(cell) : Number(cell)
    })
  })
}

export const shownRow = (row: TypedRow) =>
  row.map((value) => (value instanceof Uint8Array ? value.join() : String(value))).join('|')

/** Puts rows into a new DuckDB table. */
export async function createTyped(
  engine: Pick<Engine, 'run'>,
  name: string,
  rows: readonly TypedRow[],
): Promise<void> {
  const columns = TYPED.columns.map((column) => `${column.name} ${DUCKDB_TYPES[column.type]}`)
  await engine.run(`CREATE TABLE ${name} (${columns.join(', ')})`)
  const tuples = rows.map(
    (row) => `(${TYPED.columns.map(({ type }, index) => literal(row[index]!, type)).join(', ')})`,
  )
  if (rows.length > 0) await engine.run(`INSERT INTO ${name} VALUES ${tuples.join(', ')}`)
}

const DUCKDB_TYPES: Readonly<Record<LayoutColumn['type'], string>> = {
  string: 'VARCHAR',
  int: 'INTEGER',
  long: 'BIGINT',
  timestamptz: 'TIMESTAMPTZ',
  decimal: 'DECIMAL(18,8)',
  binary: 'BLOB',
  date: 'DATE',
}
