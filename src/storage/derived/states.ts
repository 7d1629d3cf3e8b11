import { sqlName } from '#engine'
import { duckdbType } from '../file-columns.js'
import { typeName } from '../iceberg/schema.js'
import { AFTER_TIME, ORDER_COLUMNS } from '../total-order.js'
import {
  BUCKET_COLUMN,
  isPlaced,
  PLACE,
  type RollupColumn,
  type RollupDefinition,
  rollupLayout,
  sourceDefinition,
  valueOfColumn,
} from './definition.js'

/** The columns of the source that its states are made of. */
export function sourceColumns(definition: RollupDefinition): readonly string[] {
  const values = definition.columns.flatMap((column) => valueOfColumn(definition, column).columns)
  return [...new Set([...definition.keys, ...ORDER_COLUMNS, ...values])]
}

/** A statement that groups rows of the source, all of which have an event time, into states: a row each. */
export function statesOfRows(definition: RollupDefinition, relation: string): string {
  const micros = `${definition.bucketSeconds}000000`
  const time = `epoch_us(${sqlName(sourceDefinition(definition).partitionColumn)})`
  // Event times may lie before 1970.
  const bucket = `make_timestamptz(${time} - ((${time} % ${micros}) + ${micros}) % ${micros})`
  const inner = definition.columns.map((column) => {
    const { sql } = valueOfColumn(definition, column)
    return aggregated(column, sql, placeOfRow(sql))
  })
  return statement(definition, bucket, inner, relation)
}

/** A statement that merges states of the same keys and bucket into one each. */
export function mergedStates(definition: RollupDefinition, relation: string): string {
  const inner = definition.columns.map((column) => {
    const { name } = column
    if (column.aggregate === 'count') return `sum(${sqlName(name)}) AS ${sqlName(name)}`
    return aggregated(column, sqlName(name), placeOfState(name, sqlName(name)))
  })
  return statement(definition, sqlName(BUCKET_COLUMN), inner, relation)
}

/** SQL: a value of a row, as `value` of a STRUCT with its place in the total order before it. The least is the first. */
export function placeOfRow(value: string): string {
  return placed(['exchange_timestamp', ...AFTER_TIME], value)
}

/** The same of a column of a rollup that has a place beside it. */
export function placeOfState(column: string, value: string): string {
  return placed(
    PLACE.map((part) => sqlName(`${column}_${part}`)),
    value,
  )
}

function placed([at, nanos, partition, offset]: readonly (string | undefined)[], value: string): string {
  return `{'at': ${at}, 'nanos': ${nanos}, 'partition': ${partition}, 'offset': ${offset}, 'value': ${value}}`
}

function aggregated({ name, aggregate }: RollupColumn, value: string, place: string): string {
  switch (aggregate) {
    case 'first':
      return `min(${place}) FILTER (WHERE ${value} IS NOT NULL) AS ${sqlName(name)}`
    case 'last':
      return `max(${place}) FILTER (WHERE ${value} IS NOT NULL) AS ${sqlName(name)}`
    default:
      return `${aggregate}(${value}) AS ${sqlName(name)}`
  }
}

/** Groups, then takes the places apart, in the columns and types of the rollup's table. */
function statement(
  definition: RollupDefinition,
  bucket: string,
  aggregates: readonly string[],
  relation: string,
): string {
  const { keys, columns } = definition
  const grouped = [...keys.map(sqlName), `${bucket} AS ${BUCKET_COLUMN}`, ...aggregates].join(', ')
  const parts = (column: RollupColumn) =>
    isPlaced(column)
      ? ['value', ...PLACE].map((part) => `${sqlName(column.name)}.${sqlName(part)}`)
      : [sqlName(column.name)]
  // In the order of the layout.
  const cells = [...keys.map(sqlName), BUCKET_COLUMN, ...columns.flatMap(parts)]
  const list = rollupLayout(definition).columns.map(
    (column, index) =>
      `CAST(${cells[index]} AS ${duckdbType({ type: typeName(column) })}) AS ${sqlName(column.name)}`,
  )
  return `SELECT ${list.join(', ')} FROM (SELECT ${grouped} FROM ${relation} GROUP BY ALL)`
}
