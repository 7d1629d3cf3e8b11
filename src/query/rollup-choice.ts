import type { Aggregate, RollupDefinition, RollupTable } from '#storage'
import type { Stretch } from './buckets.js'
import type { BarSource, MarketTable } from './request.js'

/** Names of the columns of a rollup that bars are made of. */
export interface BarColumns {
  readonly open: string
  readonly high: string
  readonly low: string
  readonly close: string
  /** Null of quotes. */
  readonly volume: string | null
  readonly notional: string | null
  readonly count: string
}

/** Which bars are wanted. */
export interface WantedBars {
  readonly of: BarSource
  /** Null: one of all the time. */
  readonly intervalSeconds: number | null
}

/** A rollup that has what bars are made of. */
export interface RollupOfBars {
  readonly rollup: RollupTable
  readonly columns: BarColumns
}

/** The value, by its name in rollups, that bars are of. */
const PRICES: Readonly<Record<BarSource, string>> = { trades: 'price', bid: 'bid', ask: 'ask', mid: 'mid' }

/** The rollups that bars can be read from, those with the longest buckets first. Stretches null: UTC days. */
export function rollupsFor(
  rollups: readonly RollupTable[],
  table: MarketTable,
  wanted: WantedBars,
  stretches: readonly Stretch[] | null,
): readonly RollupOfBars[] {
  return rollups
    .flatMap((rollup) => {
      const columns = barColumns(rollup.definition, table, wanted.of)
      return columns !== null && fitsInto(rollup.definition, wanted, stretches) ? [{ rollup, columns }] : []
    })
    .sort((a, b) => b.rollup.definition.bucketSeconds - a.rollup.definition.bucketSeconds)
}

/** Where a rollup has what bars are made of; null when it has not. */
function barColumns(definition: RollupDefinition, table: MarketTable, of: BarSource): BarColumns | null {
  const { source, keys, columns } = definition
  const areInstruments = keys.length === 2 && keys.includes('exchange') && keys.includes('symbol')
  if (source !== table || !areInstruments) return null
  const find = (aggregate: Aggregate, value: string) =>
    columns.find((column) => column.aggregate === aggregate && column.value === value)?.name ?? null
  const price = PRICES[of]
  const [open, high, low] = [find('first', price), find('max', price), find('min', price)]
  const [close, count] = [find('last', price), find('count', price)]
  const sums = { volume: find('sum', 'size'), notional: find('sum', 'notional') }
  if (open === null || high === null || low === null || close === null || count === null) return null
  if (of === 'trades' && (sums.volume === null || sums.notional === null)) return null
  return { open, high, low, close, count, ...(of === 'trades' ? sums : { volume: null, notional: null }) }
}

/**
 * Whether each bucket of a rollup lies in one bar, or in none: buckets begin at midnight UTC, bars at the midnights of the
 * request's time zone or at the borders of sessions.
 */
function fitsInto(
  { bucketSeconds }: RollupDefinition,
  { intervalSeconds }: WantedBars,
  stretches: readonly Stretch[] | null,
): boolean {
  const bucketMicros = BigInt(bucketSeconds) * 1_000_000n
  const areWhole = stretches?.every(
    ({ startMicros, endMicros }) => startMicros % bucketMicros === 0n && endMicros % bucketMicros === 0n,
  )
  return (intervalSeconds ?? bucketSeconds) % bucketSeconds === 0 && areWhole !== false
}
