import {
  type ColumnDefinition,
  DECIMAL_PRECISION,
  DECIMAL_SCALE,
  invalid,
  MAX_EVENT_MICROS,
  QualityFlag,
  type TableDefinition,
} from '#core'
import { recordFields } from './avro-schema.js'
import type { Format, SequenceKind } from './formats.js'
import { EXPECTED_SIGN } from './price-rules.js'
import { EXPECTED_TIME, WRONG_UNIT_BEFORE_MICROS } from './time-rules.js'

/** Columns of the loader query that come before those of the table. */
export const LINE = 0
export const PROBLEM = 1
export const ORIGINAL = 2
export const FIRST_FIELD = 3

/** The value of `problem` for a row that is no record of the table: counted and passed over. */
export const SKIPPED = 'skip'

/** What a format yields beside columns of the table. */
const ROW_COLUMNS = ['line', 'original', 'skip', 'reject']
/** The loader gives these itself. */
const LOADER_COLUMNS = ['exchange_nanos', 'message_id', 'source']

/** Characters of a symbol or the name of an exchange. */
const MAX_NAME_LENGTH = 64

/** Digits beyond this many are refused rather than counted: no exponent of a price comes near. */
const EXPONENT_LIMIT = 10_000

/** The loader query of one format, and the table's columns in it (from FIRST_FIELD on); others are absent. */
export interface SourceQuery {
  readonly sql: string
  readonly fields: readonly string[]
}

/** The rows of a format, as it gives them. */
export function formatRelation(format: Format): string {
  // The line break ends a comment on the last line.
  return `(${format.sql.replace(/;\s*$/, '')}\n)`
}

/**
 * The one loader query: it casts the text columns of any format to the table's types. A row that does not cast has a
 * `problem`, `<reason>: <field>: <value> is not <what would be right>`; else `problem` is NULL. Decimals are exact:
 * what has more than 8 of them is rounded half-even, with a flag.
 *
 * `given` are the columns that the format yields.
 */
export function sourceQuery(format: Format, given: readonly string[]): SourceQuery {
  const columns = givenColumns(format, given)
  const decimals = columns.filter((column) => column.type === 'decimal').map((column) => column.name)
  // Each step is one projection over the one before. Strings are all that a step before the last one yields.
  const steps = [
    `SELECT ${[
      'line::BIGINT AS line',
      'original::VARCHAR AS original',
      `${given.includes('skip') ? 'coalesce(skip, false)' : 'false'} AS skip`,
      `${given.includes('reject') ? 'reject::VARCHAR' : 'NULL::VARCHAR'} AS reject`,
      ...columns.map((column) => `nullif(${column.name}::VARCHAR, '') AS ${column.name}`),
    ].join(', ')} FROM ${formatRelation(format)}`,
    step(columns.filter(isLong).map(wholeNumber), timeParts(), decimals.flatMap(plainDecimal)),
    step(decimals.flatMap(decimalDigits), timeValue()),
    step(decimals.flatMap(keptDigits)),
    step(decimals.flatMap(roundedMagnitude)),
    step(decimals.flatMap(decimalValue)),
  ]
  const fields = recordFields(format.definition).filter(
    ({ name }) =>
      name === 'exchange_nanos' || name === 'quality_flags' || columns.some((column) => column.name === name),
  )
  const last = `SELECT line, ${problem(format.definition, columns)} AS problem,
      CASE WHEN problem IS NOT NULL AND NOT skip THEN original END AS original,
      ${fields.map(({ name }) => `${output(name, columns, decimals, COUNTED[format.sequence])} AS ${name}`).join(', ')}`
  const ctes = steps.map((sql, index) => `s${index} AS (${index === 0 ? sql : `${sql} FROM s${index - 1}`})`)
  return {
    sql: `WITH ${ctes.join(',\n')}\n${last} FROM s${steps.length - 1}`,
    fields: fields.map((field) => field.name),
  }
}

