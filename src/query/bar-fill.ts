import type { Bindings } from './bindings.js'
import { areOfExchanges, BUCKET_KEY, type Stretch, stretchesSql } from './buckets.js'
import type { PagePosition } from './page-token.js'
import { type BarsRequest, SECONDS_PER_DAY } from './request.js'

const PRICES = ['open', 'high', 'low', 'close'] as const

/**
 * Bars, and between those of an instrument one for each bucket that has no row: its prices are null, or the newest close
 * before it. `nothing` is its volume and notional. A gap gives no more than a page takes.
 */
export function filledBars(
  bars: string,
  nothing: string,
  request: BarsRequest,
  stretches: readonly Stretch[],
  after: PagePosition | null,
  bindings: Bindings,
): string {
  const sameInstrument = 'PARTITION BY exchange, symbol ORDER BY bucket'
  const isSame = areOfExchanges(stretches) ? 'AND followed.exchange = stretches.exchange' : ''
  const step =
    request.intervalSeconds === SECONDS_PER_DAY
      ? '(day_end - day_start)'
      : String(request.intervalSeconds * 1_000_000)
  const prices = PRICES.map((name) => (request.fill === 'prev' ? `last_close AS ${name}` : `NULL AS ${name}`))
  const [from, to] = firstAndLast(request, after, 'lower', step, 'length')
  return `WITH bars AS (${bars}),
    followed AS (SELECT *, lead(bucket) OVER (${sameInstrument}) AS next_bucket,
      last_value(close IGNORE NULLS) OVER (${sameInstrument} ROWS UNBOUNDED PRECEDING) AS last_close FROM bars),
    gaps AS (SELECT followed.exchange, symbol, last_close, day_start, day_end,
      greatest(bucket_end, day_start) AS lower, least(next_bucket, day_end) AS upper
      FROM followed JOIN ${stretchesSql(stretches, bindings, 'once')}
      ON day_start < next_bucket AND day_end > bucket_end ${isSame} WHERE next_bucket > bucket_end),
    lengths AS (SELECT *, (upper - lower + ${step} - 1) // ${step} AS length FROM gaps),
    empties AS (SELECT exchange, symbol, last_close, day_end, ${step} AS step,
      lower + unnest(range(${from}, ${to})) * ${step} AS bucket FROM lengths)
    SELECT ${BUCKET_KEY.join(', ')}, ${PRICES.join(', ')}, volume, notional, count FROM bars
    UNION ALL BY NAME SELECT bucket, least(bucket + step, day_end) AS bucket_end, exchange, symbol, ${prices.join(', ')},
      ${nothing}, CAST(0 AS BIGINT) AS count FROM empties`
}

/** Which buckets of a gap a page can hold: from the one at which it begins, one more than it has rows. */
function firstAndLast(
  { limit, order }: BarsRequest,
  after: PagePosition | null,
  lower: string,
  step: string,
  length: string,
): readonly [from: string, to: string] {
  // Buckets of one start are told apart by the rest of the key: the page's last comes once more, and is left out later.
  const reached = after && `(${BigInt(after.key[0] ?? 0)} - ${lower}) // ${step}`
  if (order === 'asc') {
    const from = reached ? `greatest(0, ${reached})` : '0'
    return [from, limit === null ? length : `least(${length}, ${from} + ${limit + 2})`]
  }
  const to = reached ? `least(${length}, greatest(0, ${reached} + 1))` : length
  return [limit === null ? '0' : `greatest(0, ${to} - ${limit + 2})`, to]
}
