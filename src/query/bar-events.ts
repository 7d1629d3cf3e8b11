import type { BarInput } from './bar-input.js'
import type { Bindings } from './bindings.js'
import { SELECTION_COLUMNS, selectionConditions, whereAll } from './conditions.js'
import { INSTRUMENT } from './instrument.js'
import { ORDER_COLUMNS, orderKey } from './order-key.js'
import type { Selection } from './request.js'
import { relation, type Scan } from './scan.js'
import type { Slice } from './slice.js'
import { sliceConditions } from './slices.js'

/** What the events of bars are, and how those of a bucket become one. */
export interface BarEvents {
  /** A statement of exchange, symbol, micros (event time, or a time of the same bar) and what the aggregates read. */
  select(bindings: Bindings): string
  /** A select list of open, high, low, close, volume, notional and count. */
  readonly aggregates: string
}

/** Events that are rows of a scan. Foreign rows that tie: the lowest price is the first and the highest the last. */
export function rowEvents(
  { price, columns, cells, conditions, aggregates }: BarInput,
  selection: Selection,
  scan: Scan,
  slice: Slice | null,
): BarEvents {
  return {
    select: (bindings) => {
      const where = whereAll([
        'exchange_timestamp IS NOT NULL',
        `${price} IS NOT NULL`,
        ...conditions,
        ...selectionConditions(selection, bindings),
        ...(slice ? sliceConditions(slice) : []),
      ])
      const list = [
        INSTRUMENT,
        'epoch_us(exchange_timestamp) AS micros',
        `${price} AS price`,
        ...cells,
        `${orderKey(price)} AS position`,
      ].join(', ')
      const source = relation(scan, [...new Set([...SELECTION_COLUMNS, ...ORDER_COLUMNS, ...columns])])
      return `SELECT ${list} FROM ${source} ${where}`
    },
    aggregates,
  }
}
