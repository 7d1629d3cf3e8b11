import { getHeapStatistics } from 'node:v8'

/** How much of Node's heap is in use, garbage included: 0 to 1. At 1 the process dies. */
export function heapShare(): number {
  const { used_heap_size: usedBytes, heap_size_limit: limitBytes } = getHeapStatistics()
  return usedBytes / limitBytes
}
