import type { BarsRequest, RowsRequest } from '#query'

const EVERYTHING = {
  symbols: null,
  exchange: null,
  startNanos: null,
  endNanos: null,
  fields: null,
  pageToken: null,
} as const

export const ROWS: RowsRequest = { ...EVERYTHING, table: 'trades', order: 'asc', limit: 50_000 }

export const BARS: BarsRequest = {
  ...EVERYTHING,
  of: 'trades',
  intervalSeconds: 3600,
  timeZone: 'UTC',
  session: null,
  prints: 'all',
  fill: 'none',
  order: 'asc',
  limit: 50_000,
}
