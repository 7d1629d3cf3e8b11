import type { Row } from './row-batch.js'
import type { SeededRandom } from './seeded-random.js'

/** 2014-10-03T00:00:00Z, two days before clocks change in Sydney. */
export const EVENTS_START_MICROS = 1_412_294_400_000_000n
export const EVENTS_SPAN_MICROS = 4n * 86_400_000_000n
export const EVENT_SYMBOLS = ['BHP', 'CBA', "O'X"] as const
export const EVENT_EXCHANGES = ['ASX', 'CHIX'] as const

/**
 * Seeded trades and quotes that collide as much as they can: few instants, many equal keys, identical twins, and one
 * row in four from a foreign engine, without log position. Positions go on from `firstOffset`.
 */
export function eventRows(
  random: SeededRandom,
  count: number,
  firstOffset: number,
  kind: 'trades' | 'quotes',
): readonly Row[] {
  const rows: Row[] = []
  for (let index = 0; index < count; index++) {
    const named = ({ log_offset }: { readonly log_offset: bigint | null }) =>
      kind === 'trades' ? { trade_id: log_offset === null ? null : String(log_offset) } : {}
    const position = random.oneIn(4)
      ? { log_partition: null, log_offset: null }
      : { log_partition: 0, log_offset: BigInt(firstOffset + index) }
    const previous = rows.at(-1)
    if (previous && random.oneIn(5)) {
      rows.push({ ...previous, ...position, ...named(position) })
      continue
    }
    const price = () =>
      random.pick([0n, -1n, 1n, 99_999_999n, 12_345_678_901n, 500_000_000n + random.bigBelow(1000n)])
    const prices =
      kind === 'trades'
        ? {
            price: price(),
            size: random.pick([0n, 1n, 33_333_333n, 700_000_000n]),
            side: 'buy',
            trade_id: null,
          }
        : { bid_price: price(), bid_size: 1n, ask_price: price(), ask_size: null }
    rows.push({
      symbol: random.pick(EVENT_SYMBOLS),
      exchange: random.pick(EVENT_EXCHANGES),
      exchange_timestamp:
        EVENTS_START_MICROS + (EVENTS_SPAN_MICROS / 40n) * random.bigBelow(40n) + random.bigBelow(2n),
      exchange_nanos: random.oneIn(20) ? null : random.below(2),
      sequence_number: random.oneIn(3) ? null : 9_007_199_254_740_993n,
      venue: random.pick([null, '', 'a "quoted", one', 'X']),
      conditions: null,
      currency: 'AUD',
      message_id: `m${random.below(3)}`,
      quality_flags: 0,
      ingest_timestamp: EVENTS_START_MICROS,
      source: 's',
      ...prices,
      ...position,
      ...named(position),
    })
  }
  return rows
}
