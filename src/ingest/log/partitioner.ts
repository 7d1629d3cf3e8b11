const MULTIPLIER = 0x5bd1e995
const SEED = 0x9747b28c

/**
 * Kafka's murmur2 of a key, as an int32: org.apache.kafka.common.utils.Utils.murmur2.
 * Any Kafka client with the default partitioner puts the same key into the same partition.
 */
export function murmur2(key: Uint8Array): number {
  const { length } = key
  let hash = SEED ^ length
  const wordsEnd = length & ~3
  for (let index = 0; index < wordsEnd; index += 4) {
    let word = key[index]! | (key[index + 1]! << 8) | (key[index + 2]! << 16) | (key[index + 3]! << 24)
    word = Math.imul(word, MULTIPLIER)
    word = Math.imul(word ^ (word >>> 24), MULTIPLIER)
    hash = Math.imul(hash, MULTIPLIER) ^ word
  }
  const rest = length - wordsEnd
  if (rest >= 3) hash ^= key[wordsEnd + 2]! << 16
  if (rest >= 2) hash ^= key[wordsEnd + 1]! << 8
  if (rest >= 1) hash = Math.imul(hash ^ key[wordsEnd]!, MULTIPLIER)
  hash = Math.imul(hash ^ (hash >>> 13), MULTIPLIER)
  return hash ^ (hash >>> 15)
}

/** The partition of a key. The sign bit is cleared, as by Kafka's `toPositive`, not negated. */
export function partitionOf(key: string, partitionCount: number): number {
  return (murmur2(Buffer.from(key, 'utf8')) & 0x7fff_ffff) % partitionCount
}
