import { type BoundColumn, type SqlType, sqlString } from '#engine'
import { type Encoding, type Field, withoutZeros } from './field.js'

/** A column of an answer to SQL: its name, unlike all others, and DuckDB's type. */
export interface SqlColumn {
  readonly name: string
  readonly type: string
}

/** What the columns are called where they are written. */
export function cellName(index: number): string {
  return `c${index}`
}

/**
 * How the columns of a result are written. Whole numbers of up to 64 bits are JSON numbers, exact; decimals and longer
 * integers are texts, exact, without needless zeros; doubles are numbers, or texts where JSON has none (NaN). Times are RFC
 * 3339, in UTC with Z where they have a zone; bytes base64; lists and structs JSON, maps lists of {key, value}. What has
 * a type in Arrow and Parquet has it there (`typedValue`).
 */
export function sqlFields(columns: readonly BoundColumn[], encoding: Encoding): readonly Field[] {
  return columns.map(({ name, type }, index) => {
    const cell = cellName(index)
    const sql = encoding === 'csv' ? textValue(type, cell) : jsonValue(type, cell, 0)
    const typedSql = typedValue(type, cell)
    return { name, type: 'string', sql, typedSql, columns: [cell], doc: '', freeText: true }
  })
}

/** DuckDB's name of a type. */
export function typeName(type: SqlType): string {
  switch (type.kind) {
    case 'plain':
      return type.name === 'DECIMAL' ? `DECIMAL(${type.width},${type.scale})` : type.name
    case 'list':
      return `${typeName(type.of)}[]`
    case 'map':
      return `MAP(${typeName(type.key)}, ${typeName(type.value)})`
    case 'struct':
      return `STRUCT(${type.members.map(([name, member]) => `${name} ${typeName(member)}`).join(', ')})`
  }
}

/** What JSON has as a value, as a text of its own. */
function textValue(type: SqlType, sql: string): string {
  const value = jsonValue(type, sql, 0)
  return `CAST(${type.kind === 'plain' ? value : `to_json(${value})`} AS VARCHAR)`
}

/** As one of the types that `readRows` reads, exactly. Types that are none of them are texts, as in CSV. */
function typedValue(type: SqlType, sql: string): string {
  if (type.kind !== 'plain') return textValue(type, sql)
  switch (type.name) {
    case 'BOOLEAN':
    case 'BIGINT':
    case 'DOUBLE':
    case 'VARCHAR':
      return sql
    case 'TINYINT':
    case 'SMALLINT':
    case 'INTEGER':
    case 'UTINYINT':
    case 'USMALLINT':
    case 'UINTEGER':
      return `CAST(${sql} AS BIGINT)`
    case 'UBIGINT':
      return `CAST(${sql} AS DECIMAL(20, 0))`
    case 'HUGEINT':
    case 'UHUGEINT':
      return `CAST(${sql} AS DECIMAL(38, 0))`
    case 'FLOAT':
      return `CAST(${sql} AS DOUBLE)`
    case 'DECIMAL':
      return type.width < 10 ? `CAST(${sql} AS DECIMAL(10, ${type.scale}))` : sql
    case 'TIMESTAMP_S':
    case 'TIMESTAMP_MS':
      return finite(`CAST(${sql} AS TIMESTAMP)`)
    case 'TIMESTAMP':
    case 'TIMESTAMP_TZ':
    case 'TIMESTAMP_NS':
    case 'DATE':
      return finite(sql)
    default:
      return textValue(type, sql)
  }
}

/** Arrow and Parquet would have some year far away for it. */
function finite(time: string): string {
  const message = sqlString('infinity is no time in Arrow and Parquet: leave it out, or ask for JSON or CSV')
  return `CASE WHEN NOT isfinite(${time}) THEN error(${message}) ELSE ${time} END`
}

/** `depth` keeps the variables of nested lists apart. */
function jsonValue(type: SqlType, sql: string, depth: number): string {
  const each = `e${depth}`
  switch (type.kind) {
    case 'plain':
      return plainValue(type.name, type.scale, sql)
    case 'list':
      return `list_transform(${sql}, lambda ${each}: ${jsonValue(type.of, each, depth + 1)})`
    case 'map': {
      const [key, value] = [type.key, type.value].map((part, index) =>
        jsonValue(part, `struct_extract(${each}, ${index === 0 ? "'key'" : "'value'"})`, depth + 1),
      )
      return `list_transform(map_entries(${sql}), lambda ${each}: {'key': ${key}, 'value': ${value}})`
    }
    case 'struct': {
      const members = type.members.map(([name, member], index) => {
        const part = jsonValue(
          member,
          name === '' ? `struct_extract(${sql}, ${index + 1})` : `struct_extract(${sql}, ${sqlString(name)})`,
          depth,
        )
        return `${sqlString(name || String(index + 1))}: ${part}`
      })
      return `CASE WHEN ${sql} IS NULL THEN NULL ELSE {${members.join(', ')}} END`
    }
  }
}

function plainValue(name: string, scale: number, sql: string): string {
  const text = `CAST(${sql} AS VARCHAR)`
  switch (name) {
    case 'DECIMAL':
      return scale === 0 ? text : withoutZeros(text)
    case 'FLOAT':
    case 'DOUBLE':
      return `CASE WHEN isfinite(${sql}) THEN to_json(${sql}) ELSE to_json(${text}) END`
    case 'TIMESTAMP_TZ':
      return time(`make_timestamp(epoch_us(${sql}))`, '%fZ', sql)
    case 'TIMESTAMP':
    case 'TIMESTAMP_S':
    case 'TIMESTAMP_MS':
      return time(`CAST(${sql} AS TIMESTAMP)`, '%f', sql)
    case 'TIMESTAMP_NS':
      return time(sql, '%n', sql)
    case 'BLOB':
      return `to_base64(${sql})`
    case 'BOOLEAN':
    case 'TINYINT':
    case 'SMALLINT':
    case 'INTEGER':
    case 'BIGINT':
    case 'UTINYINT':
    case 'USMALLINT':
    case 'UINTEGER':
    case 'UBIGINT':
    case 'JSON':
      return sql
    default:
      return text
  }
}

/** Infinity is a time as well, and has no digits. */
function time(timestamp: string, fraction: string, sql: string): string {
  return `CASE WHEN isfinite(${sql}) THEN strftime(${timestamp}, '%Y-%m-%dT%H:%M:%S.${fraction}') ELSE CAST(${sql} AS VARCHAR) END`
}
