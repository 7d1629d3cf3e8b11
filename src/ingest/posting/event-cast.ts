import {
  type ColumnDefinition,
  MAX_EVENT_MICROS,
  QualityFlag,
  type Scaled,
  type TableDefinition,
  unreachable,
} from '#core'
import type { SequenceKind } from '../formats.js'
import { EXPECTED_SIGN } from '../price-rules.js'
import { EXPECTED_TIME, WRONG_UNIT_BEFORE_MICROS } from '../time-rules.js'
import { readDecimal } from './decimal-text.js'
import { fieldNames, fieldOf, postedColumns, TIME_NANOS } from './posted-fields.js'
import { type RowProblem, shown } from './posted-row.js'
import { type EventTime, readLong, readNanos, readTime } from './time-text.js'

/** The value of a column; a timestamp is microseconds, a decimal is scaled by 10^8. */
export type CellValue = string | number | bigint | null

/** A row that is one: its values by column. */
export type EventValues = ReadonlyMap<string, CellValue>

export interface CastOptions {
  /** Of rows that do not name theirs. */
  readonly exchange?: string | undefined
  /** How the sequence numbers count, as the producer declares it. */
  readonly sequence: SequenceKind
}

/** What a producer may say of its rows itself; all other flags are found when the row is read from the log. */
const PRODUCERS_FLAGS =
  QualityFlag.rounded |
  QualityFlag.receiveTime |
  QualityFlag.contiguousSequence |
  QualityFlag.monotoneSequence

const SEQUENCE_FLAGS: Readonly<Record<SequenceKind, number>> = {
  contiguous: QualityFlag.contiguousSequence,
  monotone: QualityFlag.monotoneSequence,
  none: 0,
}

const MAX_NAME_LENGTH = 64
/** What RE2, by which the loader tests names, calls \p{C}: unassigned characters are not in it. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}]/u

/**
 * Casts rows of texts to a table's values. It says of every row what the loader query (source-query.ts) would say of it: a
 * test holds the two together.
 */
export class EventCast {
  readonly #columns: readonly ColumnDefinition[]
  readonly #fields: ReadonlySet<string>
  readonly #options: CastOptions

  constructor(definition: TableDefinition, options: CastOptions) {
    this.#columns = postedColumns(definition)
    this.#fields = new Set(fieldNames(definition))
    this.#options = options
  }

