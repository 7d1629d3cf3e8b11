/** The value below which that part of the values lies, from 0 to 1; the largest for 1. At least one value. */
export function percentile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]
  if (value === undefined) throw new RangeError('there is no percentile of nothing')
  return value
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5)
}
