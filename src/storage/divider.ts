import { MICROS_PER_DAY } from '#core'
import { type SqlValue, sqlName, sqlString } from '#engine'
import type { FileColumn } from './file-columns.js'
import { type PartitionField, parseTransform, partitionType } from './iceberg/partition.js'
import type { Schema } from './iceberg/schema.js'
import { applyTransform, type Period, partitionFolder, periodStart } from './iceberg/transform.js'
import { baseType, type Value } from './iceberg/values.js'
import { unscaled } from './statistics.js'

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
/** A value of each type. */
const SAMPLES: Readonly<Record<string, Value>> = {
  boolean: true,
  int: 0,
  long: 0n,
  float: 0,
  double: 0,
  date: 0,
  time: 0n,
  timestamp: 0n,
  timestamptz: 0n,
  decimal: 0n,
  string: '',
  uuid: new Uint8Array(16),
  binary: new Uint8Array(),
  fixed: new Uint8Array(),
}
/** Partition values that manifests of ours can hold. */
const WRITABLE = new Set(['boolean', 'int', 'long', 'date', 'timestamp', 'timestamptz', 'string'])

/** How a field divides rows of these columns; null when ticklake cannot divide rows so. */
export function dividerOf(
  columns: readonly FileColumn[],
  schema: Schema,
  field: PartitionField,
): Divider | null {
  const transform = parseTransform(field.transform)
  const written = partitionType(field, schema)
  if (written === null || !WRITABLE.has(baseType(written))) return null
  const column = columns.find(({ id }) => id === field.sourceId)
  const type = column?.type ?? written
  const folder = (value: Value | null) =>
    partitionFolder(field.name, transform, type, value).slice(0, MAX_FOLDER_LENGTH)
  // A column that was added since: the rows have nothing in it.
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
      if (!isTimestamp(type) && (type !== 'date' || period === 'hour')) return null
      return {
        keySql: periodKeySql(column, period),
        value: (key) => applyTransform(transform, type, startOfKey(column, period, key)) ?? null,
        folder,
        where: (value) => periodWhere(column, period, value),
      }
    }
    default: {
      const sample = SAMPLES[baseType(type)]
      // A transform has a value for each one of a type, or for none.
      if (sample === undefined || applyTransform(transform, type, sample) === undefined) return null
      const keySql = valueKeySql(column)
      return {
        keySql,
        value: (key) => applyTransform(transform, type, key === null ? null : valueOfKey(type, key)) ?? null,
        folder,
        where: (value, keys) =>
          value === null
            ? `${sqlName(column.name)} IS NULL`
            : `${keySql} IN (${[...keys].map(keyLiteral).join(', ')})`,
      }
    }
  }
}

/** The hour or day of a column, counted from 1970, rounded down; what is longer is worked out of days. */
function periodKeySql({ name, type }: FileColumn, period: Period): string {
  if (type === 'date') return daysSql(name)
  const micros = `epoch_us(${sqlName(name)})`
  const length = period === 'hour' ? MICROS_PER_DAY / 24 : MICROS_PER_DAY
  return `(${micros} - ((${micros} % ${length} + ${length}) % ${length})) // ${length}`
}

function startOfKey({ type }: FileColumn, period: Period, key: SqlValue): Value | null {
  if (key === null) return null
  return type === 'date' ? Number(key) : periodStart(period === 'hour' ? 'hour' : 'day', Number(key))
}

function periodWhere({ name, type }: FileColumn, period: Period, value: Value | null): string {
  const column = sqlName(name)
  if (value === null) return `${column} IS NULL`
  const literal = (micros: bigint) => {
    if (type === 'date') return `DATE '1970-01-01' + ${micros / BigInt(MICROS_PER_DAY)}`
    return type === 'timestamp' ? `make_timestamp(${micros})` : `make_timestamptz(${micros})`
  }
  const [start, end] = [periodStart(period, Number(value)), periodStart(period, Number(value) + 1)]
  return `${column} >= ${literal(start)} AND ${column} < ${literal(end)}`
}

/** A column's value as a truth, a number or a text. */
function valueKeySql({ name, type }: FileColumn): string {
  const column = sqlName(name)
  switch (baseType(type)) {
    case 'date':
      return daysSql(name)
    case 'time':
    case 'timestamp':
    case 'timestamptz':
      return `epoch_us(${column})`
    case 'decimal':
    case 'uuid':
      return `CAST(${column} AS VARCHAR)`
    case 'binary':
    case 'fixed':
      return `hex(${column})`
    default:
      return column
  }
}

function valueOfKey(type: string, key: Exclude<SqlValue, null>): Value {
  switch (baseType(type)) {
    case 'int':
    case 'date':
      return Number(key)
    case 'long':
    case 'time':
    case 'timestamp':
    case 'timestamptz':
      return BigInt(key)
    case 'decimal':
      return unscaled(type, String(key))
    case 'uuid':
      return Buffer.from(String(key).replaceAll('-', ''), 'hex')
    case 'binary':
    case 'fixed':
      return Buffer.from(String(key), 'hex')
    default:
      return key
  }
}

function keyLiteral(key: SqlValue): string {
  return typeof key === 'string' ? sqlString(key) : String(key)
}

function daysSql(name: string): string {
  return `(${sqlName(name)} - DATE '1970-01-01')`
}

function isTimestamp(type: string): boolean {
  return type === 'timestamptz' || type === 'timestamp'
}
