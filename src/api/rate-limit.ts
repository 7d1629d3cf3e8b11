import type { LimitStatus } from '#query'

/** Headers: how many may be read or wait at once, and how many more (draft-ietf-httpapi-ratelimit-headers). */
export function rateLimit({ most, free }: LimitStatus): Readonly<Record<string, string>> {
  const policy = `"queries";q=${most};qu="concurrent-requests"`
  return { 'RateLimit-Policy': policy, RateLimit: `"queries";r=${free}` }
}