function givenColumns(format: Format, given: readonly string[]): readonly ColumnDefinition[] {
  const possible = format.definition.columns.filter(
    (column) => column.origin === 'record' && !LOADER_COLUMNS.includes(column.name),
  )
  const known = [...ROW_COLUMNS, ...possible.map((column) => column.name)]
  for (const name of given) {
    if (!known.includes(name))
      throw invalid(`format ${format.name}, column`, name, `one of ${known.join(', ')}`)
  }
  const needed = ['line', 'original', ...possible.filter(isNeeded).map((column) => column.name)]
  for (const name of needed) {
    if (!given.includes(name)) {
      throw invalid(`format ${format.name}, columns`, given.join(', '), `complete: ${name} is missing`)
    }
  }
  return possible.filter((column) => given.includes(column.name))
}

/** Required, and without a default of the loader's. */
function isNeeded(column: ColumnDefinition): boolean {
  return column.required && column.name !== 'side' && column.name !== 'quality_flags'
}

function isLong(column: ColumnDefinition): boolean {
  return column.type === 'long' || column.type === 'int'
}

function step(...additions: readonly (readonly string[])[]): string {
  return `SELECT ${['*', ...additions.flat()].join(', ')}`
}

function wholeNumber({ name }: ColumnDefinition): string {
  return `CASE WHEN regexp_full_match(${name}, '-?\\d{1,19}') THEN try_cast(${name} AS BIGINT) END AS ${name}_value`
}

/** Whole nanoseconds since 1970, or the parts of ISO 8601 with an offset. */
function timeParts(): readonly string[] {
  const iso = '\\d{4}-\\d\\d-\\d\\d[T ]\\d\\d:\\d\\d:\\d\\d(\\.\\d{1,9})?([Zz]|[+-]\\d\\d(:\\d\\d)?)'
  const isNanos = "regexp_full_match(exchange_timestamp, '-?\\d{5,19}')"
  return [
    `CASE WHEN ${isNanos} THEN try_cast(exchange_timestamp AS BIGINT) END AS time_nanos`,
    `CASE WHEN NOT ${isNanos} AND regexp_full_match(exchange_timestamp, '${iso}') THEN exchange_timestamp END AS time_iso`,
  ]
}

function timeValue(): readonly string[] {
  const fraction = "rpad(regexp_extract(time_iso, '\\.(\\d+)', 1), 9, '0')"
  // The fraction is taken apart by hand: a cast would round nanoseconds away.
  const seconds =
    "try_cast(left(time_iso, 19) || regexp_extract(upper(time_iso), '(Z|[+-]\\d\\d(:\\d\\d)?)$', 1) AS TIMESTAMPTZ)"
  // Rounds down, also before 1970, and never leaves 64 bits (128-bit division is ten times slower).
  const below = '(time_nanos % 1000 + 1000) % 1000'
  const micros = '(time_nanos - time_nanos % 1000) // 1000 - (time_nanos % 1000 < 0)::INTEGER'
  return [
    `CASE WHEN time_nanos IS NOT NULL THEN ${micros}
       WHEN time_iso IS NOT NULL THEN epoch_us(${seconds}) + left(${fraction}, 6)::BIGINT END AS time_micros`,
    `CASE WHEN time_nanos IS NOT NULL THEN ${below}
       WHEN time_iso IS NOT NULL THEN right(${fraction}, 3)::BIGINT END::INTEGER AS time_below`,
  ]
}

/*
 * Decimals. Nearly all are plain ("36.667") and go through DuckDB's cast, which is exact for them. The others, with an
 * exponent or more than 8 decimals, are taken apart as text: DuckDB's casts round half-up and silently, however wide
 * the type. All steps below are NULL, and nearly free, for the plain ones.
 */
const PLAIN = `-?\\d{1,${DECIMAL_PRECISION - DECIMAL_SCALE}}(\\.\\d{0,${DECIMAL_SCALE}})?`

function plainDecimal(name: string): readonly string[] {
  const isPlain = `regexp_full_match(${name}, '${PLAIN}')`
  return [
    `CASE WHEN ${isPlain} THEN ${name} END AS ${name}_plain`,
    `CASE WHEN NOT ${isPlain} THEN regexp_extract(${name},
       '^\\s*([+-]?)(\\d+\\.?|\\d*\\.(?:\\d+))(\\d*)(?:[eE]([+-]?\\d+))?\\s*$',
       ['sign', 'front', 'back', 'exponent']) END AS ${name}_parts`,
  ]
}

