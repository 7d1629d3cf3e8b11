import { type LimitBounds, QueryLimits } from '#query'

/** Those of the settings. */
const BOUNDS: LimitBounds = {
  concurrent: 10,
  large: 6,
  streamed: 4,
  maxWaiting: 100,
  memoryBytes: 1_500_000_000,
  smallMs: 100,
}

/** Limits on a machine that has room. */
export function queryLimits(bounds: Partial<LimitBounds> = {}): QueryLimits {
  return new QueryLimits({ ...BOUNDS, ...bounds, headroom: { shortage: async () => null } })
}
