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
import { type CellValue, EventRow, RowPlaces } from './event-row.js'
import { fieldNames, fieldOf, postedColumns, TIME_NANOS } from './posted-fields.js'
import { type RowProblem, shown } from './posted-row.js'
import { type EventTime, readLong, readNanos, readTime } from './time-text.js'

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

/** A column of rows, and all that is to be known of it, found out once. */
interface CastColumn {
  readonly definition: ColumnDefinition
  /** The name of its field. */
  readonly field: string
  /** Its place in a row. */
  readonly place: number
  readonly isName: boolean
  /** What it is where nothing is given; undefined: something has to be. */
  readonly nothing: CellValue | undefined
}

/**
 * Casts rows of texts to a table's values. It says of every row what the loader query (source-query.ts) would say of it: a
 * test holds the two together.
 */
export class EventCast {
  readonly #columns: readonly CastColumn[]
  readonly #fields: ReadonlySet<string>
  readonly #options: CastOptions
  readonly #places: RowPlaces
  /** Where what follows from other fields goes; undefined where a table has no such column. */
  readonly #at: Readonly<Record<'nanos' | 'flags' | 'sequence', number | undefined>>

  constructor(definition: TableDefinition, options: CastOptions) {
    const places = new RowPlaces(definition)
    this.#places = places
    this.#columns = postedColumns(definition).map((column) => ({
      definition: column,
      field: fieldOf(column.name),
      place: places.of(column.name),
      isName: column.name === 'symbol' || column.name === 'exchange',
      nothing: nothingOf(column),
    }))
    this.#fields = new Set(fieldNames(definition))
    this.#options = options
    this.#at = {
      nanos: places.find('exchange_nanos'),
      flags: places.find('quality_flags'),
      sequence: places.find('sequence_number'),
    }
  }

  /** The values of a row, or the first thing that is wrong with it. An empty text is nothing given. */
  cast(fields: ReadonlyMap<string, string>): EventRow | RowProblem {
    for (const name of fields.keys()) {
      if (!this.#fields.has(name)) return unknownField(name, this.#fields)
    }
    const cells = new Array<CellValue>(this.#places.names.length).fill(null)
    let isRounded = false
    for (const column of this.#columns) {
      const text = this.#text(column.field, fields)
      if (text === null) {
        if (column.nothing === undefined) {
          return { reason: 'missing_value', field: column.field, value: null, expected: 'given' }
        }
        cells[column.place] = column.nothing
        continue
      }
      const outcome = this.#castText(column, text, fields, cells)
      if (typeof outcome === 'object') return outcome
      isRounded ||= outcome
    }
    if (this.#at.flags !== undefined) cells[this.#at.flags] = this.#flags(cells, this.#at.flags, isRounded)
    return new EventRow(this.#places, cells)
  }

  /** Puts the value of a text into its place, and tells whether it had to be rounded; or what is wrong with it. */
  #castText(
    column: CastColumn,
    text: string,
    fields: ReadonlyMap<string, string>,
    cells: CellValue[],
  ): boolean | RowProblem {
    const { field, place, definition } = column
    switch (definition.type) {
      case 'timestamptz': {
        const time = readEventTime(field, text, fields)
        if ('reason' in time) return time
        cells[place] = time.micros
        if (this.#at.nanos !== undefined) cells[this.#at.nanos] = time.nanos
        return false
      }
      case 'int':
      case 'long': {
        const value = readLong(text)
        if (value === null) return wrong(field, text, 'not_a_number', 'a whole number of 64 bits')
        cells[place] = value
        return false
      }
      case 'decimal': {
        const reading = readDecimal(text)
        if ('reason' in reading) return wrong(field, text, reading.reason, reading.expected)
        const sign = wrongSign(definition, reading.scaled)
        if (sign !== null) return wrong(field, text, sign, EXPECTED_SIGN[sign])
        cells[place] = reading.scaled
        return reading.isRounded
      }
      case 'string': {
        const value = definition.name === 'side' ? text.toLowerCase() : text
        if (definition.name === 'side' && !SIDES.includes(value)) {
          return wrong(field, text, 'not_a_side', 'buy, sell or unknown')
        }
        if (column.isName && !isPrintableName(text)) {
          const expected = `a name of 1 to ${MAX_NAME_LENGTH} printable characters`
          return wrong(field, text, 'malformed', expected)
        }
        cells[place] = value
        return false
      }
      case 'binary':
        throw new TypeError('no event has a binary column')
      default:
        return unreachable(definition.type)
    }
  }

  #text(field: string, fields: ReadonlyMap<string, string>): string | null {
    const given = fields.get(field) || (field === 'ts' ? fields.get(TIME_NANOS) : undefined)
    return given || (field === 'exchange' && this.#options.exchange) || null
  }

  #flags(cells: readonly CellValue[], place: number, isRounded: boolean): number {
    // A whole number of 64 bits was read into it, or nothing.
    const own = cells[place] as bigint | null
    const isNumbered = this.#at.sequence !== undefined && cells[this.#at.sequence] !== null
    return (
      (own === null ? 0 : Number(own & BigInt(PRODUCERS_FLAGS))) |
      (isRounded ? QualityFlag.rounded : 0) |
      (isNumbered ? SEQUENCE_FLAGS[this.#options.sequence] : 0)
    )
  }
}

function wrong(field: string, text: string, reason: RowProblem['reason'], expected: string): RowProblem {
  return { reason, field, value: shown(text), expected }
}

export const SIDES = ['buy', 'sell', 'unknown']

/** A side that is not told is unknown; what else is required has to be given. */
function nothingOf({ name, required }: ColumnDefinition): CellValue | undefined {
  if (name === 'side' && required) return 'unknown'
  return required && name !== 'quality_flags' ? undefined : null
}

/** A trade has a price; a side of a quote may be empty, and is then 0. */
export function wrongSign(
  { name }: Pick<ColumnDefinition, 'name'>,
  scaled: Scaled,
): 'not_positive' | 'negative' | null {
  if (name === 'price') return scaled > 0n ? null : 'not_positive'
  return scaled < 0n ? 'negative' : null
}

/** What rows are found by: names become keys of the log, of page tokens and of watermarks. */
function isPrintableName(text: string): boolean {
  const { length } = text
  // A character is one unit or two.
  const isShort =
    length <= MAX_NAME_LENGTH || (length <= 2 * MAX_NAME_LENGTH && [...text].length <= MAX_NAME_LENGTH)
  return isShort && !UNPRINTABLE.test(text)
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
function readEventTime(
  field: string,
  text: string,
  fields: ReadonlyMap<string, string>,
): EventTime | RowProblem {
  const [given, nanosGiven] = [fields.get('ts') || null, fields.get(TIME_NANOS) || null]
  const exact = nanosGiven === null ? null : readNanos(nanosGiven)
  if (nanosGiven !== null && exact === null) {
    const expected = 'whole nanoseconds since 1970, in 64 bits'
    return { reason: 'not_a_time', field: TIME_NANOS, value: shown(nanosGiven), expected }
  }
  const told: EventTime | null = given === null ? exact : readTime(given)
  if (told === null) {
    const expected = 'a time that exists, as nanoseconds since 1970 or ISO 8601 with an offset'
    return wrong(field, text, 'not_a_time', expected)
  }
  if (exact !== null && exact.micros !== told.micros) {
    return wrong(field, text, 'malformed', `the microsecond of ${TIME_NANOS}, ${nanosGiven}`)
  }
  const time = exact ?? told
  if (time.micros > MAX_EVENT_MICROS || time.micros < -MAX_EVENT_MICROS) {
    return wrong(field, text, 'out_of_range', 'a time in the years 1684 to 2255')
  }
  if (time.micros < WRONG_UNIT_BEFORE_MICROS) {
    const reason = time.micros < 0n ? 'before_1970' : 'wrong_time_unit'
    return wrong(field, text, reason, EXPECTED_TIME[reason])
  }
  return time
}
