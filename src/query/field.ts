import { sqlName, sqlString } from '#engine'

/**
 * How rows are written. DuckDB writes JSON objects, CSV records and Parquet, and gives the columns of Arrow as they lie in
 * its memory: no row becomes an object of JavaScript.
 */
export type Encoding = 'json' | 'ndjson' | 'csv' | 'arrow' | 'parquet'

/** True for those in which a row is a text. The others have typed columns. */
export function isText(encoding: Encoding): encoding is 'json' | 'ndjson' | 'csv' {
  return encoding === 'json' || encoding === 'ndjson' || encoding === 'csv'
}

/** One field of an answer's rows. */
export interface Field {
  readonly name: string
  /**
   * The JSON type. Numbers are whole and written exactly, up to 63 bits; a fraction lies between 0 and 1. Intervals: a
   * list of {from, to}, numbers. Counts: an object of numbers.
   */
  readonly type: 'string' | 'number' | 'fraction' | 'boolean' | 'intervals' | 'counts'
  /** SQL over the columns below. */
  readonly sql: string
  /** The same for a cell of CSV, where that is another. */
  readonly csvSql?: string
  /** The same as a value of its own type, where the SQL makes a text or a list of it. See `readRows` for the types. */
  readonly typedSql?: string
  /** Columns that the SQL reads. */
  readonly columns: readonly string[]
  /** Says what it is, for the documentation. */
  readonly doc: string
  /** It may hold any text: CSV has to quote it. */
  readonly freeText: boolean
}

/** A text column as it is. */
export function textField(name: string, column: string, doc: string): Field {
  return { name, type: 'string', sql: column, columns: [column], doc, freeText: true }
}

/** A whole number as it is. */
export function numberField(name: string, column: string, doc: string): Field {
  const typedSql = `CAST(${column} AS BIGINT)`
  return { name, type: 'number', sql: column, typedSql, columns: [column], doc, freeText: false }
}

/** Counts by name, of a column that has them as a JSON object. A cell of CSV has them as "negative:2 malformed:1". */
export function countsField(name: string, column: string, doc: string): Field {
  const csvSql = `replace(regexp_replace(${column}, '[{}"]', '', 'g'), ',', ' ')`
  const sql = `${column}::JSON`
  return {
    name,
    type: 'counts',
    sql,
    csvSql,
    typedSql: `${column}::VARCHAR`,
    columns: [column],
    doc,
    freeText: false,
  }
}

/** SQL: the text of a decimal of a scale above 0 without the zeros that it has at its end. */
export function withoutZeros(text: string): string {
  return `regexp_replace(${text}, '[.]?0+$', '')`
}

/** An exact decimal as text, without exponent or needless zeros. Every decimal here has a scale above 0. */
export function decimalField(name: string, column: string, doc: string): Field {
  const sql = withoutZeros(`CAST(${column} AS VARCHAR)`)
  return { name, type: 'string', sql, typedSql: column, columns: [column], doc, freeText: false }
}

/** RFC 3339 in UTC with six decimals, of an SQL expression in µs since 1970. */
export function timeField(name: string, micros: string, columns: readonly string[], doc: string): Field {
  const sql = `strftime(make_timestamp(${micros}), '%Y-%m-%dT%H:%M:%S.%fZ')`
  return { name, type: 'string', sql, typedSql: `make_timestamptz(${micros})`, columns, doc, freeText: false }
}

/** Nanoseconds since 1970 as text, of SQL expressions in µs and in the ns below. */
export function nanosField(name: string, micros: string, nanos: string, columns: readonly string[]): Field {
  const sum = `CAST(${micros} AS HUGEINT) * 1000 + ${nanos}`
  return {
    name,
    type: 'string',
    sql: `CAST(${sum} AS VARCHAR)`,
    typedSql: `make_timestamp_ns(CAST(${sum} AS BIGINT))`,
    columns,
    doc: 'the same time in nanoseconds since 1970',
    freeText: false,
  }
}

/** The fields named, in that order; all when none are named. Names must be known: they are checked at the border. */
export function chooseFields(all: readonly Field[], names: readonly string[] | null): readonly Field[] {
  return names === null ? all : names.flatMap((name) => all.filter((field) => field.name === name))
}

/** SQL that writes one row: a text, or a STRUCT of typed values. */
export function encodeRow(fields: readonly Field[], encoding: Encoding): string {
  switch (encoding) {
    case 'json':
    case 'ndjson':
      return `CAST(to_json(${struct(fields, ({ sql }) => sql)}) AS VARCHAR)`
    case 'csv':
      return fields.map(csvCell).join(` || ',' || `)
    case 'arrow':
    case 'parquet':
      return struct(fields, ({ sql, typedSql }) => typedSql ?? sql)
  }
}

function struct(fields: readonly Field[], sqlOf: (field: Field) => string): string {
  return `{${fields.map((field) => `${sqlString(field.name)}: ${sqlOf(field)}`).join(', ')}}`
}

/** RFC 4180. NULL is an empty cell, an empty text a quoted one. */
function csvCell(field: Field): string {
  if (!field.freeText) return `coalesce(CAST(${field.csvSql ?? field.sql} AS VARCHAR), '')`
  const quoted = `'"' || replace(${field.sql}, '"', '""') || '"'`
  return `CASE WHEN ${field.sql} IS NULL THEN '' WHEN regexp_matches(${field.sql}, '^$|[",\\r\\n]') THEN ${quoted} ELSE ${field.sql} END`
}

/** The columns that fields read, each once. */
export function columnsOf(fields: readonly Field[]): readonly string[] {
  return [...new Set(fields.flatMap((field) => field.columns))]
}

/** A select list of columns. */
export function selectList(columns: readonly string[]): string {
  return columns.map(sqlName).join(', ')
}