  /** The values of a row, or the first thing that is wrong with it. An empty text is nothing given. */
  cast(fields: ReadonlyMap<string, string>): EventValues | RowProblem {
    for (const name of fields.keys()) {
      if (!this.#fields.has(name)) return unknownField(name, this.#fields)
    }
    const values = new Map<string, CellValue>()
    const flags = { isRounded: false }
    for (const column of this.#columns) {
      const problem = this.#castColumn(column, fields, values, flags)
      if (problem) return problem
    }
    values.set('quality_flags', this.#flags(values, flags.isRounded))
    return values
  }

  #castColumn(
    column: ColumnDefinition,
    fields: ReadonlyMap<string, string>,
    values: Map<string, CellValue>,
    flags: { isRounded: boolean },
  ): RowProblem | null {
    const field = fieldOf(column.name)
    const text = this.#text(field, fields)
    if (text === null) {
      if (isNeeded(column)) return { reason: 'missing_value', field, value: null, expected: 'given' }
      values.set(column.name, column.name === 'side' && column.required ? 'unknown' : null)
      return null
    }
    const wrong = (reason: RowProblem['reason'], expected: string): RowProblem => ({
      reason,
      field,
      value: shown(text),
      expected,
    })
    switch (column.type) {
      case 'timestamptz':
        return castTime(fields, values, wrong)
      case 'int':
      case 'long': {
        const value = readLong(text)
        if (value === null) return wrong('not_a_number', 'a whole number of 64 bits')
        values.set(column.name, value)
        return null
      }
      case 'decimal': {
        const reading = readDecimal(text)
        if ('reason' in reading) return wrong(reading.reason, reading.expected)
        const sign = wrongSign(column, reading.scaled)
        if (sign !== null) return wrong(sign, EXPECTED_SIGN[sign])
        values.set(column.name, reading.scaled)
        flags.isRounded ||= reading.isRounded
        return null
      }
      case 'string': {
        const value = column.name === 'side' ? text.toLowerCase() : text
        if (column.name === 'side' && !SIDES.includes(value)) {
          return wrong('not_a_side', 'buy, sell or unknown')
        }
        if (isName(column) && !isPrintableName(text)) {
          return wrong('malformed', `a name of 1 to ${MAX_NAME_LENGTH} printable characters`)
        }
        values.set(column.name, value)
        return null
      }
      case 'binary':
        throw new TypeError('no event has a binary column')
      default:
        return unreachable(column.type)
    }
  }

  #text(field: string, fields: ReadonlyMap<string, string>): string | null {
    const given = fields.get(field) || (field === 'ts' ? fields.get(TIME_NANOS) : undefined)
    return given || (field === 'exchange' && this.#options.exchange) || null
  }

  #flags(values: EventValues, isRounded: boolean): number {
    // A whole number of 64 bits was read into it, or nothing.
    const own = (values.get('quality_flags') ?? 0n) as bigint
    const isNumbered = values.get('sequence_number') !== null
    return (
      Number(own & BigInt(PRODUCERS_FLAGS)) |
      (isRounded ? QualityFlag.rounded : 0) |
      (isNumbered ? SEQUENCE_FLAGS[this.#options.sequence] : 0)
    )
  }
}

export const SIDES = ['buy', 'sell', 'unknown']

/** Required, and without a value that is taken when none is given. */
function isNeeded({ name, required }: ColumnDefinition): boolean {
  return required && name !== 'side' && name !== 'quality_flags'
}

/** A trade has a price; a side of a quote may be empty, and is then 0. */
export function wrongSign(
  { name }: Pick<ColumnDefinition, 'name'>,
  scaled: Scaled,
): 'not_positive' | 'negative' | null {
  if (name === 'price') return scaled > 0n ? null : 'not_positive'
  return scaled < 0n ? 'negative' : null
}

/** What rows are found by: they become keys of the log, of page tokens and of watermarks. */
function isName({ name }: ColumnDefinition): boolean {
  return name === 'symbol' || name === 'exchange'
}

function isPrintableName(text: string): boolean {
  return text.length <= 2 * MAX_NAME_LENGTH && [...text].length <= MAX_NAME_LENGTH && !UNPRINTABLE.test(text)
}

function unknownField(field: string, known: ReadonlySet<string>): RowProblem {
  return {
    reason: 'malformed',
    field: shown(field),
    value: shown(field),
    expected: `one of ${[...known].join(', ')}`,
  }
}

/**
 * `ts_ns` is the exact time. An answer gives `ts` beside it, cut to microseconds: both may be posted back, but not two
 * different times.
 */
function castTime(
  fields: ReadonlyMap<string, string>,
  values: Map<string, CellValue>,
  wrong: (reason: RowProblem['reason'], expected: string) => RowProblem,
): RowProblem | null {
  const [given, nanosGiven] = [fields.get('ts') || null, fields.get(TIME_NANOS) || null]
  const exact = nanosGiven === null ? null : readNanos(nanosGiven)
  if (nanosGiven !== null && exact === null) {
    const expected = 'whole nanoseconds since 1970, in 64 bits'
    return { reason: 'not_a_time', field: TIME_NANOS, value: shown(nanosGiven), expected }
  }
  const told: EventTime | null = given === null ? exact : readTime(given)
  if (told === null) {
    return wrong('not_a_time', 'a time that exists, as nanoseconds since 1970 or ISO 8601 with an offset')
  }
  if (exact !== null && exact.micros !== told.micros) {
    return wrong('malformed', `the microsecond of ${TIME_NANOS}, ${nanosGiven}`)
  }
  const { micros, nanos } = exact ?? told
  if (micros > MAX_EVENT_MICROS || micros < -MAX_EVENT_MICROS) {
    return wrong('out_of_range', 'a time in the years 1684 to 2255')
  }
  if (micros < WRONG_UNIT_BEFORE_MICROS) {
    const reason = micros < 0n ? 'before_1970' : 'wrong_time_unit'
    return wrong(reason, EXPECTED_TIME[reason])
  }
  values.set('exchange_timestamp', micros)
  values.set('exchange_nanos', nanos)
  return null
}
