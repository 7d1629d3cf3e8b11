import { totalmem } from 'node:os'

/** How much of the memory that it may have this process has, DuckDB's included: 0 to 1. */
export function residentShare(): number {
  // Of a container's own bound; without one it is 0, or more than there is.
  const bound = process.constrainedMemory()
  const total = totalmem()
  return process.memoryUsage.rss() / (bound && bound < total ? bound : total)
}
