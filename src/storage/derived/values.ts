import type { LayoutColumn } from '#core'

/** The tables that rollups are made of. */
export const ROLLUP_SOURCES = ['trades', 'quotes'] as const
export type RollupSource = (typeof ROLLUP_SOURCES)[number]

/** What may be aggregated of a row. */
export interface RollupValue {
  /** SQL over the columns below; NULL where a row has no such value. */
  readonly sql: string
  readonly columns: readonly string[]
  /** As it is stored. Exact: a value that does not fit is an error. */
  readonly type: Extract<LayoutColumn['type'], `decimal${string}`>
  /** As a sum of such values is stored. */
  readonly sumType: Extract<LayoutColumn['type'], `decimal(${string}`>
  readonly doc: string
}

// DuckDB multiplies two DECIMAL(18,8) into 18 digits; two of 19 give the 38 that every product needs.
const WIDE = 'DECIMAL(19,8)'
const BID = 'nullif(bid_price, 0)'
const ASK = 'nullif(ask_price, 0)'

const sized = (side: string): RollupValue => ({
  sql: `${side}_size`,
  columns: [`${side}_size`],
  type: 'decimal',
  sumType: 'decimal(38, 8)',
  doc: `size at the best ${side}`,
})

const VALUES = {
  trades: {
    price: {
      sql: 'price',
      columns: ['price'],
      type: 'decimal',
      sumType: 'decimal(38, 8)',
      doc: 'price of a trade',
    },
    size: {
      sql: 'CASE WHEN price IS NOT NULL THEN size END',
      columns: ['price', 'size'],
      type: 'decimal',
      sumType: 'decimal(38, 8)',
      doc: 'size of a trade that has a price',
    },
    notional: {
      sql: `CAST(price AS ${WIDE}) * CAST(size AS ${WIDE})`,
      columns: ['price', 'size'],
      type: 'decimal(38, 16)',
      sumType: 'decimal(38, 16)',
      doc: 'price × size of a trade',
    },
  },
  quotes: {
    bid: {
      sql: BID,
      columns: ['bid_price'],
      type: 'decimal',
      sumType: 'decimal(38, 8)',
      doc: 'best bid, where there is one',
    },
    ask: {
      sql: ASK,
      columns: ['ask_price'],
      type: 'decimal',
      sumType: 'decimal(38, 8)',
      doc: 'best ask, where there is one',
    },
    mid: {
      // Half of a sum of two numbers of 8 decimals has 9, exactly.
      sql: `CAST((CAST(${BID} AS ${WIDE}) + CAST(${ASK} AS ${WIDE})) * 0.5 AS DECIMAL(20,9))`,
      columns: ['bid_price', 'ask_price'],
      type: 'decimal(38, 9)',
      sumType: 'decimal(38, 9)',
      doc: 'middle of bid and ask, where there are both',
    },
    spread: {
      sql: `CAST(${ASK} AS ${WIDE}) - CAST(${BID} AS ${WIDE})`,
      columns: ['bid_price', 'ask_price'],
      type: 'decimal(38, 8)',
      sumType: 'decimal(38, 8)',
      doc: 'ask less bid, where there are both',
    },
    bid_size: sized('bid'),
    ask_size: sized('ask'),
  },
} satisfies Record<RollupSource, Record<string, RollupValue>>

/** By name, what rows of a source have to be aggregated. */
export function valuesOf(source: RollupSource): Readonly<Record<string, RollupValue>> {
  return VALUES[source]
}