function decimalDigits(name: string): readonly string[] {
  const parts = `${name}_parts`
  const number = `(${parts}.front || ${parts}.back)`
  const exponent = `CASE WHEN ${parts}.exponent = '' THEN 0
    ELSE coalesce(try_cast(${parts}.exponent AS INTEGER), CASE WHEN starts_with(${parts}.exponent, '-') THEN -${EXPONENT_LIMIT} ELSE ${EXPONENT_LIMIT} END) END`
  return [
    `CASE WHEN ${parts}.front <> '' THEN replace(${number}, '.', '') END AS ${name}_digits`,
    // How many of the digits stand before the eighth decimal's end.
    `CASE WHEN ${parts}.front <> '' THEN length(split_part(${number}, '.', 1)) + ${DECIMAL_SCALE}
       + greatest(-${EXPONENT_LIMIT}, least(${EXPONENT_LIMIT}, ${exponent})) END AS ${name}_keep`,
  ]
}

function keptDigits(name: string): readonly string[] {
  const [digits, keep] = [`${name}_digits`, `${name}_keep`]
  return [
    `CASE WHEN ${keep} <= 0 THEN '0' ELSE left(rpad(${digits}, greatest(${keep}, length(${digits}))::INTEGER, '0'), ${keep}) END AS ${name}_kept`,
    `rtrim(CASE WHEN ${keep} < 0 THEN repeat('0', -${keep}) || ${digits} ELSE substr(${digits}, ${keep} + 1) END, '0') AS ${name}_rest`,
  ]
}

/** Half-even: `rest` is the digits that are lost, without trailing zeros, so that '5' is exactly one half. */
function roundedMagnitude(name: string): readonly string[] {
  const magnitude = `try_cast(${name}_kept AS HUGEINT)`
  return [
    `${magnitude} + (${name}_rest > '5' OR (${name}_rest = '5' AND ${magnitude} % 2 = 1))::INTEGER AS ${name}_magnitude`,
  ]
}

function decimalValue(name: string): readonly string[] {
  const type = `DECIMAL(${DECIMAL_PRECISION}, ${DECIMAL_SCALE})`
  const text = `lpad(${name}_magnitude::VARCHAR, greatest(${DECIMAL_SCALE + 1}, length(${name}_magnitude::VARCHAR))::INTEGER, '0')`
  return [
    `CASE WHEN ${name}_plain IS NOT NULL THEN try_cast(${name}_plain AS ${type})
       WHEN ${name}_magnitude = 0 AND trim(${name}_digits, '0') <> '' THEN NULL
       ELSE try_cast(${name}_parts.sign || left(${text}, length(${text}) - ${DECIMAL_SCALE}) || '.' || right(${text}, ${DECIMAL_SCALE}) AS ${type})
     END AS ${name}_value`,
  ]
}

/** How the sequence numbers of a format count, as a flag of each row. */
const COUNTED: Readonly<Record<SequenceKind, number>> = {
  contiguous: QualityFlag.contiguousSequence,
  monotone: QualityFlag.monotoneSequence,
  none: 0,
}

/** The value of a field in the last projection. */
function output(
  name: string,
  columns: readonly ColumnDefinition[],
  decimals: readonly string[],
  counted: number,
): string {
  switch (name) {
    case 'exchange_timestamp':
      return 'time_micros'
    case 'exchange_nanos':
      return 'time_below'
    case 'side':
      return "coalesce(lower(side), 'unknown')"
    case 'quality_flags': {
      const own = columns.some((column) => column.name === name) ? 'coalesce(quality_flags_value, 0)' : '0'
      const rounded = decimals.map((decimal) => `coalesce(${decimal}_rest <> '', false)`).join(' OR ')
      return `(${own} | ${counted} | CASE WHEN ${rounded} THEN ${QualityFlag.rounded} ELSE 0 END)::INTEGER`
    }
    default: {
      const column = columns.find((candidate) => candidate.name === name)
      return column && (column.type === 'decimal' || isLong(column)) ? `${name}_value` : name
    }
  }
}

/** The first thing that is wrong with a row, or NULL. */
function problem(definition: TableDefinition, columns: readonly ColumnDefinition[]): string {
  const cases = columns.flatMap((column) => columnProblems(column))
  const wrong = columns.map((column) => `(${isWrong(column)})`).join(' OR ')
  return `CASE WHEN skip THEN '${SKIPPED}' WHEN reject IS NOT NULL THEN reject
      WHEN NOT (${wrong}) THEN NULL ${cases.join(' ')} ELSE 'malformed: no ${definition.name} record' END`
}

