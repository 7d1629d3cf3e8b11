import { sqlName } from '#engine'
import { BUCKET_COLUMN, duckdbType, PLACE, placeOfRow, placeOfState } from '#storage'
import { BAR_INPUTS, type BarEvents, barSelectionAfter } from './bars.js'
import { SELECTION_COLUMNS, selectionConditions, whereAll } from './conditions.js'
import { INSTRUMENT } from './instrument.js'
import { ORDER_COLUMNS } from './order-key.js'
import type { PagePosition } from './page-token.js'
import type { BarsRequest } from './request.js'
import type { RolledScan } from './rolled-scan.js'
import type { BarColumns } from './rollup-choice.js'
import { isEmpty, relation, type Scan } from './scan.js'
import { inRanges } from './time-ranges.js'

const AGGREGATES = [
  `min(first).value AS open, max(high) AS high, min(low) AS low, max(last).value AS close`,
  'sum(volume) AS volume, sum(notional) AS notional, CAST(sum(count) AS BIGINT) AS count',
].join(', ')

/** Events that are the states of a rollup, and the rows that it does not have. Both merge alike. */
export function rolledBarRows(
  request: BarsRequest,
  rolled: RolledScan,
  columns: BarColumns,
  after: PagePosition | null,
): BarEvents {
  const selection = barSelectionAfter(request, after)
  return {
    select: (bindings) => {
      const time = 'exchange_timestamp'
      const rows = (scan: Scan, where: readonly string[]) =>
        isEmpty(scan)
          ? []
          : [rowEvents(request, scan, [...selectionConditions(selection, bindings), ...where])]
      const instruments = selectionConditions({ ...selection, startNanos: null, endNanos: null }, bindings)
      return [
        stateEvents(request, rolled, columns, instruments),
        ...rows(rolled.committed, [inRanges(time, rolled.raw)]),
        ...rows(rolled.since, [inRanges(time, rolled.rolled)]),
        ...rows(rolled.live, []),
      ].join(' UNION ALL ')
    },
    aggregates: AGGREGATES,
  }
}

function stateEvents(
  request: BarsRequest,
  { states, rolled, live }: RolledScan,
  { open, high, low, close, volume, notional, count }: BarColumns,
  instruments: readonly string[],
): string {
  const type = priceType(request, live)
  const price = (column: string) => `CAST(${sqlName(column)} AS ${type})`
  const { volume: noVolume, notional: noNotional } = BAR_INPUTS[request.of]
  const placed = [open, close].flatMap((name) => [name, ...PLACE.map((part) => `${name}_${part}`)])
  const sums = [volume, notional].filter((name) => name !== null)
  const names = ['exchange', 'symbol', BUCKET_COLUMN, ...placed, high, low, ...sums, count]
  const where = whereAll([inRanges(BUCKET_COLUMN, rolled), `${sqlName(count)} > 0`, ...instruments])
  return [
    `SELECT ${INSTRUMENT}, epoch_us(${BUCKET_COLUMN}) AS micros, ${placeOfState(open, price(open))} AS first,`,
    `${placeOfState(close, price(close))} AS last, ${price(high)} AS high, ${price(low)} AS low,`,
    `${volume === null ? noVolume : sqlName(volume)} AS volume,`,
    `${notional === null ? noNotional : sqlName(notional)} AS notional, ${sqlName(count)} AS count`,
    `FROM ${relation(states, names)} ${where}`,
  ].join(' ')
}

function rowEvents(request: BarsRequest, scan: Scan, conditions: readonly string[]): string {
  const { price, volume, notional, columns } = BAR_INPUTS[request.of]
  const source = relation(scan, [...new Set([...SELECTION_COLUMNS, ...ORDER_COLUMNS, ...columns])])
  const where = whereAll(['exchange_timestamp IS NOT NULL', `${price} IS NOT NULL`, ...conditions])
  return [
    `SELECT ${INSTRUMENT}, epoch_us(exchange_timestamp) AS micros, ${placeOfRow(price)} AS first,`,
    `${placeOfRow(price)} AS last, ${price} AS high, ${price} AS low,`,
    `${volume} AS volume, ${notional} AS notional, 1::BIGINT AS count FROM ${source} ${where}`,
  ].join(' ')
}

/** The type that prices have when they are read from rows: answers in typed formats are the same. */
function priceType(request: BarsRequest, { columns }: Scan): string {
  if (request.of === 'mid') return 'DECIMAL(20,9)'
  const [name] = BAR_INPUTS[request.of].columns
  const column = columns.find((candidate) => candidate.name === name)
  return column === undefined ? 'DECIMAL(18,8)' : duckdbType(column)
}
