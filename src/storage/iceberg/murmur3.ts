/** MurmurHash3, x86, 32 bits, seed 0: the hash of Iceberg's buckets (spec, Appendix B). Signed, as Java has it. */
export function murmur3(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const wholeWords = bytes.length - (bytes.length % 4)
  let hash = 0
  for (let offset = 0; offset < wholeWords; offset += 4) {
    hash = Math.imul(rotated(hash ^ mixedWord(view.getInt32(offset, true)), 13), 5) + 0xe6546b64
  }
  let rest = 0
  for (let index = bytes.length - 1; index >= wholeWords; index--) rest = (rest << 8) | bytes[index]!
  hash ^= mixedWord(rest)
  hash ^= bytes.length
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return hash ^ (hash >>> 16)
}

function mixedWord(word: number): number {
  return Math.imul(rotated(Math.imul(word, 0xcc9e2d51), 15), 0x1b873593)
}

function rotated(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits))
}
