import { sqlName, sqlString } from '#engine'

/** How rows are written: a JSON object or a CSV record for each. DuckDB writes them, so that no row passes through JavaScript. */
export type Encoding = 'json' | 'csv'

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
  return { name, type: 'number', sql: column, columns: [column], doc, freeText: false }
}

/** Counts by name, of a column that has them as a JSON object. A cell of CSV has them as "negative:2 malformed:1". */
export function countsField(name: string, column: string, doc: string): Field {
  const csvSql = `replace(regexp_replace(${column}, '[{}"]', '', 'g'), ',', ' ')`
  return { name, type: 'counts', sql: `${column}::JSON`, csvSql, columns: [column], doc, freeText: false }
}

/** An exact decimal as text, without exponent or needless zeros. Every decimal here has a scale above 0. */
export function decimalField(name: string, column: string, doc: string): Field {
  const sql = `rtrim(rtrim(CAST(${column} AS VARCHAR), '0'), '.')`
  return { name, type: 'string', sql, columns: [column], doc, freeText: false }
}

/** RFC 3339 in UTC with six decimals, of an SQL expression in µs since 1970. */
export function timeField(name: string, micros: string, columns: readonly string[], doc: string): Field {
  const sql = `strftime(make_timestamp(${micros}), '%Y-%m-%dT%H:%M:%S.%fZ')`
  return { name, type: 'string', sql, columns, doc, freeText: false }
}

/** Nanoseconds since 1970 as text, of SQL expressions in µs and in the ns below. */
export function nanosField(name: string, micros: string, nanos: string, columns: readonly string[]): Field {
  const sql = `CAST(CAST(${micros} AS HUGEINT) * 1000 + ${nanos} AS VARCHAR)`
  return {
    name,
    type: 'string',
    sql,
    columns,
    doc: 'the same time in nanoseconds since 1970',
    freeText: false,
  }
}

/** The fields named, in that order; all when none are named. Names must be known: they are checked at the border. */
export function chooseFields(all: readonly Field[], names: readonly string[] | null): readonly Field[] {
  return names === null ? all : names.flatMap((name) => all.filter((field) => field.name === name))
}

/** SQL that writes one row as text. */
export function encodeRow(fields: readonly Field[], encoding: Encoding): string {
  if (encoding === 'json') {
    const members = fields.map((field) => `${sqlString(field.name)}: ${field.sql}`)
    return `CAST(to_json({${members.join(', ')}}) AS VARCHAR)`
  }
  return fields.map(csvCell).join(` || ',' || `)
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
