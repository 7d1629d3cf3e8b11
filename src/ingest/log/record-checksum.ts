import { crc32 } from 'node:zlib'

/**
 * Tells a record from another one at the same offset: CRC-32 of the time at which the log took it (µs, int64
 * little-endian) and of its value, as eight hexadecimal digits.
 */
export function recordChecksum(appendedAtMicros: bigint, value: Uint8Array): string {
  const time = Buffer.alloc(8)
  time.writeBigInt64LE(appendedAtMicros)
  return crc32(value, crc32(time)).toString(16).padStart(8, '0')
}
