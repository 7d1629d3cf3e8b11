import { invalid, type LayoutColumn, QUOTES, type TableDefinition, type TableLayout, TRADES } from '#core'
import { type RollupSource, type RollupValue, valuesOf } from './values.js'

/** What becomes of the values of a bucket. All can be merged: of any parts of its rows, in any order. */
export const AGGREGATES = ['first', 'last', 'min', 'max', 'sum', 'count'] as const
export type Aggregate = (typeof AGGREGATES)[number]

/** A column of a rollup: the aggregate of a value. First and last are by the total order of the source's rows. */
export interface RollupColumn {
  readonly name: string
  readonly aggregate: Aggregate
  /** A name of `valuesOf` the source. Rows without the value do not count. */
  readonly value: string
}

/** A rollup is a table of what is asked for again and again: the rows of a source, grouped by keys and time. */
export interface RollupDefinition {
  /** Of the table. */
  readonly name: string
  readonly source: RollupSource
  /** Buckets begin at midnight UTC; a day has a whole number of them. */
  readonly bucketSeconds: number
  /** Text columns of the source. */
  readonly keys: readonly string[]
  readonly columns: readonly RollupColumn[]
}

/** The start of a row's bucket. */
export const BUCKET_COLUMN = 'bucket_start'

const SOURCES: Readonly<Record<RollupSource, TableDefinition>> = { trades: TRADES, quotes: QUOTES }
const SECONDS_PER_DAY = 86_400
const NAME = /^[a-z][a-z0-9_]{0,62}$/
const NAME_EXPECTED = 'a name of small letters, digits and _, which begins with a letter'

export function sourceDefinition({ source }: Pick<RollupDefinition, 'source'>): TableDefinition {
  return SOURCES[source]
}

/** The value that a column is made of. */
export function valueOfColumn({ source }: RollupDefinition, column: RollupColumn): RollupValue {
  const value = valuesOf(source)[column.value]
  if (value) return value
  const expected = `a value of ${source}: ${Object.keys(valuesOf(source)).join(', ')}`
  throw invalid(`columns.${column.name}`, column.value, expected)
}

/** The place of a row in the total order: columns of a first or last value have these after its name. */
export const PLACE = ['at', 'nanos', 'partition', 'offset'] as const

const PLACE_COLUMNS = [
  ['timestamptz', 'event time of that row, µs since 1970 UTC'],
  ['int', 'the part of it below a microsecond, 0–999'],
  ['int', 'its partition of the log; 2147483647: it has none'],
  ['long', 'its offset there; 9223372036854775807: it has none'],
] as const

/** Whether a column's value has a place beside it. */
export function isPlaced({ aggregate }: RollupColumn): boolean {
  return aggregate === 'first' || aggregate === 'last'
}

/** The table of a definition. Column ids follow from the order of the definition, which therefore never changes. */
export function rollupLayout(definition: RollupDefinition): TableLayout {
  const { name, keys, columns } = definition
  const list: Omit<LayoutColumn, 'id'>[] = [
    ...keys.map((key) => ({ name: key, type: 'string' as const, doc: `${key} of the rows` })),
    { name: BUCKET_COLUMN, type: 'timestamptz', doc: 'start of the bucket, µs since 1970 UTC' },
    ...columns.flatMap((column) => columnsOf(definition, column)),
  ]
  return {
    name,
    columns: list.map((column, index) => ({ id: index + 1, ...column })),
    partitionColumn: BUCKET_COLUMN,
    // Symbols first: files are cut at their values, and most questions are about a few.
    sortColumns: [
      ...keys.filter((key) => key === 'symbol'),
      ...keys.filter((key) => key !== 'symbol'),
    ].concat(BUCKET_COLUMN),
  }
}

function columnsOf(definition: RollupDefinition, column: RollupColumn): readonly Omit<LayoutColumn, 'id'>[] {
  const { name, aggregate, value } = column
  const { type, sumType, doc } = valueOfColumn(definition, column)
  const what = `${aggregate} of ${value}: ${doc}`
  switch (aggregate) {
    case 'first':
    case 'last':
      return [
        { name, type, doc: what },
        ...PLACE_COLUMNS.map(([type, doc], index) => ({ name: `${name}_${PLACE[index]}`, type, doc })),
      ]
    case 'min':
    case 'max':
      return [{ name, type, doc: what }]
    case 'sum':
      return [{ name, type: sumType, doc: what }]
    case 'count':
      return [{ name, type: 'long', doc: `rows that have it: ${doc}` }]
  }
}

/** `invalid_input` names what is wrong with a definition, and what would be right. */
export function checkDefinition(definition: RollupDefinition): void {
  const { name, bucketSeconds, keys, columns } = definition
  if (!NAME.test(name)) throw invalid('name', name, NAME_EXPECTED)
  if (bucketSeconds < 1 || SECONDS_PER_DAY % bucketSeconds !== 0) {
    throw invalid('bucket', `${bucketSeconds}s`, 'an interval that divides a day, such as 1s, 1m, 15m or 1h')
  }
  const texts = sourceDefinition(definition).columns.filter(({ type }) => type === 'string')
  for (const key of keys) {
    if (texts.some((column) => column.name === key)) continue
    throw invalid(
      'keys',
      key,
      `a text column of ${definition.source}: ${texts.map((text) => text.name).join(', ')}`,
    )
  }
  for (const column of columns) {
    if (!NAME.test(column.name)) throw invalid('columns', column.name, NAME_EXPECTED)
    valueOfColumn(definition, column)
  }
  const names = rollupLayout(definition).columns.map((column) => column.name)
  const twice = names.find((one, index) => names.indexOf(one) !== index)
  if (twice !== undefined) throw invalid('columns', twice, 'a name that no other column has')
}

/** Whether two definitions make the same table. */
export function sameDefinition(a: RollupDefinition, b: RollupDefinition): boolean {
  return formatDefinition(a) === formatDefinition(b)
}

/** The text of a definition that its table keeps: members in one order. */
export function formatDefinition({ name, source, bucketSeconds, keys, columns }: RollupDefinition): string {
  const list = columns.map((column) => ({ [column.name]: `${column.aggregate} ${column.value}` }))
  return JSON.stringify({ name, source, bucketSeconds, keys, columns: list })
}
