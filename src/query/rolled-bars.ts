import { sqlName } from '#engine'
import {
  BUCKET_COLUMN,
  duckdbType,
  type PinnedVersion,
  PLACE,
  placeOfRow,
  placeOfState,
  type RollupTable,
} from '#storage'
import type { BarEvents } from './bar-events.js'
import type { BarInput } from './bar-input.js'
import type { Stretch } from './buckets.js'
import { SELECTION_COLUMNS, selectionConditions, whereAll } from './conditions.js'
import { INSTRUMENT } from './instrument.js'
import { ORDER_COLUMNS } from './order-key.js'
import type { Part } from './part.js'
import { MID, MID_TYPE } from './quote-fields.js'
import type { Selection } from './request.js'
import { planRolled, type RolledScan } from './rolled-scan.js'
import { type BarColumns, rollupsFor, type WantedBars } from './rollup-choice.js'
import { isEmpty, relation, type Scan } from './scan.js'
import { sliceSelection } from './slices.js'
import { inRanges } from './time-ranges.js'

/** Volume, notional and count, over states. */
export const STATE_SUMS =
  'sum(volume) AS volume, sum(notional) AS notional, CAST(sum(count) AS BIGINT) AS count'
/** Event times of the first and the last row, over states, µs. */
export const STATE_TIMES = 'epoch_us(min(first.at)) AS first_micros, epoch_us(max(last.at)) AS last_micros'
const AGGREGATES = `min(first).value AS open, max(high) AS high, min(low) AS low, max(last).value AS close, ${STATE_SUMS}`

/** A part of bars, at a version that is held. */
export interface PartOfBars {
  readonly request: Selection & WantedBars
  readonly input: BarInput
  readonly stretches: readonly Stretch[] | null
  readonly part: Part
  readonly pinned: PinnedVersion
}

/** Events of a part of bars, for which a state of a rollup is held until it is released. */
export interface RolledBars {
  readonly scan: Scan
  readonly events: BarEvents
  readonly release: () => void
}

/** Opens the rollup of the longest buckets that has some of a part of bars; null: none has. */
export async function openRolled(
  rollups: readonly RollupTable[],
  { request, input, stretches, part, pinned }: PartOfBars,
): Promise<RolledBars | null> {
  const { slice, scan } = part
  const selection = slice === null ? request : sliceSelection(request, slice)
  if (selection === null) return null
  for (const { rollup, columns } of rollupsFor(rollups, input.table, request, stretches)) {
    const view = await rollup.pin(pinned)
    if (view === null) continue
    let isHeld = false
    try {
      const rolled = await planRolled(pinned, view, rollup.definition, selection, scan)
      if (rolled === null) continue
      isHeld = true
      return {
        scan: rolled.scan,
        events: mergedEvents(input, selection, rolled, columns),
        release: () => view.release(),
      }
    } finally {
      if (!isHeld) view.release()
    }
  }
  return null
}

/** Events that are the states of a rollup, and the rows that it does not have. Both merge alike. */
function mergedEvents(
  input: BarInput,
  selection: Selection,
  rolled: RolledScan,
  columns: BarColumns,
): BarEvents {
  return {
    select: (bindings) => {
      const time = 'exchange_timestamp'
      const rows = (scan: Scan, where: readonly string[]) =>
        isEmpty(scan) ? [] : [rowStates(input, scan, [...selectionConditions(selection, bindings), ...where])]
      const instruments = selectionConditions({ ...selection, startNanos: null, endNanos: null }, bindings)
      return [
        states(input, rolled, columns, instruments),
        ...rows(rolled.committed, [inRanges(time, rolled.raw)]),
        ...rows(rolled.since, [inRanges(time, rolled.rolled)]),
        ...rows(rolled.live, []),
      ].join(' UNION ALL ')
    },
    aggregates: AGGREGATES,
  }
}

function states(
  input: BarInput,
  { states: files, rolled, live }: RolledScan,
  { open, high, low, close, volume, notional, count }: BarColumns,
  instruments: readonly string[],
): string {
  const type = priceType(input, live)
  const price = (column: string) => `CAST(${sqlName(column)} AS ${type})`
  const placed = [open, close].flatMap((name) => [name, ...PLACE.map((part) => `${name}_${part}`)])
  const sums = [volume, notional].filter((name) => name !== null)
  const names = ['exchange', 'symbol', BUCKET_COLUMN, ...placed, high, low, ...sums, count]
  const where = whereAll([inRanges(BUCKET_COLUMN, rolled), `${sqlName(count)} > 0`, ...instruments])
  return [
    `SELECT ${INSTRUMENT}, epoch_us(${BUCKET_COLUMN}) AS micros, ${placeOfState(open, price(open))} AS first,`,
    `${placeOfState(close, price(close))} AS last, ${price(high)} AS high, ${price(low)} AS low,`,
    `${volume === null ? input.volume : sqlName(volume)} AS volume,`,
    `${notional === null ? input.notional : sqlName(notional)} AS notional, ${sqlName(count)} AS count`,
    `FROM ${relation(files, names)} ${where}`,
  ].join(' ')
}

/** Rows as states of one row each. */
function rowStates(
  { price, volume, notional, columns }: BarInput,
  scan: Scan,
  conditions: readonly string[],
): string {
  const source = relation(scan, [...new Set([...SELECTION_COLUMNS, ...ORDER_COLUMNS, ...columns])])
  const where = whereAll(['exchange_timestamp IS NOT NULL', `${price} IS NOT NULL`, ...conditions])
  return [
    `SELECT ${INSTRUMENT}, epoch_us(exchange_timestamp) AS micros, ${placeOfRow(price)} AS first,`,
    `${placeOfRow(price)} AS last, ${price} AS high, ${price} AS low,`,
    `${volume} AS volume, ${notional} AS notional, 1::BIGINT AS count FROM ${source} ${where}`,
  ].join(' ')
}

/** The type that prices have when they are read from rows: answers in typed formats are the same. */
function priceType(input: BarInput, { columns }: Scan): string {
  if (input.price === MID) return MID_TYPE
  const [name] = input.columns
  const column = columns.find((candidate) => candidate.name === name)
  return column === undefined ? 'DECIMAL(18,8)' : duckdbType(column)
}
