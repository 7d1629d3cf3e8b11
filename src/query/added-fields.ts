import { invalid, QUOTES, type TableDefinition, TRADES } from '#core'
import { sqlName } from '#engine'
import type { FileColumn } from '#storage'
import { PLACE_FIELDS, rowFields } from './event-fields.js'
import { chooseFields, type Field, withoutZeros } from './field.js'
import type { MarketTable } from './request.js'

const DEFINITIONS: Readonly<Record<MarketTable, TableDefinition>> = { trades: TRADES, quotes: QUOTES }

/**
 * The fields of a row that were asked for, of a version with these columns. Columns that were added to the table are
 * fields under their own names, unless a field has that name already. They come only when they are asked for, as does
 * the place in the log: an answer whose fields nobody named stays the same, cell by cell, whatever is added.
 * `invalid_input` names what is no field.
 */
export function chosenRowFields(
  table: MarketTable,
  columns: readonly FileColumn[],
  names: readonly string[] | null,
): readonly Field[] {
  const known = rowFields(table)
  if (names === null) return known
  const all = [...known, ...PLACE_FIELDS, ...addedFields(table, known, columns)]
  const unknown = names.find((name) => !all.some((field) => field.name === name))
  if (unknown === undefined) return chooseFields(all, names)
  throw invalid('fields', unknown, `one of ${all.map(({ name }) => name).join(', ')}, each at most once`)
}

function addedFields(
  table: MarketTable,
  known: readonly Field[],
  columns: readonly FileColumn[],
): readonly Field[] {
  const taken = new Set([...known, ...DEFINITIONS[table].columns].map(({ name }) => name))
  return columns.filter(({ name }) => !taken.has(name)).map(addedField)
}

/**
 * Whole numbers and truths are those of JSON; all else is text: JSON's numbers would lose digits of a decimal, and have
 * no NaN. Bytes are in base64. Formats that have types have them typed, but for dates, times of day, UUIDs and bytes.
 */
function addedField({ name, type }: FileColumn): Field {
  const column = sqlName(name)
  const field = (kind: Field['type'], sql: string, typedSql: string, freeText = false): Field => ({
    name,
    type: kind,
    sql,
    typedSql,
    columns: [name],
    doc: `column ${name}, which was added to the table`,
    freeText,
  })
  const [base = ''] = type.split(/[([]/)
  switch (base) {
    case 'boolean':
      return field('boolean', column, column)
    case 'int':
    case 'long':
      return field('number', column, `CAST(${column} AS BIGINT)`)
    case 'string':
      return field('string', column, column, true)
    case 'binary':
    case 'fixed':
      return field('string', `to_base64(${column})`, `to_base64(${column})`)
    case 'decimal': {
      const text = `CAST(${column} AS VARCHAR)`
      const typed = `CAST(${column} AS ${wideDecimal(type)})`
      return field('string', /,\s*0\)$/.test(type) ? text : withoutZeros(text), typed)
    }
    case 'timestamp':
    case 'timestamptz': {
      const zone = base === 'timestamptz' ? 'Z' : ''
      const text = `strftime(make_timestamp(epoch_us(${column})), '%Y-%m-%dT%H:%M:%S.%f${zone}')`
      // Another engine may have written an infinite one, which has no such text.
      const sql = `CASE WHEN isfinite(${column}) THEN ${text} ELSE CAST(${column} AS VARCHAR) END`
      return field('string', sql, column)
    }
    case 'float':
    case 'double':
      return field('string', `CAST(${column} AS VARCHAR)`, `CAST(${column} AS DOUBLE)`)
    default:
      return field('string', `CAST(${column} AS VARCHAR)`, `CAST(${column} AS VARCHAR)`)
  }
}

/** A decimal as wide as its values are in Arrow: DuckDB keeps those of few digits in fewer than 64 bits. */
function wideDecimal(type: string): string {
  const [precision = 38, scale = 0] = [...type.matchAll(/\d+/g)].map(Number)
  return `DECIMAL(${Math.max(precision, 18)}, ${scale})`
}
