import { type LayoutColumn, MICROS_PER_DAY, parseDecimal, type TableLayout } from '#core'
import { type SqlValue, sqlString } from '#engine'
import { type PartitionField, parseTransform, partitionType } from './iceberg/partition.js'
import { type Schema, TYPE_NAMES } from './iceberg/schema.js'
import { applyTransform, type Period, partitionFolder, periodStart } from './iceberg/transform.js'
import { baseType, type Value } from './iceberg/values.js'

/** How one field of a spec divides rows. */
export interface Divider {
  /** What tells rows apart: SQL of a number or a text. */
  readonly keySql: string
  /** The partition value of a key. */
  value(key: SqlValue): Value | null
  folder(value: Value | null): string
  /** SQL that is true of the rows of a partition value, which came of these keys. */
  where(value: Value | null, keys: ReadonlySet<SqlValue>): string
}

/** A folder's name is cut to this: file systems take 255 bytes. Nobody reads a partition from its name. */
const MAX_FOLDER_LENGTH = 200
/** A key of each type. */
const SAMPLE_KEYS: Readonly<Record<LayoutColumn['type'], SqlValue>> = {
  string: '',
  int: 0,
  long: 0n,
  timestamptz: 0n,
  date: 0,
  decimal: '0',
  binary: '',
}
/** Partition values that manifests of ours can hold. */
const WRITABLE = new Set(['boolean', 'int', 'long', 'date', 'timestamp', 'timestamptz', 'string'])

/** How a field divides the rows of a layout; null when ticklake cannot divide rows so. */
export function dividerOf(layout: TableLayout, schema: Schema, field: PartitionField): Divider | null {
  const transform = parseTransform(field.transform)
  const written = partitionType(field, schema)
  if (written === null || !WRITABLE.has(baseType(written))) return null
  const column = layout.columns.find(({ id }) => id === field.sourceId)
  const type = column ? TYPE_NAMES[column.type] : written
  const folder = (value: Value | null) =>
    partitionFolder(field.name, transform, type, value).slice(0, MAX_FOLDER_LENGTH)
  // A column that another engine has added: our rows have nothing in it.
  if (!column || transform.kind === 'void') {
    return { keySql: '0', value: () => null, folder, where: () => 'true' }
  }
  switch (transform.kind) {
    case 'unknown':
      return null
    case 'year':
    case 'month':
    case 'day':
    case 'hour': {
      const period = transform.kind
      if (column.type !== 'timestamptz' && (column.type !== 'date' || period === 'hour')) return null
      return {
        keySql: periodKeySql(column, period),
        value: (key) => applyTransform(transform, type, startOfKey(column, period, key)) ?? null,
        folder,
        where: (value) => periodWhere(column, period, value),
      }
    }
    default: {
      const columnValue = (key: SqlValue) => (key === null ? null : valueOfKey(column, key))
      // A transform has a value for each one of a type, or for none.
      if (applyTransform(transform, type, columnValue(SAMPLE_KEYS[column.type])) === undefined) return null
      return {
        keySql: valueKeySql(column),
        value: (key) => applyTransform(transform, type, columnValue(key)) ?? null,
        folder,
        where: (value, keys) =>
          value === null
            ? `${column.name} IS NULL`
            : `${column.name} IN (${[...keys].map((key) => keyLiteral(column, key)).join(', ')})`,
      }
    }
  }
}

/** The hour or day of a column, counted from 1970, rounded down; what is longer is worked out of days. */
function periodKeySql({ name, type }: LayoutColumn, period: Period): string {
  if (type === 'date') return daysSql(name)
  const micros = `epoch_us(${name})`
  const length = period === 'hour' ? MICROS_PER_DAY / 24 : MICROS_PER_DAY
  return `(${micros} - ((${micros} % ${length} + ${length}) % ${length})) // ${length}`
}

function startOfKey({ type }: LayoutColumn, period: Period, key: SqlValue): Value | null {
  if (key === null) return null
  return type === 'date' ? Number(key) : periodStart(period === 'hour' ? 'hour' : 'day', Number(key))
}

function periodWhere({ name, type }: LayoutColumn, period: Period, value: Value | null): string {
  if (value === null) return `${name} IS NULL`
  const [start, end] = [periodStart(period, Number(value)), periodStart(period, Number(value) + 1)]
  if (type !== 'date') return `${name} >= make_timestamptz(${start}) AND ${name} < make_timestamptz(${end})`
  const day = (micros: bigint) => `DATE '1970-01-01' + ${micros / BigInt(MICROS_PER_DAY)}`
  return `${name} >= ${day(start)} AND ${name} < ${day(end)}`
}

/** A column's value as a number or a text. */
function valueKeySql({ name, type }: LayoutColumn): string {
  const sql: Record<LayoutColumn['type'], string> = {
    string: name,
    int: name,
    long: name,
    timestamptz: `epoch_us(${name})`,
    date: daysSql(name),
    decimal: `CAST(${name} AS VARCHAR)`,
    binary: `hex(${name})`,
  }
  return sql[type]
}

function valueOfKey({ name, type }: LayoutColumn, key: SqlValue): Value {
  const read: Record<LayoutColumn['type'], () => Value> = {
    string: () => String(key),
    int: () => Number(key),
    long: () => BigInt(String(key)),
    timestamptz: () => BigInt(String(key)),
    date: () => Number(key),
    decimal: () => parseDecimal(name, String(key)),
    binary: () => Buffer.from(String(key), 'hex'),
  }
  return read[type]()
}

function keyLiteral({ type }: LayoutColumn, key: SqlValue): string {
  const sql: Record<LayoutColumn['type'], () => string> = {
    string: () => sqlString(String(key)),
    int: () => String(key),
    long: () => String(key),
    timestamptz: () => `make_timestamptz(${key})`,
    date: () => `DATE '1970-01-01' + ${key}`,
    decimal: () => `CAST('${key}' AS DECIMAL(18,8))`,
    binary: () => `unhex('${key}')`,
  }
  return sql[type]()
}

function daysSql(name: string): string {
  return `(${name} - DATE '1970-01-01')`
}