function isWrong(column: ColumnDefinition): string {
  const { name } = column
  const missing = isNeeded(column) ? `${name} IS NULL` : 'false'
  if (column.type === 'timestamptz') {
    return `time_micros IS NULL OR time_micros < ${WRONG_UNIT_BEFORE_MICROS} OR time_micros > ${MAX_EVENT_MICROS}`
  }
  if (column.type === 'decimal' || isLong(column)) {
    const failed = isNeeded(column)
      ? `${name}_value IS NULL`
      : `${name} IS NOT NULL AND ${name}_value IS NULL`
    return column.type === 'decimal' ? `${failed} OR coalesce(${hasWrongSign(column)}, false)` : failed
  }
  if (isName(column)) return `${missing} OR coalesce(${isNoName(name)}, false)`
  return name === 'side' ? "coalesce(lower(side) NOT IN ('buy', 'sell', 'unknown'), false)" : missing
}

/** A trade has a price; a side of a quote may be empty, and is then 0. */
function mustBePositive({ name }: ColumnDefinition): boolean {
  return name === 'price'
}

function hasWrongSign(column: ColumnDefinition): string {
  return `${column.name}_value ${mustBePositive(column) ? '<=' : '<'} 0`
}

/** What rows are found by: they become keys of the log, of page tokens and of watermarks. */
function isName({ name }: ColumnDefinition): boolean {
  return name === 'symbol' || name === 'exchange'
}

/** The same that is asked of the options `--symbol` and `--exchange`, blanks at the ends apart. */
function isNoName(name: string): string {
  return `(length(${name}) > ${MAX_NAME_LENGTH} OR regexp_matches(${name}, '\\p{C}'))`
}

function columnProblems(column: ColumnDefinition): readonly string[] {
  const { name } = column
  const missing = isNeeded(column)
    ? [`WHEN ${name} IS NULL THEN 'missing_value: ${name}: nothing is given'`]
    : []
  const when = (condition: string, reason: string, expected: string) =>
    `WHEN ${condition} THEN '${reason}: ${name}: ' || to_json(left(${name}, 100)) || ' is not ${expected}'`
  if (column.type === 'timestamptz') {
    const expected = 'a time that exists, as nanoseconds since 1970 or ISO 8601 with an offset'
    const inRange = 'a time in the years 1684 to 2255'
    return [
      ...missing,
      when('time_micros IS NULL', 'not_a_time', expected),
      when(`abs(time_micros) > ${MAX_EVENT_MICROS}`, 'out_of_range', inRange),
      when('time_micros < 0', 'before_1970', EXPECTED_TIME.before_1970),
      when(`time_micros < ${WRONG_UNIT_BEFORE_MICROS}`, 'wrong_time_unit', EXPECTED_TIME.wrong_time_unit),
    ]
  }
  if (isLong(column)) {
    return [
      ...missing,
      when(`${name}_value IS NULL AND ${name} IS NOT NULL`, 'not_a_number', 'a whole number of 64 bits'),
    ]
  }
  if (column.type === 'decimal') {
    const failed = `${name}_value IS NULL AND ${name} IS NOT NULL`
    const sign = mustBePositive(column) ? 'not_positive' : 'negative'
    return [
      ...missing,
      when(`${failed} AND ${name}_digits IS NULL`, 'not_a_number', 'a decimal number'),
      when(`${failed} AND ${name}_magnitude = 0`, 'rounds_to_zero', `more than half of 10^-${DECIMAL_SCALE}`),
      when(failed, 'out_of_range', `a decimal(${DECIMAL_PRECISION},${DECIMAL_SCALE})`),
      when(hasWrongSign(column), sign, EXPECTED_SIGN[sign]),
    ]
  }
  if (isName(column)) {
    const expected = `a name of 1 to ${MAX_NAME_LENGTH} printable characters`
    return [...missing, when(isNoName(name), 'malformed', expected)]
  }
  return name === 'side' ? [when(isWrong(column), 'not_a_side', 'buy, sell or unknown')] : missing
}
